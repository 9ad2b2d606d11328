# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the files that source this one
# Folders, processes, waiting and secrets, shared by all servers and services.

REPOSITORY="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)"
NATIVE="$REPOSITORY/deploy/native"
# shellcheck source=/dev/null # generated
source "$NATIVE/lib/services_table.sh"
KITH_RUN="$(realpath -m "${KITH_RUN:-$REPOSITORY/.run}")"
# remembered FILE DEFAULT
remembered() { cat "$KITH_RUN/$1" 2>/dev/null || echo "$2"; }
# The ports are those of the last start, unless they are set.
KITH_PORT_BASE="${KITH_PORT_BASE:-$(remembered port-base 20000)}"
KITH_HTTP_PORT="${KITH_HTTP_PORT:-$(remembered http-port 8080)}"
KITH_ADMIN_PORT_BASE="${KITH_ADMIN_PORT_BASE:-$(remembered admin-port-base 9100)}"
# Servers started by root run as nobody, which cannot access root's home.
if ((EUID == 0)); then default_cache=/var/cache/kith; else default_cache="${XDG_CACHE_HOME:-$HOME/.cache}/kith"; fi
KITH_CACHE="$(realpath -m "${KITH_CACHE:-$default_cache}")"
LOG="$KITH_RUN/log"
PIDS="$KITH_RUN/pid"
SECRETS="$KITH_RUN/secrets"
START_LIMIT_S="${KITH_START_LIMIT_S:-300}"

say() { printf '%s\n' "$*"; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

port_of() {
    local -A offset=([mail]=25 [mail-tls]=26 [postgres]=32 [epmd]=69 [rabbitmq-tls]=70 [rabbitmq-api-tls]=71 [rabbitmq]=72 [rabbitmq-api]=73 [erlang]=74
        [rabbitmq-metrics]=75 [neo4j]=87 [elasticsearch]=92 [elasticsearch-transport]=93)
    echo $((KITH_PORT_BASE + offset[$1]))
}

# remember FILE VARIABLE NAME...: keeps the variable's value in the run folder. It must not change while one of these runs.
remember() {
    local file="$1" variable="$2" before name
    before="$(remembered "$file" "${!variable}")"
    if [[ "$before" != "${!variable}" ]]; then
        for name in "${@:3}"; do
            ! running "$name" || die "$name is running with $variable=$before: stop it before you change this"
        done
    fi
    echo "${!variable}" >"$KITH_RUN/$file"
}

# The unprivileged user of a server if root starts it. Services run as the user who may read the secrets.
user_of() {
    case "$1" in
        postgres) echo postgres ;;
        rabbitmq | epmd | neo4j | elasticsearch) echo nobody ;;
        *) id -un ;;
    esac
}

# The prefix of a command that makes it run as that user.
drop_to_user_of() {
    local user
    user="$(user_of "$1")"
    if ((EUID == 0)) && [[ "$user" != root ]]; then
        echo "setpriv --reuid=$(id -u "$user") --regid=$(id -g "$user") --clear-groups --inh-caps=-all --no-new-privs"
    fi
}

as_user_of() {
    local -a drop
    read -ra drop <<<"$(drop_to_user_of "$1")"
    "${drop[@]}" "${@:2}"
}

# Where servers keep data. Their users cannot access a repository inside a private home.
data_folder() {
    if ((EUID != 0)) || as_user_of rabbitmq test -x "$KITH_RUN" 2>/dev/null; then
        echo "$KITH_RUN/data"
    else
        echo "/var/lib/kith/$(sha256sum <<<"$KITH_RUN" | cut -c1-12)"
    fi
}

prepare_folders() {
    mkdir -p "$KITH_RUN" "$LOG" "$PIDS"
    (umask 077 && mkdir -p "$SECRETS")
    DATA="$(data_folder)"
    mkdir -p "$DATA"
    [[ "$DATA" == "$KITH_RUN/data" || -e "$KITH_RUN/data" ]] || ln -s "$DATA" "$KITH_RUN/data"
}

# Creates folders that belong to the user of a server.
own_folder() {
    local server="$1"
    shift
    mkdir -p "$@"
    chmod 700 "$@"
    ((EUID != 0)) || chown "$(user_of "$server"):" "$@"
}

# Writes standard input to a file that only the server's user can read.
own_file() {
    (umask 077 && cat >"$2.new")
    ((EUID != 0)) || chown "$(user_of "$1"):" "$2.new"
    mv "$2.new" "$2"
}

with_lock() {
    mkdir -p "$1"
    exec 9>"$1/lock"
    flock -n 9 || {
        say "waiting for another run of the scripts in $1"
        flock -w 900 9 || die "another run has held $1/lock for 15 minutes"
    }
    shift
    "$@"
}

# The services whose store is of this kind.
services_on() {
    local service
    for service in "${SERVICES[@]}"; do
        [[ "${STORE_OF[$service]}" != "$1" ]] || echo "$service"
    done
}

# --- secrets ---------------------------------------------------------------------------------

secret() { cat "$SECRETS/$1"; }

make_secrets() {
    local service secret name names=(postgres.admin rabbitmq.admin neo4j elastic demo.broker)
    for service in "${SERVICES[@]}"; do
        names+=("$service.store" "$service.broker")
        for secret in ${SECRETS_OF[$service]:-}; do
            name="$service.${secret%:*}"
            case "${secret#*:}" in
                random) names+=("$name") ;;
                ed25519) [[ -s "$SECRETS/$name" ]] || openssl genpkey -algorithm ed25519 | write_secret "$name" ;;
                *) die "services/$service/service.toml: this script cannot make a secret of the kind ${secret#*:}" ;;
            esac
        done
    done
    for name in "${names[@]}"; do
        [[ -s "$SECRETS/$name" ]] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' | write_secret "$name"
    done
}

