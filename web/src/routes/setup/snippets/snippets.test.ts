import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SNIPPETS, snippetText } from './snippets';

const DSN = 'https://0123456789abcdef0123456789abcdef@hinomi.example:8443/7';

test('every snippet contains the destination', () => {
  for (const { id, code } of SNIPPETS) {
    expect(snippetText(code(DSN, (key) => key)), id).toContain('hinomi.example:8443');
  }
});

test('OpenTelemetry clients get address and key separately', () => {
  const text = snippetText(SNIPPETS.find(({ id }) => id === 'opentelemetry')!.code(DSN, (key) => key));
  expect(text).toContain('OTEL_EXPORTER_OTLP_ENDPOINT=https://hinomi.example:8443\n');
  expect(text).toContain('x-hinomi-key=0123456789abcdef0123456789abcdef\n');
  expect(text).not.toContain('@');
});

test('no snippet names an integration: one whose SDK is not installed stops the program', () => {
  for (const { id, code } of SNIPPETS) expect(snippetText(code(DSN, (key) => key)), id).not.toMatch(/integration/i);
});

test('the README has the same lines for OpenTelemetry', () => {
  const readme = readFileSync('../README.md', 'utf8');
  const text = snippetText(SNIPPETS.find(({ id }) => id === 'opentelemetry')!.code(DSN, (key) => key));
  const names = [...text.matchAll(/\b(OTEL_\w+)=/g)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(3);
  for (const name of names) expect(readme).toContain(name);
  const [content] = /OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=\w+/.exec(text)!;
  const [install] = /pip install opentelemetry.*/.exec(text)!;
  const [run] = /opentelemetry-instrument --.* python/.exec(text)!;
  for (const line of [content, install, run]) expect(readme).toContain(line);
});
