import { highlighted, otlpSettings, otlpVariables, type Snippet } from './snippet';

/** Variables of servers for models, which have settings for traces alone. */
const traceVariables = (dsn: string) => `export OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_TRACES_HEADERS=${otlpSettings(dsn).headers}
`;

/** Programs between an application and a model. */
export const GATEWAY_SNIPPETS: Snippet[] = [
  {
    id: 'litellm',
    name: 'LiteLLM',
    file: 'shell',
    note: 'setup.noteGateway',
    checks: { begin: 'setup.check.startGateway', debug: 'litellm --config litellm.yaml --detailed_debug' },
    code: (dsn) =>
      highlighted(
        'shell',
        `pip install "litellm[proxy]" opentelemetry-sdk opentelemetry-exporter-otlp
${otlpVariables(dsn)}export LITELLM_MASTER_KEY="sk-$(openssl rand -hex 16)"

cat > litellm.yaml <<END
model_list:
  - model_name: gpt-4o-mini
    litellm_params: { model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY }
litellm_settings: { callbacks: ["otel"] }
END
litellm --config litellm.yaml`,
      ),
  },
  {
    id: 'portkey',
    name: 'Portkey',
    file: 'shell',
    note: 'setup.notePortkey',
    checks: { begin: 'setup.check.startGateway' },
    code: (dsn, t) => {
      const { origin, headers } = otlpSettings(dsn);
      return highlighted(
        'shell',
        `# ${t('setup.comment.container')}
export EXPERIMENTAL_GEN_AI_OTEL_TRACES_ENABLED=true
export EXPERIMENTAL_GEN_AI_OTEL_EXPORTER_OTLP_ENDPOINT=${origin}
export EXPERIMENTAL_GEN_AI_OTEL_EXPORTER_OTLP_HEADERS=${headers}
`,
      );
    },
  },
  {
    id: 'envoy-ai-gateway',
    name: 'Envoy AI Gateway',
    file: 'values.yaml',
    note: 'setup.noteEnvoy',
    checks: { begin: 'setup.check.startGateway' },
    code: (dsn) => {
      const { origin, headers } = otlpSettings(dsn);
      return highlighted(
        'yaml',
        `# helm upgrade aieg oci://docker.io/envoyproxy/ai-gateway-helm \\
#   --namespace envoy-ai-gateway-system --reuse-values --values values.yaml
extProc:
  extraEnvVars:
    - name: OTEL_EXPORTER_OTLP_ENDPOINT
      value: "${origin}"
    - name: OTEL_EXPORTER_OTLP_HEADERS
      value: "${headers}"
    - name: OTEL_EXPORTER_OTLP_PROTOCOL
      value: "http/protobuf"
`,
      );
    },
  },
  {
    id: 'kong',
    name: 'Kong AI Gateway',
    file: 'kong.yaml',
    note: 'setup.noteGateway',
    checks: { begin: 'setup.check.startGateway', debug: 'export KONG_LOG_LEVEL=debug' },
    code: (dsn, t) => {
      const { origin, key } = otlpSettings(dsn);
      return highlighted(
        'yaml',
        `# export KONG_TRACING_INSTRUMENTATIONS=all KONG_TRACING_SAMPLING_RATE=1.0
_format_version: "3.0"
plugins:
  - name: opentelemetry
    config:
      traces_endpoint: ${origin}/v1/traces
      headers:
        x-hinomi-key: ${key}
  - name: ai-proxy
    config:
      route_type: llm/v1/chat
      auth:
        header_name: Authorization
        header_value: Bearer OPENAI_API_KEY
      model:
        provider: openai
        name: gpt-4o-mini
      logging:
        log_statistics: true
        log_payloads: true  # ${t('setup.comment.prompts')}
`,
      );
    },
  },
  {
    id: 'cloudflare',
    name: 'Cloudflare AI Gateway',
    file: 'AI Gateway → Settings → OpenTelemetry',
    note: 'setup.noteCloudflare',
    checks: { begin: 'setup.check.startCloud' },
    code: (dsn) => {
      const { origin, key } = otlpSettings(dsn);
      return highlighted(
        'yaml',
        `URL: ${origin}/v1/traces
Headers: x-hinomi-key: ${key}
Content type: json
`,
      );
    },
  },
  {
    id: 'openrouter',
    name: 'OpenRouter',
    file: 'Settings → Observability → OpenTelemetry Collector',
    note: 'setup.noteOpenrouter',
    checks: { begin: 'setup.check.startCloud' },
    code: (dsn) => {
      const { origin, key } = otlpSettings(dsn);
      return highlighted(
        'yaml',
        `Endpoint: ${origin}/v1/traces
Headers: { "x-hinomi-key": "${key}" }
`,
      );
    },
  },
  {
    id: 'vllm',
    name: 'vLLM',
    file: 'shell',
    note: 'setup.noteModelServer',
    checks: { begin: 'setup.check.startGateway', debug: 'export VLLM_LOGGING_LEVEL=DEBUG' },
    code: (dsn) =>
      highlighted(
        'shell',
        `export OTEL_SERVICE_NAME=vllm
${traceVariables(dsn)}
vllm serve Qwen/Qwen3-8B --otlp-traces-endpoint ${otlpSettings(dsn).origin}/v1/traces`,
      ),
  },
  {
    id: 'sglang',
    name: 'SGLang',
    file: 'shell',
    note: 'setup.noteModelServer',
    checks: { begin: 'setup.check.startGateway', debug: '--log-level debug' },
    code: (dsn) =>
      highlighted(
        'shell',
        `pip install "sglang[tracing]"
${traceVariables(dsn)}
python -m sglang.launch_server --model-path Qwen/Qwen3-8B \\
  --enable-trace --otlp-traces-endpoint ${otlpSettings(dsn).origin}/v1/traces`,
      ),
  },
];
