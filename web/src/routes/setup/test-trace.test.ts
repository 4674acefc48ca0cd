import { expect, it } from 'vitest';
import { testEnvelope } from './test-trace';

it('builds an envelope whose lengths are in bytes', () => {
  const { trace, body } = testEnvelope({ question: '火の見櫓とは?', answer: '町を見渡す塔です。' }, Date.parse('2026-11-23T08:00:00Z'));
  const [header, item, payload, rest] = body.split('\n');
  expect(JSON.parse(header!)).toMatchObject({ sent_at: '2026-11-23T08:00:00.000Z' });
  expect(JSON.parse(item!).length).toBe(new TextEncoder().encode(payload).length);
  expect(rest).toBe('');
  const { contexts, spans } = JSON.parse(payload!);
  expect(trace).toMatch(/^[0-9a-f]{32}$/);
  expect(contexts.trace.trace_id).toBe(trace);
  expect(spans).toHaveLength(3);
  const ids = [contexts.trace.span_id, ...spans.map((span: { span_id: string }) => span.span_id)];
  expect(new Set(ids).size).toBe(4);
  for (const span of spans) expect(ids).toContain(span.parent_span_id);
});
