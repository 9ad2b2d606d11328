-- The stack of a message's last failure, if that was a panic.
alter table skeleton.set_aside add column stack text;
