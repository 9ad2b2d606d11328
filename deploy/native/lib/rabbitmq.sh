# shellcheck shell=bash
# shellcheck disable=SC2153 # DATA comes from common.sh
# RabbitMQ: our own node beside Debian's, with its own port mapper.

RABBITMQ_LAUNCHER=/usr/lib/rabbitmq/bin/rabbitmq-server

rabbitmq_packages() {
    [[ -x "$RABBITMQ_LAUNCHER" ]] || printf 'rabbitmq-server '
    missing_packages curl curl
    echo
}

rabbitmq_fetch() { :; }

rabbitmq_start() {
    local data="$DATA/rabbitmq"
    [[ -x "$RABBITMQ_LAUNCHER" ]] || die "RabbitMQ is not installed: run deploy/native/servers install"
    own_folder rabbitmq "$data" "$data/mnesia"
    own_certificate rabbitmq "$data"
    rabbitmq_settings | own_file rabbitmq "$data/rabbitmq.conf"
    echo '[rabbitmq_management,rabbitmq_prometheus,rabbitmq_consistent_hash_exchange].' | own_file rabbitmq "$data/plugins"
    own_file rabbitmq "$data/environment" </dev/null
    # Started separately, because a port mapper started by Erlang outlives the broker.
    running epmd || launch epmd epmd -port "$(port_of epmd)" -address 127.0.0.1
    # "Under systemd" makes the launcher exec the broker instead of waiting for it in a shell.
    # Unbound schedulers that do not spin: several brokers may share two cores.
    launch rabbitmq HOME="$data" \
        RUNNING_UNDER_SYSTEMD=true \
        RABBITMQ_NODENAME=kith@localhost \
        RABBITMQ_CONF_ENV_FILE="$data/environment" \
        RABBITMQ_CONFIG_FILE="$data/rabbitmq.conf" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$data/plugins" \
        RABBITMQ_MNESIA_BASE="$data/mnesia" \
        RABBITMQ_LOG_BASE="$data/log" \
        RABBITMQ_LOGS=- \
        RABBITMQ_DIST_PORT="$(port_of erlang)" \
        RABBITMQ_SCHEDULER_BIND_TYPE=u \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none' \
        ERL_EPMD_PORT="$(port_of epmd)" ERL_EPMD_ADDRESS=127.0.0.1 \
        "$RABBITMQ_LAUNCHER"
}

# The first start creates kith-admin instead of guest.
rabbitmq_settings() {
    cat <<TEXT
listeners.tcp.1 = 127.0.0.1:$(port_of rabbitmq)
listeners.ssl.1 = 127.0.0.1:$(port_of rabbitmq-tls)
ssl_options.certfile = $DATA/rabbitmq/server.crt
ssl_options.keyfile = $DATA/rabbitmq/server.key
ssl_options.verify = verify_none
management.ssl.ip = 127.0.0.1
management.ssl.port = $(port_of rabbitmq-api-tls)
management.ssl.certfile = $DATA/rabbitmq/server.crt
management.ssl.keyfile = $DATA/rabbitmq/server.key
management.tcp.ip = 127.0.0.1
management.tcp.port = $(port_of rabbitmq-api)
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = $(port_of rabbitmq-metrics)
default_user = kith-admin
default_pass = $(secret rabbitmq.admin)
default_user_tags.administrator = true
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
log.console = true
log.console.level = warning
log.file = false
max_message_size = 4194304
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
raft.wal_max_size_bytes = 67108864
TEXT
}

# Runs rabbitmqctl on this node, as the broker's user, who can read the node's cookie.
rabbitmq_control() {
    local data
    local -a drop
    running rabbitmq || die "RabbitMQ has not been started by these scripts: run deploy/native/servers start rabbitmq"
    data="$(data_folder)/rabbitmq"
    read -ra drop <<<"$(drop_to_user_of rabbitmq)"
    cd /
    exec "${drop[@]}" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME="$data" \
        RABBITMQ_NODENAME=kith@localhost RABBITMQ_CONF_ENV_FILE="$data/environment" ERL_EPMD_PORT="$(port_of epmd)" \
        /usr/lib/rabbitmq/bin/rabbitmqctl "$@"
}

# Responds, and can declare a queue.
rabbitmq_ready() {
    local queue
    queue="$(rabbit_url)/api/queues/%2f/kith.ready"
    rabbit_api -X PUT -H 'content-type: application/json' -d '{"auto_delete":true}' "$queue" && rabbit_api -X DELETE "$queue"
}
