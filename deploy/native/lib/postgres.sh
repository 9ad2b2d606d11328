# shellcheck shell=bash
# shellcheck disable=SC2153 # DATA comes from common.sh
# PostgreSQL: passwords over TCP only, no socket, no trust.

postgres_packages() {
    [[ -n "$(postgres_folder)" ]] || printf 'postgresql '
    missing_packages psql postgresql-client curl curl
    echo
}

postgres_fetch() { :; }

# The newest installed version, or the one that created the data folder.
postgres_folder() {
    local version='*'
    [[ ! -e "$DATA/postgres/PG_VERSION" ]] || version="$(cat "$DATA/postgres/PG_VERSION")"
    # shellcheck disable=SC2086 # globbing is intended
    printf '%s\n' /usr/lib/postgresql/$version/bin/postgres | sort -V | tail -n 1 | grep -v '\*' | xargs -r dirname
}

postgres_start() {
    local bin data="$DATA/postgres"
    bin="$(postgres_folder)"
    [[ -n "$bin" ]] || die "PostgreSQL is not installed: run deploy/native/servers install"
    [[ -e "$data/PG_VERSION" ]] || postgres_create "$bin" "$data"
    postgres_settings | own_file postgres "$data/conf.d/kith.conf"
    own_certificate postgres "$data/conf.d"
    launch postgres "$bin/postgres" -D "$data"
}

# Created under another name and renamed, so that a kill cannot leave half a cluster.
postgres_create() {
    local bin="$1" data="$2"
    rm -rf -- "$data.new"
    own_folder postgres "$data.new"
    own_file postgres "$data.password" <"$SECRETS/postgres.admin"
    as_user_of postgres env -i PATH=/usr/bin:/bin LANG=C.UTF-8 "$bin/initdb" -D "$data.new" -U kith_admin \
        --auth=scram-sha-256 --pwfile="$data.password" --encoding=UTF8 --locale=C.UTF-8 --data-checksums \
        >>"$LOG/postgres.log" 2>&1 || {
        show_log postgres "could not create the data folder"
        return 1
    }
    rm -f -- "$data.password"
    own_folder postgres "$data.new/conf.d"
    echo "include_dir 'conf.d'" >>"$data.new/postgresql.conf"
    mv "$data.new" "$data"
}

# With KITH_POSTGRES_FSYNC=off nothing is flushed to the disk: of a server that is killed nothing is lost, as the
# operating system has everything, but a machine that stops loses data. Only for tests.
postgres_settings() {
    local fsync="${KITH_POSTGRES_FSYNC:-on}"
    [[ "$fsync" == on || "$fsync" == off ]] || die "KITH_POSTGRES_FSYNC must be on or off, not '$fsync'"
    cat <<TEXT
fsync = $fsync
full_page_writes = $fsync
listen_addresses = '127.0.0.1'
port = $(port_of postgres)
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 300
shared_buffers = 128MB
max_wal_size = 1GB
ssl = on
ssl_cert_file = 'conf.d/server.crt'
ssl_key_file = 'conf.d/server.key'
# DETAIL would show the values of rows, and parameters those of statements.
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_line_prefix = '%m [%p] %u@%d '
timezone = 'UTC'
log_timezone = 'UTC'
TEXT
}

postgres_ready() { as_admin_of_postgres <<<'select 1'; }
