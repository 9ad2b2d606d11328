-- Whom something can be told. Without an address: the account is erased, and what comes late for it is dropped.
create table recipients (
    account_id uuid primary key,
    email text,
    sequence bigint not null
);

-- What contacts are called. Without a name: the contact is removed.
create table contact_names (
    contact_id uuid primary key,
    owner_id uuid not null,
    name text,
    sequence bigint not null
);
create index contact_names_by_owner on contact_names (owner_id);

create table notifications (
    notification_id uuid primary key,
    account_id uuid not null,
    kind text not null,
    -- The import, contact or session it is about.
    about uuid not null,
    title text not null,
    body text not null,
    in_app boolean not null,
    created_at timestamptz not null,
    read_at timestamptz,
    unique (account_id, kind, about)
);
create index feed on notifications (account_id, created_at desc, notification_id desc) where in_app;
create index unread on notifications (account_id) where in_app and read_at is null;

-- Only what someone has chosen; for all else the defaults hold.
create table preferences (
    account_id uuid not null,
    kind text not null,
    in_app boolean not null,
    email boolean not null,
    primary key (account_id, kind)
);
