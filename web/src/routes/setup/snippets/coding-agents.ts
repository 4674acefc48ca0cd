import { highlighted, otlpSettings, otlpVariables, type ClientChecks, type Snippet } from './snippet';

const CHECKS: ClientChecks = { begin: 'setup.check.startAgent', debug: 'export OTEL_LOG_LEVEL=debug' };

/** Agents that write code: their own settings for OpenTelemetry. */
export const CODING_AGENT_SNIPPETS: Snippet[] = [
  {
    id: 'claude-code',
    name: 'Claude Code',
    file: 'shell',
    checks: CHECKS,
    code: (dsn, t) =>
      highlighted(
        'shell',
        `export CLAUDE_CODE_ENABLE_TELEMETRY=1
export OTEL_LOGS_EXPORTER=otlp
export OTEL_METRICS_EXPORTER=otlp
${otlpVariables(dsn)}
# ${t('setup.comment.prompts')}
export OTEL_LOG_USER_PROMPTS=1
export OTEL_LOG_TOOL_DETAILS=1

# ${t('setup.comment.repository')}
export OTEL_RESOURCE_ATTRIBUTES="repository=$(basename "$(git rev-parse --show-toplevel)"),team=my-team"

claude`,
      ),
  },
  {
    id: 'codex',
    name: 'Codex CLI',
    file: '~/.codex/config.toml',
    checks: CHECKS,
    code: (dsn, t) => {
      const { origin, key } = otlpSettings(dsn);
      const to = (signal: string) =>
        `{ otlp-http = { endpoint = "${origin}/v1/${signal}", protocol = "binary", headers = { "x-hinomi-key" = "${key}" } } }`;
      return highlighted(
        'toml',
        `[otel]
log_user_prompt = true       # ${t('setup.comment.prompts')}
exporter = ${to('logs')}
metrics_exporter = ${to('metrics')}
`,
      );
    },
  },
  {
    id: 'gemini-cli',
    name: 'Gemini CLI',
    file: '~/.gemini/settings.json',
    note: 'setup.noteGemini',
    checks: CHECKS,
    code: (dsn) =>
      highlighted(
        'json',
        `{
  "telemetry": {
    "enabled": true,
    "target": "local",
    "otlpEndpoint": "${otlpSettings(dsn).origin}",
    "otlpProtocol": "grpc",
    "logPrompts": true
  }
}`,
      ),
  },
];
