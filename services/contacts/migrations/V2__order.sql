-- Of the events about a contact's person the latest wins by its line. The column goes with the next version.
insert into skeleton.lines (line, last)
    select 'network ' || contact_id, linked_sequence from contacts where linked_sequence > 0 on conflict do nothing;