write_secret() {
    (umask 077 && cat >"$SECRETS/$1.new")
    mv "$SECRETS/$1.new" "$SECRETS/$1"
}

# --- processes -------------------------------------------------------------------------------
# A pid file holds the process id and its start time, so that a reused id is not mistaken for ours.

started_at() {
    local stat
    stat="$(cat "/proc/$1/stat" 2>/dev/null)" || return 1
    stat="${stat##*) }"
    cut -d' ' -f20 <<<"$stat"
}

main_pid() { cut -d' ' -f1 "$PIDS/$1" 2>/dev/null; }

running() {
    local pid started state
    read -r pid started 2>/dev/null <"$PIDS/$1" || return 1
    [[ "$(started_at "$pid")" == "$started" ]] || return 1
    state="$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f1)"
    [[ -n "$state" && "$state" != Z ]]
}

# All running processes of a server, with or without its main process: children inherit its mark.
members() {
    local folder
    grep -lzxF "KITH_PROCESS=$KITH_RUN/$1" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true
    if [[ "$1" == postgres ]]; then
        # PostgreSQL's sessions overwrite their environment with their state, but run in the data folder.
        for folder in /proc/[0-9]*/cwd; do
            if [[ "$(readlink "$folder")" == "$DATA/postgres" && "$(<"${folder%cwd}comm")" == postgres ]]; then
                cut -d/ -f3 <<<"$folder"
            fi
        done
    fi
}

# launch NAME COMMAND...: starts it detached, with its own log, and only the environment that the command sets.
# LAUNCH_INPUT is its standard input.
launch() {
    local name="$1" pid
    local -a drop command=(env -i KITH_PROCESS="$KITH_RUN/$1" LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "${@:2}")
    read -ra drop <<<"$(drop_to_user_of "$name")"
    keep_log_short "$LOG/$name.log"
    (
        # The lock belongs to this script, not to the server.
        exec 9>&-
        exec setsid "${drop[@]}" "${command[@]}"
    ) <"${LAUNCH_INPUT:-/dev/null}" >>"$LOG/$name.log" 2>&1 &
    pid=$!
    printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$PIDS/$name"
}

# Keeps one older log.
keep_log_short() {
    if [[ -e "$1" ]] && (($(stat -c %s "$1") > 20000000)); then mv "$1" "$1.1"; fi
}

# The names of all servers and services of this folder that have a running process. Folders inside it are others.
names_running() {
    { grep -hozP "^KITH_PROCESS=\Q$KITH_RUN\E/\K[^/]+$" /proc/[0-9]*/environ 2>/dev/null || true; } | tr '\0' '\n' | sort -u
}

kill_leftovers() {
    local pid
    for pid in $(members "$1"); do kill -KILL "$pid" 2>/dev/null || true; done
}

# stop_one NAME SIGNAL LIMIT-IN-SECONDS: also stops processes whose pid file is lost.
stop_one() {
    local name="$1" limit="$3" deadline=$((SECONDS + $3))
    if running "$name"; then
        say "$name: stopping"
        kill "-$2" "$(main_pid "$name")" 2>/dev/null || true
        while running "$name" && ((SECONDS < deadline)); do sleep 0.1; done
        ! running "$name" || say "$name: did not stop within $limit s; killing it"
    fi
    kill_leftovers "$name"
    while [[ -n "$(members "$name")" ]]; do sleep 0.1; done
    rm -f "$PIDS/$name"
}

# wait_until NAME CHECK...: waits until the check succeeds, the process exits or the limit passes.
wait_until() {
    local name="$1" deadline=$((SECONDS + START_LIMIT_S))
    shift
    until "$@" >/dev/null 2>&1; do
        running "$name" || { show_log "$name" "exited while starting"; return 1; }
        ((SECONDS < deadline)) || { show_log "$name" "did not respond within $START_LIMIT_S s"; return 1; }
        sleep 0.2
    done
    say "$name: ready"
}

show_log() {
    {
        printf 'error: %s %s; the end of %s:\n' "$1" "$2" "$LOG/$1.log"
        tail -n 25 "$LOG/$1.log" | sed 's/^/    /'
    } >&2
}

# --- installation -----------------------------------------------------------------------

install_packages() {
    (($# > 0)) || return 0
    local -a root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "missing packages, and root is needed to install them: $*"
        root=(sudo)
    fi
    command -v apt-get >/dev/null || die "there is no apt-get; install these packages yourself: $*"
    say "installing $*"
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$@"
}

# Prints the packages whose command is missing; the arguments are "command package" pairs.
missing_packages() {
    while (($# > 0)); do
        command -v "$1" >/dev/null || printf '%s ' "$2"
        shift 2
    done
}

quiet_maven() {
    mvn -B -Dstyle.color=never "$@" >"$KITH_CACHE/maven.log" 2>&1 || {
        tail -n 25 "$KITH_CACHE/maven.log" >&2
        die "Maven failed to fetch it; is Maven Central reachable? See $KITH_CACHE/maven.log"
    }
}

# Whether a Java version that both servers accept is installed.
java_is_new() {
    local version
    version="$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')"
    [[ -n "$version" ]] && ((version >= 17))
}

java_home() { dirname "$(dirname "$(readlink -f "$(command -v java)")")"; }

# cached NAME <RECIPE: the folder of a fetched server; it changes with the recipe.
cached() { echo "$KITH_CACHE/$1-$(sha256sum | cut -c1-12)"; }

DATA="$(data_folder)"
