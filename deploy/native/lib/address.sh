# shellcheck shell=bash
# Parses addresses of the form scheme://user:password@host:port/path?options.

url_decoded() { printf '%b' "${1//%/\\x}"; }
url_login() { sed -n 's#^[a-z+]*://\([^@/]*\)@.*#\1#p' <<<"$1"; }
url_user() { url_decoded "$(url_login "$1" | cut -d: -f1)"; }
url_password() { url_decoded "$(url_login "$1" | cut -s -d: -f2-)"; }
url_place() { sed -E 's#^[a-z+]*://([^@/]*@)?([^/?]*).*#\2#' <<<"$1"; }
url_host() { url_place "$1" | cut -d: -f1; }
url_port() {
    local port
    port="$(url_place "$1" | cut -s -d: -f2)"
    echo "${port:-$2}"
}
url_path() { sed -E 's#^[a-z+]*://[^/?]*/?([^?]*).*#\1#' <<<"$1"; }
# url_option URL NAME DEFAULT
url_option() {
    local value
    value="$(sed -nE "s#.*[?&]$2=([^&]*).*#\\1#p" <<<"$1")"
    echo "${value:-$3}"
}
without_login() { sed -E 's#^([a-z+]*://)([^@/]*@)?#\1#; s#/$##' <<<"$1"; }

# url_for USER URL [PATH]: the same address for another user, whose password is in a file.
url_for() {
    local options path="${3:-$(url_path "$2")}"
    options="$(sed -nE 's#^[^?]*(\?.*)#\1#p' <<<"$2")"
    printf '%s://%s@%s%s%s\n' "${2%%:*}" "$1" "$(url_place "$2")" "${path:+/$path}" "$options"
}
