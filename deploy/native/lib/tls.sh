# shellcheck shell=bash
# Certificates for our own servers, which accept TLS beside plain text for the tests of TLS. One authority has signed
# them, another has not.

TLS="$SECRETS/tls"

make_certificates() {
    [[ ! -s "$TLS/server.crt" ]] || return 0
    (
        umask 077
        rm -rf -- "$TLS" "$TLS.new"
        mkdir -p "$TLS.new"
        cd "$TLS.new"
        make_authority ca
        make_authority stranger
        # Only the name: the tests also need the mismatch that an address causes.
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out server.crt \
            -extfile <(printf 'subjectAltName=DNS:localhost\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n')
        mv "$TLS.new" "$TLS"
    ) 2>>"$LOG/tls.log" || die "could not create certificates; see $LOG/tls.log"
}

make_authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=kith $1" -keyout "$1.key" -out "$1.crt" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

# own_certificate SERVER FOLDER: a server's copy of the certificate and key, which only its user can read.
own_certificate() {
    own_file "$1" "$2/server.crt" <"$TLS/server.crt"
    own_file "$1" "$2/server.key" <"$TLS/server.key"
}
