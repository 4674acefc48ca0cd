#!/bin/sh
# Gemini CLI with its own OpenTelemetry.  gemini.sh grpc|http PROMPT
# Environment: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, LLM_BASE_URL, PATH with `gemini` in it. Writes $HOME/.gemini/settings.json.
protocol=$1; shift
mkdir -p "$HOME/.gemini"
cat > "$HOME/.gemini/settings.json" <<END
{
  "security": { "auth": { "selectedType": "gemini-api-key" } },
  "telemetry": { "enabled": true, "target": "local", "otlpEndpoint": "$OTEL_EXPORTER_OTLP_ENDPOINT", "otlpProtocol": "$protocol", "logPrompts": true },
  "general": { "enableAutoUpdate": false },
  "privacy": { "usageStatisticsEnabled": false }
}
END
export GOOGLE_GEMINI_BASE_URL="$LLM_BASE_URL" GEMINI_API_KEY=none GEMINI_CLI_TRUST_WORKSPACE=true
exec gemini --model gemini-2.5-flash --yolo --prompt "$@" < /dev/null
