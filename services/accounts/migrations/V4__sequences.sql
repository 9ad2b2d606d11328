-- The sequence of the event that the row's state is from. Sign-ins and ended sessions are events about the same account,
-- and no change of it. An account's first event has the number 1.
alter table accounts add column sequence bigint not null default 1;
update accounts set sequence = skeleton.sequence_of(account_id);
