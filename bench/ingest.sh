#!/usr/bin/env bash
# How fast Sentry transactions are taken in, beside the machine's own bound in the same run: a server that only reads, inflates,
# compresses, appends and makes durable. Usage: ingest.sh HINOMI [SPANS] [CONNECTIONS...]
set -euo pipefail
hinomi=$1
spans=${2:-60000}
shift $(($# > 2 ? 2 : $#))
connections=("${@:-}")
[ -n "${connections[0]}" ] || connections=(1 8 32)

here=$(cd "$(dirname "$0")" && pwd)
target=${HINOMI_CACHE:-$HOME/.cache/hinomi}/bench
echo "== the load generator" >&2
CARGO_TARGET_DIR=$target cargo build --release --quiet --manifest-path "$here/loadgen/Cargo.toml"
loadgen=$target/release/loadgen
folder=$(mktemp -d "${TMPDIR:-/tmp}/hinomi-bench-XXXXXX")
key=0123456789abcdef0123456789abcdef
pids=()
trap 'kill "${pids[@]}" 2> /dev/null || true; wait 2> /dev/null || true; rm -rf "$folder"' EXIT

HINOMI_DSN_KEY=$key HINOMI_LOG=warn "$hinomi" serve --data "$folder/data" --listen 127.0.0.1:0 --port-file "$folder/port" > /dev/null &
server=$!
pids+=("$server")
"$target/release/nullserver" --port 9555 --level durable --zstd 3 --file "$folder/bound.log" > /dev/null 2>&1 &
pids+=($!)
for _ in $(seq 200); do [ -f "$folder/port" ] && break; sleep 0.05; done
url=http://127.0.0.1:$(cat "$folder/port")/api/1/envelope/

number() { python3 -c 'import json, sys; value = json.load(open(sys.argv[1]))
for name in sys.argv[2].split("."): value = value[name]
print(round(value, 1))' "$1" "$2"; }
resident() { awk '/VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$server/status"; }

printf 'idle: %s MB\n' "$(resident)"
printf '%-12s %14s %14s %7s %10s\n' connections 'hinomi spans/s' 'bound spans/s' ratio 'p99 ms'
seed=1
for count in "${connections[@]}"; do
    seed=$((seed + 1))
    "$loadgen" --mode tx --url http://127.0.0.1:9555/ --key $key --spans "$spans" --connections "$count" --gzip --seed $seed --out "$folder/bound.json" > /dev/null
    "$loadgen" --mode tx --url "$url" --key $key --spans "$spans" --connections "$count" --gzip --seed $seed --out "$folder/own.json" > /dev/null
    own=$(number "$folder/own.json" spans_per_s) bound=$(number "$folder/bound.json" spans_per_s)
    printf '%-12s %14s %14s %7s %10s\n' "$count" "$own" "$bound" "$(python3 -c "print(round($own / $bound, 2))")" "$(number "$folder/own.json" ack_ms.p99)"
done
printf 'after %s spans: %s MB\n' "$((spans * ${#connections[@]}))" "$(resident)"
kill "$server" && wait "$server" || true
bytes=$(du -sb "$folder/data/segments" | cut -f1)
printf 'on disk: %s bytes a span\n' "$((bytes / (spans * ${#connections[@]})))"
