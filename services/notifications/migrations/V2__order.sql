-- Of the events about a member or a contact the latest wins by its line. The columns go with the next version.
alter table recipients alter column sequence set default 0;
alter table contact_names alter column sequence set default 0;
insert into skeleton.lines (line, last)
    select 'accounts ' || account_id, sequence from recipients where sequence > 0
    union all select 'contacts ' || contact_id, sequence from contact_names where sequence > 0
    on conflict do nothing;
