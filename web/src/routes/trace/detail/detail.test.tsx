import { describe, expect, it } from 'vitest';
import { aSpan, costOf, usageWith } from '../model/fixtures';
import { buildTree } from '../model/tree';
import { compareToMedian, isUntelling, tokensPerSecond } from '../pace';
import { bucketLinesOf, sumsBelow } from './cost';
import { captureOf } from '../../../components/hints/settings';

const usage = usageWith({
  input_tokens: 100,
  output_tokens: 40,
  total_tokens: 140,
  cache_read_tokens: 30,
  reasoning_tokens: 15,
  source: 'reported',
});
const cost = costOf(0.5, { price: 'openai:gpt-4o' });

describe('how a cost came about', () => {
  it('has a line for each bucket; unknown ones say so, and rare ones are omitted', () => {
    const lines = bucketLinesOf(usage, [{ bucket: 'input', tokens: 70, usd_per_million: 2.5, amount: 0.000175 }]);
    expect(lines.map(({ bucket, tokens }) => [bucket, tokens])).toEqual([
      ['input', 70],
      ['cache_read', 30],
      ['cache_write_5m', null],
      ['output', 25],
      ['reasoning', 15],
    ]);
    expect(lines[0]!.priced?.usd_per_million).toBe(2.5);
  });

  it('sums the calls below by model, each once, and never treats unknown as zero', () => {
    const call = { kind: 'llm' as const, usage, model: 'gpt-4o' };
    const tree = buildTree(
      [
        aSpan('run', null, 0, 9),
        aSpan('a', 'run', 0, 4, { ...call, cost }),
        aSpan('wrapper', 'run', 4, 4, { ...call, cost, counted: false }),
        aSpan('b', 'wrapper', 4, 3, { ...call, cost }),
        aSpan('c', 'run', 8, 1, { ...call, model: 'mine' }),
      ],
      [],
    );
    expect(sumsBelow(tree.roots[0]!)).toEqual([
      { model: 'gpt-4o', calls: 2, input: 200, output: 80, cost: 1, unpriced: 0 },
      { model: 'mine', calls: 1, input: 100, output: 40, cost: null, unpriced: 1 },
    ]);
  });
});

describe('against its kind', () => {
  it.each([
    [70, 1000, { kind: 'faster', percent: 93 }],
    [1, 100_000, { kind: 'faster', percent: 99 }],
    [1500, 1000, { kind: 'slower', percent: 50 }],
    [4400, 2100, { kind: 'times', times: 4400 / 2100 }],
    [1030, 1000, { kind: 'same' }],
    [10, 0, { kind: 'same' }],
  ])('%d ms where the mean is %d', (ms, mean, pace) => expect(compareToMedian(ms, mean)).toEqual(pace));

  it('does not praise what failed', () => {
    const faster = compareToMedian(180, 1000);
    expect([isUntelling(faster, true), isUntelling(faster, false)]).toEqual([true, false]);
    expect(isUntelling(compareToMedian(2500, 1000), true)).toBe(false);
  });

  it('counts tokens per second from the first token on', () => {
    const span = aSpan('a', null, 0, 3000, { usage, time_to_first_token_ms: 1000 });
    expect(tokensPerSecond(span)).toBe(20);
    expect(tokensPerSecond({ ...span, usage: usageWith({}) })).toBeNull();
    expect(tokensPerSecond({ ...span, duration_ms: 0, time_to_first_token_ms: null })).toBeNull();
  });
});

it('names the client setting that withholds messages', () => {
  expect(captureOf('sentry.python').code).toContain('send_default_pii=True');
  expect(captureOf('sentry.javascript.node').code).toContain('sendDefaultPii');
  // `true` is refused by today's instrumentations.
  expect(captureOf(undefined).code).toContain('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_AND_EVENT');
});
