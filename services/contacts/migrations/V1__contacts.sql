-- An address book's entries. `source_key` is what an entry is known by when the same file comes again.
create table contacts (
    contact_id uuid primary key,
    owner_id uuid not null,
    source_key text not null,
    -- The person in the network, and the sequence of the event that said so.
    person_id uuid,
    linked_sequence bigint not null default 0,
    card jsonb not null,
    -- The card as a file brought it last; absent where it was written by hand.
    imported jsonb,
    -- What pages are ordered by: the name, folded.
    sort_key text not null,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    unique (owner_id, source_key)
);
create index contacts_by_name on contacts (owner_id, sort_key, contact_id);

create table imports (
    import_id uuid primary key,
    account_id uuid not null,
    file_name text,
    format text,
    status text not null check (status in ('uploading', 'queued', 'running', 'finished', 'failed')),
    total bigint not null default 0,
    added bigint not null default 0,
    changed bigint not null default 0,
    unchanged bigint not null default 0,
    failed bigint not null default 0,
    error text,
    created_at timestamptz not null
);
create index imports_by_account on imports (account_id);

-- The file in parts, until it is read.
create table import_parts (
    import_id uuid not null references imports on delete cascade,
    index bigint not null,
    data bytea not null,
    primary key (import_id, index)
);

-- The cards of a file that are still to be taken in.
create table import_entries (
    import_id uuid not null references imports on delete cascade,
    position bigint not null,
    source_key text not null,
    card jsonb not null,
    primary key (import_id, position)
);

create table import_problems (
    import_id uuid not null references imports on delete cascade,
    position bigint not null,
    line bigint not null,
    reason text not null,
    primary key (import_id, position)
);

-- Accounts that were erased: what comes late for them is refused.
create table erased_accounts (
    account_id uuid primary key,
    erased_at timestamptz not null
);
