#!/bin/sh
# opencode with its own OpenTelemetry.  opencode.sh PROMPT
# Environment: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, LLM_BASE_URL, PATH with `opencode` in it.
mkdir -p "$HOME/.config/opencode"
cat > "$HOME/.config/opencode/opencode.json" <<END
{
  "autoupdate": false, "share": "disabled", "experimental": { "openTelemetry": true },
  "model": "fake/gpt-4o-mini", "small_model": "fake/gpt-4o-mini",
  "provider": { "fake": {
    "npm": "@ai-sdk/openai-compatible", "name": "Fake", "options": { "baseURL": "$LLM_BASE_URL/v1", "apiKey": "none" },
    "models": { "gpt-4o-mini": { "name": "GPT-4o mini" } }
  } }
}
END
export OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_LSP_DOWNLOAD=1
# `opencode run` alone does not wait until its spans are sent; a server does. With a title of its own it makes no call for one.
port=$((20000 + $$ % 20000))
opencode serve --port $port > "$HOME/server.log" 2>&1 &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 300); do
    grep -q listening "$HOME/server.log" && break
    sleep 0.2
done
opencode run --attach http://127.0.0.1:$port --title question "$@" < /dev/null
sleep 8
