import type { T, TextKey } from '../../i18n';
import { CAPTURE } from '../../parts/hints/settings';

/** Plain text, or text with a part of speech: keyword, value, comment. */
export type Token = string | ['k' | 'v' | 'c', string];

export interface Snippet {
  id: string;
  label: TextKey;
  file: string;
  code: (dsn: string, t: T) => Token[];
  /** What is to be known besides. */
  note?: TextKey;
}

const k = (text: string): Token => ['k', text];
const v = (text: string): Token => ['v', text];
const c = (text: string): Token => ['c', text];

/** A variable for the shell. */
const set = (name: string, value: string): Token[] => [k('export'), ` ${name}=`, v(value), '\n'];

/** Where OpenTelemetry sends to, and with which key: both stand in the DSN. */
export function otlp(dsn: string) {
  const { origin, username } = new URL(dsn);
  return { origin, headers: `x-hinomi-key=${username}`, key: username };
}

/** What a program may speak: one entry is one tab. */
export const SNIPPETS: Snippet[] = [
  {
    id: 'python',
    label: 'setup.python',
    file: 'app.py',
    note: 'setup.noteSentry',
    code: (dsn, t) => [
      c('# pip install --upgrade sentry-sdk'),
      '\n',
      k('import'),
      ' sentry_sdk\n\n',
      'sentry_sdk.init(\n',
      '    dsn=',
      v(`"${dsn}"`),
      ',\n',
      '    traces_sample_rate=1.0,  ',
      c(`# ${t('setup.comment.everyCall')}`),
      '\n',
      '    send_default_pii=',
      k('True'),
      ',   ',
      c(`# ${t('setup.comment.prompts')}`),
      '\n)',
    ],
  },
  {
    id: 'javascript',
    label: 'setup.javascript',
    file: 'instrument.mjs',
    note: 'setup.noteSentry',
    code: (dsn, t) => [
      c('// npm install @sentry/node@latest'),
      '\n',
      c(`// ${t('setup.comment.start')}`),
      '\n',
      c('// node --import ./instrument.mjs app.mjs'),
      '\n',
      k('import'),
      ' * ',
      k('as'),
      ' Sentry ',
      k('from'),
      ' ',
      v('"@sentry/node"'),
      ';\n\n',
      'Sentry.init({\n',
      '  dsn: ',
      v(`"${dsn}"`),
      ',\n',
      '  tracesSampleRate: 1.0,  ',
      c(`// ${t('setup.comment.everyCall')}`),
      '\n',
      '  sendDefaultPii: ',
      k('true'),
      ',   ',
      c(`// ${t('setup.comment.prompts')}`),
      '\n});',
    ],
  },
  {
    id: 'opentelemetry',
    label: 'setup.opentelemetry',
    file: 'shell',
    note: 'setup.noteOpentelemetry',
    code: (dsn, t) => [
      ...set('OTEL_EXPORTER_OTLP_ENDPOINT', otlp(dsn).origin),
      ...set('OTEL_EXPORTER_OTLP_HEADERS', otlp(dsn).headers),
      ...set('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf'),
      c(`# ${t('setup.comment.prompts')}`),
      '\n',
      ...set('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', CAPTURE),
      '\n',
      c(`# Python: ${t('setup.comment.instrumented')}`),
      '\n',
      'pip install opentelemetry-distro opentelemetry-exporter-otlp opentelemetry-instrumentation-genai-openai\n',
      'opentelemetry-instrument --logs_exporter otlp python app.py',
    ],
  },
  {
    id: 'langfuse',
    label: 'setup.langfuse',
    file: 'shell',
    code: (dsn, t) => [
      c(`# ${t('setup.comment.langfuse')}`),
      '\n',
      ...set('LANGFUSE_BASE_URL', otlp(dsn).origin),
      ...set('LANGFUSE_BASEURL', otlp(dsn).origin),
      ...set('LANGFUSE_HOST', otlp(dsn).origin),
      ...set('LANGFUSE_PUBLIC_KEY', otlp(dsn).key),
      ...set('LANGFUSE_SECRET_KEY', otlp(dsn).key),
    ],
  },
  {
    id: 'claude-code',
    label: 'setup.claudeCode',
    file: 'shell',
    code: (dsn, t) => [
      ...set('CLAUDE_CODE_ENABLE_TELEMETRY', '1'),
      ...set('OTEL_LOGS_EXPORTER', 'otlp'),
      ...set('OTEL_METRICS_EXPORTER', 'otlp'),
      ...set('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf'),
      ...set('OTEL_EXPORTER_OTLP_ENDPOINT', otlp(dsn).origin),
      ...set('OTEL_EXPORTER_OTLP_HEADERS', otlp(dsn).headers),
      '\n',
      c(`# ${t('setup.comment.prompts')}`),
      '\n',
      ...set('OTEL_LOG_USER_PROMPTS', '1'),
      ...set('OTEL_LOG_TOOL_DETAILS', '1'),
      '\n',
      c(`# ${t('setup.comment.repository')}`),
      '\n',
      ...set('OTEL_RESOURCE_ATTRIBUTES', '"repository=$(basename "$(git rev-parse --show-toplevel)"),team=my-team"'),
      '\nclaude',
    ],
  },
  {
    id: 'codex',
    label: 'setup.codex',
    file: '~/.codex/config.toml',
    code: (dsn, t) => {
      const { origin, key } = otlp(dsn);
      const to = (signal: string): Token[] => [
        '{ otlp-http = { endpoint = ',
        v(`"${origin}/v1/${signal}"`),
        ', protocol = ',
        v('"binary"'),
        ', headers = { "x-hinomi-key" = ',
        v(`"${key}"`),
        ' } } }\n',
      ];
      return [
        k('[otel]'),
        '\nlog_user_prompt = ',
        v('true'),
        '       ',
        c(`# ${t('setup.comment.prompts')}`),
        '\nexporter = ',
        ...to('logs'),
        'metrics_exporter = ',
        ...to('metrics'),
      ];
    },
  },
  {
    id: 'gemini-cli',
    label: 'setup.geminiCli',
    file: '~/.gemini/settings.json',
    note: 'setup.noteGemini',
    code: (dsn) => [
      '{\n  "telemetry": {\n    "enabled": ',
      k('true'),
      ',\n    "target": ',
      v('"local"'),
      ',\n    "otlpEndpoint": ',
      v(`"${otlp(dsn).origin}"`),
      ',\n    "otlpProtocol": ',
      v('"grpc"'),
      ',\n    "logPrompts": ',
      k('true'),
      '\n  }\n}',
    ],
  },
];

export const textOf = (tokens: Token[]) => tokens.map((token) => (typeof token === 'string' ? token : token[1])).join('');
