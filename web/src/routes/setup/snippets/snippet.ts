import type { T, TextKey } from '../../../i18n';

/** Plain text, or text with a part of speech: keyword, value, comment. */
export type SnippetToken = string | ['keyword' | 'value' | 'comment', string];

/** What to look at when nothing comes from a client. */
export interface ClientChecks {
  begin: TextKey;
  /** The line that sends what is still in memory; without one, the client sends regularly. */
  flush?: string;
  /** The line or setting that makes the client log what it sends. */
  debug?: string;
}

export interface Snippet {
  id: string;
  /** The language or product. Names are the same in all languages. */
  name: string;
  /** The file, shell or page that the code belongs to. */
  file: string;
  code: (dsn: string, t: T) => SnippetToken[];
  /** What is to be known besides. */
  note?: TextKey;
  checks: ClientChecks;
}

/** Where OpenTelemetry sends to, and with which key: both stand in the DSN. */
export function otlpSettings(dsn: string) {
  const { origin, username } = new URL(dsn);
  return { origin, headers: `x-hinomi-key=${username}`, key: username };
}

const QUOTED = String.raw`"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'`;

/** How comments, values and keywords look, by language. */
const GRAMMARS = {
  csharp: { comment: '//.*', value: QUOTED, keyword: 'using|var|await|new|true' },
  go: { comment: '//.*', value: `${QUOTED}|\`[^\`]*\``, keyword: 'package|import|func|defer|if|panic|nil|true' },
  java: { comment: '//.*', value: QUOTED, keyword: 'import|public|class|static|void|var|new|true' },
  javascript: { comment: '//.*', value: QUOTED, keyword: 'import|as|from|true' },
  json: { comment: '//.*', value: String.raw`"[^"\n]*"(?!:)`, keyword: 'true' },
  php: { comment: '//.*', value: QUOTED, keyword: String.raw`<\?php|require|use|new` },
  properties: { comment: '#.*', value: String.raw`(?<==)\S.*`, keyword: '(?!)' },
  python: { comment: '#.*', value: QUOTED, keyword: 'import|def|True' },
  ruby: { comment: '#.*', value: QUOTED, keyword: 'require|do|end' },
  rust: { comment: '//.*', value: `r#"[^]*?"#|${QUOTED}`, keyword: 'use|fn|let|mut' },
  shell: { comment: '# .*', value: String.raw`(?<=^export \w+=).*`, keyword: '^export' },
  toml: { comment: '# .*', value: `${QUOTED}|\\btrue\\b`, keyword: String.raw`\[\w+\]` },
  yaml: { comment: '# .*', value: String.raw`(?<=: )[^\s{#][^\n#]*?(?=\s*(?:#|$))`, keyword: '(?!)' },
} as const;

/** Text with its parts of speech. */
export function highlighted(language: keyof typeof GRAMMARS, text: string): SnippetToken[] {
  const { comment, value, keyword } = GRAMMARS[language];
  const word = (pattern: string) => (/^\w/.test(pattern) ? String.raw`\b(?:${pattern})\b` : pattern);
  const parts = new RegExp(`(?<comment>${comment})|(?<value>${value})|(?<keyword>${word(keyword)})`, 'gm');
  const tokens: SnippetToken[] = [];
  let end = 0;
  for (const match of text.matchAll(parts)) {
    if (match.index > end) tokens.push(text.slice(end, match.index));
    const kind = match.groups?.comment !== undefined ? 'comment' : match.groups?.value !== undefined ? 'value' : 'keyword';
    tokens.push([kind, match[0]]);
    end = match.index + match[0].length;
  }
  if (end < text.length) tokens.push(text.slice(end));
  return tokens;
}

/** The variables that OpenTelemetry's exporters read. */
export function otlpVariables(dsn: string): string {
  const { origin, headers } = otlpSettings(dsn);
  return `export OTEL_EXPORTER_OTLP_ENDPOINT=${origin}
export OTEL_EXPORTER_OTLP_HEADERS=${headers}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
`;
}

export const snippetText = (tokens: SnippetToken[]) => tokens.map((token) => (typeof token === 'string' ? token : token[1])).join('');

/** The attributes of a call in PHP, which are the same with both SDKs. */
export const phpCallAttributes = (t: T) => `    'gen_ai.operation.name' => 'chat',
    'gen_ai.provider.name' => 'openai',
    'gen_ai.request.model' => 'gpt-4o-mini',
    'gen_ai.usage.input_tokens' => 14,
    'gen_ai.usage.output_tokens' => 1,
    // ${t('setup.comment.prompts')}
    'gen_ai.input.messages' => '[{"role":"user","parts":[{"type":"text","content":"Capital of France?"}]}]',
    'gen_ai.output.messages' => '[{"role":"assistant","parts":[{"type":"text","content":"Paris"}]}]',`;
