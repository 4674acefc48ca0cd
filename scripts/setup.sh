#!/usr/bin/env bash
# Installs what a fresh machine lacks: for `setup.sh build` what building and running needs, for `check` also the checks of texts, for
# `check-all` those of dependencies, for `e2e` the tests with real programs and a real browser, for `e2e-all` all clients of e2e/cases.mjs.
# What is installed already stays as it is. Everything is printed to standard error.
set -euo pipefail
cd "$(dirname "$0")/.."
exec 1>&2
cache=${HINOMI_CACHE:-$HOME/.cache/hinomi}

packages=()
need() { # command, Debian package
    command -v "$1" > /dev/null || packages+=("$2")
}
install() {
    [ ${#packages[@]} -gt 0 ] || return 0
    echo "== installing ${packages[*]}"
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
    packages=()
}

if ! command -v cargo > /dev/null; then
    echo "Rust is missing: install it as https://rustup.rs says, then run this again."
    exit 1
fi
need cc build-essential
need node nodejs
need npm npm
install

if [ "$1" = check ]; then
    need python3 python3
    python3 -c 'import ensurepip, venv' 2> /dev/null || packages+=(python3-venv)
    install
    environment="$cache/python/check"
    if ! cmp -s scripts/check-requirements.txt "$environment/requirements.txt"; then
        echo "== Python packages of the checks"
        rm -rf "$environment"
        python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check -r scripts/check-requirements.txt
        cp scripts/check-requirements.txt "$environment/requirements.txt"
    fi
fi
if [ "$1" = check-all ]; then
    for tool in cargo-deny@0.20.2 cargo-machete@0.9.2; do
        grep -qF "${tool/@/ }" "$cache/cargo/.crates.toml" 2> /dev/null && continue
        echo "== $tool"
        CARGO_TARGET_DIR="$cache/tools" cargo install --quiet --locked --root "$cache/cargo" "$tool"
    done
fi
[ "$1" = e2e ] || [ "$1" = e2e-all ] || exit 0

need chromium chromium
need firefox-esr firefox-esr
need strace strace
need python3 python3
fc-list :lang=ja 2> /dev/null | grep -q . || packages+=(fonts-noto-cjk)
python3 -c 'import ensurepip, venv' 2> /dev/null || packages+=(python3-venv)
if [ "$1" = e2e-all ]; then
    need go golang-go
    need ruby ruby
    # Sentry's SDKs for Go and Ruby.
    [ -d /usr/share/gocode/src/github.com/getsentry/sentry-go ] || packages+=(golang-github-getsentry-sentry-go-dev)
    ruby -e 'require "rack"; require "sentry-ruby"' 2> /dev/null || packages+=(ruby-rack ruby-sentry-ruby)
fi
install

# One environment for each set of packages, since an SDK looks at what is installed. The tests of `make test` need these alone.
fast=" files langfuse-2 otel sentry-2.20 sentry-2.75 smtp langfuse-js-3 sentry-js-11 vercel-6 "
wanted() { # set
    [ "$all" = yes ] || [[ "$fast" == *" $1 "* ]]
}
all=$([ "$1" = e2e-all ] && echo yes || echo no)
for file in e2e/requirements/*.txt; do
    name=$(basename "$file" .txt)
    environment="$cache/python/$name"
    if wanted "$name" && ! cmp -s "$file" "$environment/requirements.txt"; then
        echo "== Python packages of $name"
        rm -rf "$environment"
        python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check -r "$file"
        cp "$file" "$environment/requirements.txt"
    fi
done
for folder in e2e/node/*/; do
    name=$(basename "$folder")
    environment="$cache/node/$name"
    if wanted "$name" && ! cmp -s "$folder/package-lock.json" "$environment/node_modules/.lock"; then
        echo "== Node packages of $name"
        rm -rf "$environment"
        mkdir -p "$environment"
        cp "$folder"/package*.json e2e/.npmrc "$environment"
        # None of their install scripts is needed, but for these two programs that put themselves in place.
        # `npm ci` rejects a lock file without optional packages of other platforms that a registry lacks; `npm install` installs the same
        # versions.
        (cd "$environment" && { npm ci --silent --no-audit --no-fund --ignore-scripts ||
            npm install --silent --no-save --no-audit --no-fund --ignore-scripts; })
        if [ "$name" = coding-agents ]; then
            (cd "$environment/node_modules/@anthropic-ai/claude-code" && node install.cjs > /dev/null)
            (cd "$environment/node_modules/opencode-ai" && node postinstall.mjs > /dev/null)
        fi
        cp "$folder/package-lock.json" "$environment/node_modules/.lock"
    fi
done

if ! cmp -s e2e/package-lock.json e2e/node_modules/.lock; then
    echo "== packages of the browser tests"
    (cd e2e && npm ci --silent --no-audit --no-fund && cp package-lock.json node_modules/.lock)
fi
