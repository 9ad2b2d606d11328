# shellcheck shell=bash
# What is needed to build and to test: Rust, a linker, Node, a browser, Python.

WEB="$REPOSITORY/services/gateway/web"

need_tools() {
    local -a missing
    command -v cargo >/dev/null || die "Rust is missing: install it as https://rustup.rs says, then run this again"
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

# A browser for the tests of the web app.
need_browser() {
    local -a missing
    read -ra missing <<<"$(missing_packages chromium chromium)"
    install_packages "${missing[@]}"
}

# Python for the client of the events in it, with what makes environments, which Debian has in a package of its own.
need_python() {
    local -a missing
    read -ra missing <<<"$(missing_packages python3 python3)"
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    install_packages "${missing[@]}"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$(python3 --version) is too old: version 3.11 or newer is needed"
}

# Builds the web app when its sources are not those of the last build.
build_web() {
    local packages sources stamps="$WEB/node_modules/.kith"
    packages="$(sha256sum <"$WEB/package-lock.json")"
    sources="$(cd "$WEB" && find . \( -name node_modules -o -name dist \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)"
    if [[ "$(cat "$stamps/packages" 2>/dev/null)" != "$packages" ]]; then
        say "installing the web app's packages"
        (cd "$WEB" && npm ci --no-audit --no-fund)
        mkdir -p "$stamps"
        echo "$packages" >"$stamps/packages"
    fi
    if [[ ! -d "$WEB/dist" || "$(cat "$stamps/sources" 2>/dev/null)" != "$sources" ]]; then
        say "building the web app"
        (cd "$WEB" && npm run build)
        echo "$sources" >"$stamps/sources"
    fi
}
