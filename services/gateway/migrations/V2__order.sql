-- Events of one import are handled in order: nothing is compared here any more. The column goes with the next version.
alter table stream_events alter column sequence set default 0;
