# shellcheck shell=bash
# The tools for building and testing: Rust, a linker, Node, a browser, Python.

WEB="$REPOSITORY/services/gateway/web"

need_tools() {
    local -a missing
    command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs, then run this again"
    read -ra missing <<<"$(missing_packages cc build-essential curl curl)"
    install_packages "${missing[@]}"
    need_node
}

need_node() {
    local -a missing
    read -ra missing <<<"$(missing_packages node nodejs npm npm)"
    install_packages "${missing[@]}"
    (("$(node -p 'process.versions.node.split(".")[0]')" >= 18)) || die "Node $(node --version) is too old: version 18 or newer is needed"
}

# A browser for end-to-end tests.
need_browser() {
    local -a missing
    read -ra missing <<<"$(missing_packages chromium chromium)"
    install_packages "${missing[@]}"
}

# Python for the Python client of the events, with venv, which Debian packages separately.
need_python() {
    local -a missing
    read -ra missing <<<"$(missing_packages python3 python3)"
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    install_packages "${missing[@]}"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$(python3 --version) is too old: version 3.11 or newer is needed"
}

# Installs a folder's Node packages if its lock file has changed.
need_packages() {
    local folder="$1" lock stamp="$1/node_modules/.kith/packages"
    lock="$(sha256sum <"$folder/package-lock.json")"
    [[ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]] || return 0
    say "installing the packages of ${folder#"$REPOSITORY"/}"
    (cd "$folder" && npm ci --no-audit --no-fund)
    mkdir -p "$(dirname "$stamp")"
    echo "$lock" >"$stamp"
}

# Builds the web app if its sources have changed.
build_web() {
    local sources stamp="$WEB/node_modules/.kith/sources"
    need_packages "$WEB"
    sources="$(cd "$WEB" && find . \( -name node_modules -o -name dist \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)"
    if [[ ! -d "$WEB/dist" || "$(cat "$stamp" 2>/dev/null)" != "$sources" ]]; then
        say "building the web app"
        (cd "$WEB" && npm run build)
        echo "$sources" >"$stamp"
    fi
}
