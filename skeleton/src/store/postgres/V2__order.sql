-- How far each subject has come whose events are taken in order, or of which the latest counts.
create table skeleton.lines (
    line text primary key,
    last bigint not null
);

-- Numbers that a person has given up: what comes after them does not wait for them.
create table skeleton.given_up (
    line text not null,
    number bigint not null,
    primary key (line, number)
);

-- The place in its line of a message that is set aside, and a state for those that wait for the one before.
alter table skeleton.set_aside add column line text, add column number bigint;
alter table skeleton.set_aside drop constraint set_aside_state_check;
alter table skeleton.set_aside add constraint set_aside_state_check check (state in ('waiting', 'behind', 'parked'));
create index set_aside_in_line on skeleton.set_aside (line, number) where line is not null;
create index set_aside_behind on skeleton.set_aside (queue, due_at) where state = 'behind';
