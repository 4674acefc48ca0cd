import type { T, TextKey } from '../../i18n';
import { CAPTURE } from '../../components/hints/settings';

/** Plain text, or text with a part of speech: keyword, value, comment. */
export type SnippetToken = string | ['keyword' | 'value' | 'comment', string];

export interface Snippet {
  id: string;
  label: TextKey;
  file: string;
  code: (dsn: string, t: T) => SnippetToken[];
  /** What is to be known besides. */
  note?: TextKey;
}

const keywordToken = (text: string): SnippetToken => ['keyword', text];
const valueToken = (text: string): SnippetToken => ['value', text];
const commentToken = (text: string): SnippetToken => ['comment', text];

/** A variable for the shell. */
const exportLine = (name: string, value: string): SnippetToken[] => [keywordToken('export'), ` ${name}=`, valueToken(value), '\n'];

/** Where OpenTelemetry sends to, and with which key: both stand in the DSN. */
export function otlpSettings(dsn: string) {
  const { origin, username } = new URL(dsn);
  return { origin, headers: `x-hinomi-key=${username}`, key: username };
}

/** The start of the program, up to the options that versions of Sentry's Python SDK do not share. */
const sentryInit = (dsn: string, t: T): SnippetToken[] => [
  keywordToken('import'),
  ' sentry_sdk\n\n',
  'sentry_sdk.init(\n',
  '    dsn=',
  valueToken(`"${dsn}"`),
  ',\n',
  '    traces_sample_rate=1.0,  ',
  commentToken(`# ${t('setup.comment.everyCall')}`),
  '\n',
];

/** A function whose calls belong to a pipeline. */
const pythonPipeline = (t: T): SnippetToken[] => [
  '\n\n',
  commentToken(`# ${t('setup.comment.pipeline')}`),
  '\n@sentry_sdk.trace(\n    name=',
  valueToken('"Support answer"'),
  ',\n    attributes={',
  valueToken('"gen_ai.pipeline.name"'),
  ': ',
  valueToken('"Support answer"'),
  '},\n)\n',
  keywordToken('def'),
  ' answer(question):\n    ...',
];

