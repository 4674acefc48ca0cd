#!/usr/bin/env bash
# Installs the newest release of each client of e2e/cases.mjs in an environment of its own, below the folder of its first argument. The
# environments of `setup.sh e2e-all` say which packages a client consists of. Sets of an older release (`sentry-2.20`) are left out. Further
# arguments name sets; without any, all are installed. A set that cannot be installed is reported, and the others go on.
set -uo pipefail
cd "$(dirname "$0")/.."
cache=${HINOMI_CACHE:-$HOME/.cache/hinomi}
newest=$1
shift
failed=()

is_wanted() { # set, names
    local name=$1
    shift
    [[ ! "$name" =~ -[0-9]+(\.[0-9]+)?$ ]] || return 1
    [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]
}

# What is installed of packages that other packages do not need: NAME VERSION.
top_packages() { # environment
    "$1/bin/python" -m pip list --not-required --disable-pip-version-check --format=freeze | grep -vE '^(pip|setuptools|wheel)=' | sed 's/==/ /'
}

for file in e2e/requirements/*.txt; do
    name=$(basename "$file" .txt)
    is_wanted "$name" "$@" || continue
    environment="$newest/python/$name"
    echo "== $name"
    rm -rf "$environment"
    python3 -m venv "$environment"
    top_packages "$cache/python/$name" > "$environment/before"
    if cut -d ' ' -f 1 "$environment/before" | xargs "$environment/bin/pip" install --quiet --disable-pip-version-check; then
        top_packages "$environment" | diff "$environment/before" - | sed -n 's/^> /   newer: /p'
    else
        failed+=("$name")
        rm -rf "$environment"
    fi
done
for folder in e2e/node/*/; do
    name=$(basename "$folder")
    is_wanted "$name" "$@" || continue
    environment="$newest/node/$name"
    echo "== $name"
    rm -rf "$environment"
    mkdir -p "$environment"
    cp "$folder/package.json" e2e/.npmrc "$environment"
    names=$(node -p "Object.keys(require('./$folder/package.json').dependencies).map((name) => name + '@latest').join(' ')")
    # shellcheck disable=SC2086 # one word for each package
    if (cd "$environment" && npm install --silent --no-audit --no-fund --ignore-scripts $names); then
        diff "$folder/package.json" "$environment/package.json" | sed -n 's/^> */   newer: /p'
        if [ "$name" = coding-agents ]; then
            (cd "$environment/node_modules/@anthropic-ai/claude-code" && node install.cjs > /dev/null)
            (cd "$environment/node_modules/opencode-ai" && node postinstall.mjs > /dev/null)
        fi
    else
        failed+=("$name")
        rm -rf "$environment"
    fi
done
[ ${#failed[@]} -eq 0 ] || echo "cannot be installed: ${failed[*]}"
