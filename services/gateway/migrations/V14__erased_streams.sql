-- Late events of an erased account are not added to its stream: they come from other services than the erasure, in no order
-- with it. Its row stays, because a parked event has no age limit.
alter table streams add column erased boolean not null default false;
