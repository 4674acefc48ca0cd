#!/usr/bin/env bash
# Installs what a fresh machine lacks. `setup.sh build`: to build and run. `setup.sh e2e`: also for the tests with real programs and
# a real browser. What is there already is left alone; all words go to standard error.
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
[ "$1" = e2e ] || exit 0

need chromium chromium
need python3 python3
fc-list :lang=ja 2> /dev/null | grep -q . || packages+=(fonts-noto-cjk)
python3 -c 'import ensurepip, venv' 2> /dev/null || packages+=(python3-venv)
install

# One environment for each version of the SDK, since an SDK looks at what is installed.
for file in e2e/requirements/*.txt; do
    name=$(basename "$file" .txt)
    environment="$cache/python/$name"
    if ! cmp -s "$file" "$environment/requirements.txt"; then
        echo "== Python packages of $name"
        rm -rf "$environment"
        python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check -r "$file"
        cp "$file" "$environment/requirements.txt"
    fi
done

if ! cmp -s e2e/package-lock.json e2e/node_modules/.lock; then
    echo "== packages of the browser tests"
    (cd e2e && npm ci --silent --no-audit --no-fund && cp package-lock.json node_modules/.lock)
fi
