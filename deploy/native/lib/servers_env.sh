# shellcheck shell=bash
# What servers.env contains, and the scripts that ignore one that was sourced into the shell they are started from.

SERVERS_ENV=(KITH_POSTGRES_URL KITH_AMQP_URL KITH_RABBIT_API KITH_NEO4J_URL KITH_ELASTICSEARCH_URL KITH_MAIL_URL KITH_TLS_CA
    KITH_TEST_TLS KITH_TEST_AMQPS_PORT KITH_TEST_RABBIT_API_PORT KITH_TEST_SMTPS_PORT KITH_RUN KITH_SECRETS)

# Whether KITH_RUN is from a sourced servers.env: nothing else sets KITH_SECRETS, and a KITH_RUN set by hand names
# another folder.
run_is_sourced() { [[ -n "${KITH_SECRETS:-}" && "${KITH_RUN:-}/secrets" == "$KITH_SECRETS" ]]; }

# For scripts that start or stop a system of their own. Keeps a KITH_RUN that was set by hand.
ignore_servers_env() {
    local name run=""
    [[ -n "${KITH_SECRETS:-}" ]] || return 0
    printf 'note: ignoring the servers.env of %s, which was sourced into this shell\n' "${KITH_SECRETS%/secrets}" >&2
    run_is_sourced || run="${KITH_RUN:-}"
    for name in "${SERVERS_ENV[@]}"; do unset "$name"; done
    [[ -z "$run" ]] || export KITH_RUN="$run"
}

# For scripts/test and scripts/bench: their folder, whose data the tests delete. They mark it, and refuse that of another
# system. A KITH_RUN set by hand is for scripts/up.
use_test_folder() {
    local chosen="${KITH_TEST_RUN:-}"
    ignore_servers_env
    [[ -z "${KITH_RUN:-}" ]] || printf 'note: ignoring KITH_RUN=%s; KITH_TEST_RUN sets the folder\n' "$KITH_RUN" >&2
    KITH_RUN="$(realpath -m "${chosen:-$(dirname "${BASH_SOURCE[0]}")/../../../.run/test}")"
    export KITH_RUN
    if [[ -n "$chosen" && -e "$KITH_RUN/port-base" && ! -e "$KITH_RUN/for-tests" ]]; then
        printf 'error: %s is not a folder of scripts/test; set KITH_TEST_RUN to another one\n' "$KITH_RUN" >&2
        exit 1
    fi
    mkdir -p "$KITH_RUN"
    : >"$KITH_RUN/for-tests"
}
