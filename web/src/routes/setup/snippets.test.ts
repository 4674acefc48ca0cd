import { expect, test } from 'vitest';
import { SNIPPETS, textOf } from './snippets';

const DSN = 'https://0123456789abcdef0123456789abcdef@hinomi.example:8443/7';

test('every snippet says where to send to', () => {
  for (const { id, code } of SNIPPETS) {
    expect(textOf(code(DSN, (key) => key)), id).toContain('hinomi.example:8443');
  }
});

test('who speaks OpenTelemetry gets address and key apart', () => {
  const text = textOf(SNIPPETS.find(({ id }) => id === 'opentelemetry')!.code(DSN, (key) => key));
  expect(text).toContain('OTEL_EXPORTER_OTLP_ENDPOINT=https://hinomi.example:8443\n');
  expect(text).toContain('x-hinomi-key=0123456789abcdef0123456789abcdef\n');
  expect(text).not.toContain('@');
});

test('no snippet names an integration: one whose SDK is not installed stops the program', () => {
  for (const { id, code } of SNIPPETS) expect(textOf(code(DSN, (key) => key)), id).not.toMatch(/integration/i);
});
