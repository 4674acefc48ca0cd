#!/bin/sh
# Codex CLI with its own OpenTelemetry.
#
#     codex.sh json|binary|grpc logs|all PROMPT       (logs: only [otel] exporter; all: trace_exporter and metrics_exporter too)
# Environment: OTEL_EXPORTER_OTLP_ENDPOINT, LLM_BASE_URL, PATH with `codex` in it. Writes $HOME/.codex/config.toml.
protocol=$1 signals=$2; shift 2
# `name=value` as Codex writes it.
headers=$(echo "$OTEL_EXPORTER_OTLP_HEADERS" | sed -n 's/^\([^=]*\)=\(.*\)$/{ "\1" = "\2" }/p')
: "${headers:={}}"
to() {
    if [ "$protocol" = grpc ]; then
        echo "{ otlp-grpc = { endpoint = \"$OTEL_EXPORTER_OTLP_ENDPOINT\", headers = $headers } }"
    else
        echo "{ otlp-http = { endpoint = \"$OTEL_EXPORTER_OTLP_ENDPOINT/v1/$1\", protocol = \"$protocol\", headers = $headers } }"
    fi
}
mkdir -p "$HOME/.codex"
cat > "$HOME/.codex/config.toml" <<END
model = "gpt-5-mini"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "$LLM_BASE_URL/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
[otel]
environment = "staging"
log_user_prompt = true
exporter = $(to logs)
END
if [ "$signals" = all ]; then
    printf 'trace_exporter = %s\nmetrics_exporter = %s\n' "$(to traces)" "$(to metrics)" >> "$HOME/.codex/config.toml"
else
    echo 'metrics_exporter = "none"' >> "$HOME/.codex/config.toml"
fi
exec codex exec --skip-git-repo-check "$@" </dev/null
