import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { chosenSnippet, SNIPPET_GROUPS, SNIPPETS, snippetText } from '.';
import { highlighted } from './snippet';

const KEY = '0123456789abcdef0123456789abcdef';
const DSN = `https://${KEY}@hinomi.example:8443/7`;
const textOf = (id: string) => snippetText(SNIPPETS.find((snippet) => snippet.id === id)!.code(DSN, (key) => key));

test.each(SNIPPETS.map(({ id }) => id))('the snippet of %s contains the destination and the key', (id) => {
  expect(textOf(id)).toContain('hinomi.example:8443');
  // Gemini CLI has no setting for a header: its note has the variable.
  if (id !== 'gemini-cli') expect(textOf(id)).toContain(KEY);
});

test('OpenTelemetry clients get address and key separately', () => {
  const text = textOf('opentelemetry');
  expect(text).toContain('OTEL_EXPORTER_OTLP_ENDPOINT=https://hinomi.example:8443\n');
  expect(text).toContain(`x-hinomi-key=${KEY}\n`);
  for (const { id } of SNIPPET_GROUPS.filter(({ id: group }) => group !== 'sentry').flatMap(({ snippets }) => snippets)) {
    expect(textOf(id), id).not.toContain('@hinomi');
  }
});

test('no snippet names an integration: one whose SDK is not installed stops the program', () => {
  for (const { id } of SNIPPETS) expect(textOf(id), id).not.toMatch(/integration/i);
});

test('a span that the program makes itself has everything that a call needs', () => {
  const manual = SNIPPETS.filter(({ id }) => textOf(id).includes('gen_ai.request.model'));
  expect(manual.length).toBeGreaterThan(6);
  const names = ['operation.name', 'provider.name', 'usage.input_tokens', 'usage.output_tokens', 'input.messages', 'output.messages'];
  for (const { id } of manual) for (const name of names) expect(textOf(id), id).toContain(`gen_ai.${name}`);
});

test('the README has the same lines for OpenTelemetry', () => {
  const readme = readFileSync('../README.md', 'utf8');
  const text = textOf('opentelemetry');
  const names = [...text.matchAll(/\b(OTEL_\w+)=/g)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(3);
  for (const name of names) expect(readme).toContain(name);
  const [content] = /OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=\w+/.exec(text)!;
  const [install] = /pip install opentelemetry.*/.exec(text)!;
  const [run] = /opentelemetry-instrument --.* python/.exec(text)!;
  for (const line of [content, install, run]) expect(readme).toContain(line);
});

test('an address of the page leads to its snippet, and any other to the first', () => {
  expect(new Set(SNIPPETS.map(({ id }) => id)).size).toBe(SNIPPETS.length);
  for (const id of ['python', 'python-sdk-3', 'javascript', 'opentelemetry', 'langfuse', 'claude-code', 'codex', 'gemini-cli']) {
    expect(chosenSnippet(id).snippet.id).toBe(id);
  }
  expect(chosenSnippet('vllm').group.id).toBe('gateways');
  for (const id of [undefined, 'nothing']) expect(chosenSnippet(id).snippet.id).toBe('python');
});

test.each([
  ['go', 'x := "http://a//b" // why', [['value', '"http://a//b"'], ['comment', '// why']]],
  ['shell', 'export A=http://a#b\n# why', [['keyword', 'export'], ['value', 'http://a#b'], ['comment', '# why']]],
  ['rust', 'f(r#"["a"]"#) // why', [['value', 'r#"["a"]"#'], ['comment', '// why']]],
  ['yaml', 'a: http://b  # why', [['value', 'http://b'], ['comment', '# why']]],
  ['properties', 'a.b=http://c', [['value', 'http://c']]],
] as const)('%s: addresses are values and no comments', (language, text, marked) => {
  const tokens = highlighted(language, text);
  expect(snippetText(tokens)).toBe(text);
  expect(tokens.filter((token) => typeof token !== 'string')).toEqual(marked);
});

test('every snippet is highlighted', () => {
  for (const { id, code } of SNIPPETS) expect(code(DSN, (key) => key).some((token) => typeof token !== 'string'), id).toBe(true);
});
