import { describe, expect, it } from 'vitest';
import { callsOf, nearestCall } from './nearest-call';
import { sampleSpan } from './sample-event';

/** The error happens 10 s after the start of the trace. */
const at = (span: string | null) => ({ span_id: span, time: '2026-11-30T10:00:10Z' });

describe('the call near an error', () => {
  it('is the call in whose span it happened', () => {
    const spans = [sampleSpan('root', null, 'other', 0, 20_000), sampleSpan('call', 'root', 'llm', 1, 500)];
    expect(nearestCall(spans, at('call'))).toMatchObject({ span: { span_id: 'call' }, relation: 'same' });
  });

  it('is a call around the span of the error', () => {
    const spans = [sampleSpan('call', null, 'llm', 9, 2000), sampleSpan('http', 'call', 'http', 9.5, 1000)];
    expect(nearestCall(spans, at('http'))).toMatchObject({ span: { span_id: 'call' }, relation: 'around', gapMs: 0 });
  });

  it('is the last one before the error in the closest span that has one', () => {
    const spans = [
      sampleSpan('root', null, 'other', 0, 20_000),
      sampleSpan('mine', 'root', 'agent', 0, 15_000),
      sampleSpan('first', 'mine', 'llm', 1, 500),
      sampleSpan('second', 'mine', 'llm', 4, 1000),
      sampleSpan('parse', 'mine', 'function', 9, 1500),
      // Another agent, which ran at the same time and called later.
      sampleSpan('other', 'root', 'agent', 0, 15_000),
      sampleSpan('foreign', 'other', 'llm', 9.9, 50),
    ];
    expect(nearestCall(spans, at('parse'))).toMatchObject({ span: { span_id: 'second' }, relation: 'before', gapMs: 5000 });
  });

  it('has no gap to an error that happened while it ran', () => {
    expect(nearestCall([sampleSpan('call', null, 'llm', 8, 5000)], at(null))).toMatchObject({ relation: 'before', gapMs: 0 });
  });

  it('has an unknown gap if no report says how long it took', () => {
    const span = sampleSpan('call', null, 'llm', 8, 0, { duration_ms: null });
    expect(nearestCall([span], at(null))).toMatchObject({ relation: 'before', gapMs: null });
  });

  it('is the first one after the error if none began before it', () => {
    const spans = [sampleSpan('late', null, 'llm', 14, 100), sampleSpan('soon', null, 'llm', 12, 100)];
    expect(nearestCall(spans, at('unknown'))).toMatchObject({ span: { span_id: 'soon' }, relation: 'after', gapMs: 2000 });
  });

  it('is missing in a trace without calls, and found in a damaged one', () => {
    expect(nearestCall([sampleSpan('a', null, 'tool', 0, 1)], at('a'))).toBeNull();
    const cycle = [sampleSpan('a', 'b', 'other', 0, 1), sampleSpan('b', 'a', 'other', 0, 1), sampleSpan('call', 'b', 'llm', 1, 1)];
    expect(nearestCall(cycle, at('a'))?.span.span_id).toBe('call');
  });
});

it('leaves out further reports of the same call', () => {
  const spans = [sampleSpan('a', null, 'llm', 0, 1), sampleSpan('b', null, 'llm', 0, 1, { counted: false })];
  expect(callsOf(spans).map(({ span_id: id }) => id)).toEqual(['a']);
  expect(callsOf(spans.slice(1))).toHaveLength(1);
});