/** What a program may speak: one entry is one tab. */
export const SNIPPETS: Snippet[] = [
  {
    id: 'python',
    label: 'setup.python',
    file: 'app.py',
    note: 'setup.notePython2',
    code: (dsn, t) => [
      commentToken('# pip install --upgrade sentry-sdk'),
      '\n',
      ...sentryInit(dsn, t),
      '    send_default_pii=',
      keywordToken('True'),
      ',   ',
      commentToken(`# ${t('setup.comment.prompts')}`),
      '\n)',
      ...pythonPipeline(t),
    ],
  },
  {
    id: 'python-sdk-3',
    label: 'setup.pythonSdk3',
    file: 'app.py',
    note: 'setup.notePython3',
    code: (dsn, t) => [commentToken('# pip install "sentry-sdk>=3.0.0b1"'), '\n', ...sentryInit(dsn, t), ')', ...pythonPipeline(t)],
  },
  {
    id: 'javascript',
    label: 'setup.javascript',
    file: 'instrument.mjs',
    note: 'setup.noteSentry',
    code: (dsn, t) => [
      commentToken('// npm install @sentry/node@latest'),
      '\n',
      commentToken(`// ${t('setup.comment.start')}`),
      '\n',
      commentToken('// node --import ./instrument.mjs app.mjs'),
      '\n',
      keywordToken('import'),
      ' * ',
      keywordToken('as'),
      ' Sentry ',
      keywordToken('from'),
      ' ',
      valueToken('"@sentry/node"'),
      ';\n\n',
      'Sentry.init({\n',
      '  dsn: ',
      valueToken(`"${dsn}"`),
      ',\n',
      '  tracesSampleRate: 1.0,  ',
      commentToken(`// ${t('setup.comment.everyCall')}`),
      '\n',
      '  sendDefaultPii: ',
      keywordToken('true'),
      ',   ',
      commentToken(`// ${t('setup.comment.prompts')}`),
      '\n});',
    ],
  },
  {
    id: 'opentelemetry',
    label: 'setup.opentelemetry',
    file: 'shell',
    note: 'setup.noteOpentelemetry',
    code: (dsn, t) => [
      ...exportLine('OTEL_EXPORTER_OTLP_ENDPOINT', otlpSettings(dsn).origin),
      ...exportLine('OTEL_EXPORTER_OTLP_HEADERS', otlpSettings(dsn).headers),
      ...exportLine('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf'),
      commentToken(`# ${t('setup.comment.prompts')}`),
      '\n',
      ...exportLine('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', CAPTURE),
      '\n',
      commentToken(`# Python: ${t('setup.comment.instrumented')}`),
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
      commentToken(`# ${t('setup.comment.langfuse')}`),
      '\n',
      ...exportLine('LANGFUSE_BASE_URL', otlpSettings(dsn).origin),
      ...exportLine('LANGFUSE_BASEURL', otlpSettings(dsn).origin),
      ...exportLine('LANGFUSE_HOST', otlpSettings(dsn).origin),
      ...exportLine('LANGFUSE_PUBLIC_KEY', otlpSettings(dsn).key),
      ...exportLine('LANGFUSE_SECRET_KEY', otlpSettings(dsn).key),
    ],
  },
  {
    id: 'claude-code',
    label: 'setup.claudeCode',
    file: 'shell',
    code: (dsn, t) => [
      ...exportLine('CLAUDE_CODE_ENABLE_TELEMETRY', '1'),
      ...exportLine('OTEL_LOGS_EXPORTER', 'otlp'),
      ...exportLine('OTEL_METRICS_EXPORTER', 'otlp'),
      ...exportLine('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf'),
      ...exportLine('OTEL_EXPORTER_OTLP_ENDPOINT', otlpSettings(dsn).origin),
      ...exportLine('OTEL_EXPORTER_OTLP_HEADERS', otlpSettings(dsn).headers),
      '\n',
      commentToken(`# ${t('setup.comment.prompts')}`),
      '\n',
      ...exportLine('OTEL_LOG_USER_PROMPTS', '1'),
      ...exportLine('OTEL_LOG_TOOL_DETAILS', '1'),
      '\n',
      commentToken(`# ${t('setup.comment.repository')}`),
      '\n',
      ...exportLine('OTEL_RESOURCE_ATTRIBUTES', '"repository=$(basename "$(git rev-parse --show-toplevel)"),team=my-team"'),
      '\nclaude',
    ],
  },
  {
    id: 'codex',
    label: 'setup.codex',
    file: '~/.codex/config.toml',
    code: (dsn, t) => {
      const { origin, key } = otlpSettings(dsn);
      const to = (signal: string): SnippetToken[] => [
        '{ otlp-http = { endpoint = ',
        valueToken(`"${origin}/v1/${signal}"`),
        ', protocol = ',
        valueToken('"binary"'),
        ', headers = { "x-hinomi-key" = ',
        valueToken(`"${key}"`),
        ' } } }\n',
      ];
      return [
        keywordToken('[otel]'),
        '\nlog_user_prompt = ',
        valueToken('true'),
        '       ',
        commentToken(`# ${t('setup.comment.prompts')}`),
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
      keywordToken('true'),
      ',\n    "target": ',
      valueToken('"local"'),
      ',\n    "otlpEndpoint": ',
      valueToken(`"${otlpSettings(dsn).origin}"`),
      ',\n    "otlpProtocol": ',
      valueToken('"grpc"'),
      ',\n    "logPrompts": ',
      keywordToken('true'),
      '\n  }\n}',
    ],
  },
];

export const snippetText = (tokens: SnippetToken[]) => tokens.map((token) => (typeof token === 'string' ? token : token[1])).join('');
