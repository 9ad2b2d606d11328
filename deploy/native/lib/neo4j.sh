# shellcheck shell=bash
# shellcheck disable=SC2153 # DATA comes from common.sh
# Neo4j Community from its Maven artifacts: Bolt only, no browser.

neo4j_folder() { cat "$NATIVE/neo4j/pom.xml" "$NATIVE/neo4j/Neo4jServer.java" | cached neo4j; }

neo4j_packages() {
    if ! java_is_new || { [[ ! -d "$(neo4j_folder)" ]] && ! command -v javac >/dev/null; }; then printf 'default-jdk-headless '; fi
    [[ -d "$(neo4j_folder)" ]] || missing_packages mvn maven
    echo
}

neo4j_fetch() {
    local folder build
    folder="$(neo4j_folder)"
    [[ ! -d "$folder" ]] || return 0
    say "neo4j: fetching into $folder (130 MB)"
    build="$folder.new"
    rm -rf -- "$build"
    mkdir -p "$build/classes"
    quiet_maven -f "$NATIVE/neo4j/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$build/lib"
    javac -cp "$build/lib/*" -d "$build/classes" "$NATIVE/neo4j/Neo4jServer.java"
    chmod -R a+rX "$build"
    mv "$build" "$folder"
}

neo4j_start() {
    local folder data="$DATA/neo4j"
    folder="$(neo4j_folder)"
    [[ -d "$folder" ]] || die "Neo4j has not been fetched: run deploy/native/servers install"
    own_folder neo4j "$data" "$data/conf" "$data/conf/revoked" "$data/conf/trusted" "$data/tmp"
    own_certificate neo4j "$data/conf"
    {
        cat "$NATIVE/neo4j/neo4j.conf"
        echo "server.bolt.listen_address=127.0.0.1:$(port_of neo4j)"
        printf '%s\n' server.bolt.tls_level=OPTIONAL dbms.ssl.policy.bolt.enabled=true dbms.ssl.policy.bolt.client_auth=NONE \
            "dbms.ssl.policy.bolt.base_directory=$data/conf" dbms.ssl.policy.bolt.private_key=server.key \
            dbms.ssl.policy.bolt.public_certificate=server.crt
    } | own_file neo4j "$data/conf/neo4j.conf"
    # The password is passed on standard input: all users could read an argument.
    LAUNCH_INPUT="$SECRETS/neo4j" launch neo4j HOME="$data" "$(java_home)/bin/java" \
        -Xms128m -Xmx1g -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Djava.io.tmpdir="$data/tmp" \
        --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
        --add-opens=java.base/sun.nio.ch=ALL-UNNAMED \
        -cp "$folder/classes:$folder/lib/*" Neo4jServer "$data" "$data/conf"
}

# Negotiates a version of Bolt. The port opens when the database does.
neo4j_ready() {
    local host port answer
    host="$(url_host "$KITH_NEO4J_URL")"
    port="$(url_port "$KITH_NEO4J_URL" 7687)"
    exec 7<>"/dev/tcp/$host/$port" || return 1
    printf '\x60\x60\xb0\x17\x00\x04\x04\x05\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00' >&7
    answer="$(timeout 5 head -c 4 <&7 | od -An -tx1 | tr -d ' \n')"
    exec 7>&-
    [[ "$answer" =~ ^0000[0-9a-f]{2}0[45]$ ]]
}
