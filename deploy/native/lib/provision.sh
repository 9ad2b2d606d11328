# shellcheck shell=bash
# shellcheck disable=SC2034 # servers.env contains these variables; it is written by their names
# Users and databases on our own or on external servers; each service can access only its own.

# The external servers, recorded before our own addresses fill the gaps. Our own, from a sourced servers.env, are
# skipped.
given() { [[ "$(url_place "$2")" == "127.0.0.1:$(port_of "$1")" ]] || echo "$2"; }
declare -A GIVEN=([postgres]="$(given postgres "${KITH_POSTGRES_URL:-}")" [rabbitmq]="$(given rabbitmq "${KITH_AMQP_URL:-}")"
    [neo4j]="$(given neo4j "${KITH_NEO4J_URL:-}")" [mail]="$(given mail "${KITH_MAIL_URL:-}")"
    [elasticsearch]="$(given elasticsearch "${KITH_ELASTICSEARCH_URL:-}")")
[[ -z "${GIVEN[rabbitmq]}" || -n "${KITH_RABBIT_API:-}" ]] || die "KITH_AMQP_URL also needs KITH_RABBIT_API, the address of the management API"

brought() { [[ -n "${GIVEN[$1]}" ]]; }

# The address of each server, and the passwords of users that belong to a service.
set_addresses() {
    local service host=127.0.0.1
    brought postgres || KITH_POSTGRES_URL="postgres://kith_admin:$(secret postgres.admin)@$host:$(port_of postgres)/postgres"
    brought rabbitmq || KITH_AMQP_URL="amqp://kith-admin:$(secret rabbitmq.admin)@$host:$(port_of rabbitmq)/%2f"
    brought rabbitmq || KITH_RABBIT_API="http://kith-admin:$(secret rabbitmq.admin)@$host:$(port_of rabbitmq-api)"
    brought neo4j || KITH_NEO4J_URL="bolt://neo4j:$(secret neo4j)@$host:$(port_of neo4j)"
    brought elasticsearch || KITH_ELASTICSEARCH_URL="http://elastic:$(secret elastic)@$host:$(port_of elasticsearch)"
    brought mail || KITH_MAIL_URL="smtp://$host:$(port_of mail)"
    set_test_addresses
    # The authorities of external servers whose certificates no public authority has signed.
    KITH_TLS_CA="${KITH_TLS_CA:-}"
    # Neo4j Community has no roles: its service is its only user.
    for service in $(services_on neo4j); do url_password "$KITH_NEO4J_URL" | write_secret "$service.store"; done
}

# Our own servers with TLS, for the tests. The certificate names localhost, not the address.
set_test_addresses() {
    KITH_TEST_TLS="$TLS" KITH_TEST_AMQPS_PORT="$(port_of rabbitmq-tls)"
    KITH_TEST_RABBIT_API_PORT="$(port_of rabbitmq-api-tls)" KITH_TEST_SMTPS_PORT="$(port_of mail-tls)"
}

wait_for_brought() {
    local deadline=$((SECONDS + 30)) place
    place="$(url_place "${GIVEN[$1]}")"
    until "${1}_ready" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || {
            printf 'error: %s at %s does not respond; check its address and password\n' "$1" "$place" >&2
            return 1
        }
        sleep 0.5
    done
    say "$1: using the external server at $place"
}

write_addresses() {
    local name
    (
        umask 077
        KITH_SECRETS="$SECRETS"
        for name in "${SERVERS_ENV[@]}"; do printf '%s=%q\n' "$name" "${!name}"; done >"$KITH_RUN/servers.env.new"
        mv "$KITH_RUN/servers.env.new" "$KITH_RUN/servers.env"
    )
}

# --- access to each server, without passwords in the process list ----------------

# As the services interpret it: `require` checks the certificate too, and anything else is plain text.
postgres_ssl_mode() {
    case "$(url_option "$KITH_POSTGRES_URL" sslmode disable)" in
        require | verify-full) echo verify-full ;;
        *) echo disable ;;
    esac
}

as_admin_of_postgres() {
    PGHOST="$(url_host "$KITH_POSTGRES_URL")" PGPORT="$(url_port "$KITH_POSTGRES_URL" 5432)" \
        PGUSER="$(url_user "$KITH_POSTGRES_URL")" PGPASSWORD="$(url_password "$KITH_POSTGRES_URL")" \
        PGDATABASE="$(url_path "$KITH_POSTGRES_URL")" PGSSLMODE="$(postgres_ssl_mode)" PGCONNECT_TIMEOUT=5 \
        PGSSLROOTCERT="${KITH_TLS_CA:-/etc/ssl/certs/ca-certificates.crt}" \
        psql -XqAt -v ON_ERROR_STOP=1
}

# call_with_login URL CURL-ARGUMENTS...
call_with_login() {
    local url="$1"
    shift
    curl -fsS --max-time 30 ${KITH_TLS_CA:+--cacert "$KITH_TLS_CA"} -K <(printf 'user = "%s:%s"\n' "$(url_user "$url")" "$(url_password "$url")") "$@"
}

rabbit_url() { without_login "$KITH_RABBIT_API"; }
rabbit_api() { call_with_login "$KITH_RABBIT_API" "$@"; }
elastic_url() { without_login "$KITH_ELASTICSEARCH_URL"; }
elastic_api() { call_with_login "$KITH_ELASTICSEARCH_URL" "$@"; }

# --- users and rights --------------------------------------------------------------------------

# Of the servers that run: others may be started later.
provision_all() {
    ! is_there postgres || provision_postgres || die "could not create the databases; see $LOG/postgres.log"
    ! is_there elasticsearch || provision_elasticsearch || die "could not create the users of the indices; see $LOG/elasticsearch.log"
}

is_there() { brought "$1" || running "$1"; }

# One role and one database per service; no other service may connect to it.
provision_postgres() {
    local service
    {
        echo "revoke connect on database postgres, template1 from public;"
        for service in $(services_on postgres); do
            cat <<SQL
select 'create role $service login' where not exists (select from pg_roles where rolname = '$service') \\gexec
alter role $service nosuperuser nocreatedb nocreaterole password '$(secret "$service.store")';
alter role $service set statement_timeout = '30s';
alter role $service set lock_timeout = '10s';
alter role $service set idle_in_transaction_session_timeout = '30s';
-- DETAIL would show the values of rows. Only a superuser may set it; otherwise it is set for the whole server.
do \$\$ begin alter role $service set log_error_verbosity = terse; exception when insufficient_privilege then null; end \$\$;
select 'create database $service owner $service' where not exists (select from pg_database where datname = '$service') \\gexec
revoke all on database $service from public;
SQL
        done
    } | as_admin_of_postgres >/dev/null
}

# The service has all rights on its own indices, and none on others.
provision_elasticsearch() {
    local service
    for service in $(services_on elasticsearch); do
        elastic_put "role/$service" '{"cluster":["monitor"],"indices":[{"names":["'"$service"'-*"],"privileges":["manage","read","write"]}]}' &&
            elastic_put "user/$service" "{\"password\":\"$(secret "$service.store")\",\"roles\":[\"$service\"]}" || return
    done
}

# After the first start, the index that holds users may still be opening.
elastic_put() {
    local deadline=$((SECONDS + 60))
    until printf '%s' "$2" | elastic_api -X PUT -H 'content-type: application/json' --data-binary @- "$(elastic_url)/_security/$1" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.5
    done
}
