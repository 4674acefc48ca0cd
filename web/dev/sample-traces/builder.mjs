// How a sample trace is written down: spans with the details that only their own answer carries.
import { span } from '../data.mjs';

/** What only a span's own answer carries: messages, buckets of cost, attributes. */
export const DETAILS = new Map();

export const hexOf = (text, length) => {
  let value = 0x811c9dc5;
  let out = '';
  while (out.length < length) {
    for (const c of text) value = Math.imul(value ^ c.charCodeAt(0), 0x01000193) >>> 0;
    out += value.toString(16).padStart(8, '0');
  }
  return out.slice(0, length);
};

const PRICES = {
  'claude-sonnet-4-5': { provider: 'anthropic', input: 3, cache_read: 0.3, cache_write_5m: 3.75, output: 15 },
  'gpt-4o': { provider: 'openai', input: 2.5, cache_read: 1.25, output: 10 },
  'gpt-4o-mini': { provider: 'openai', input: 0.15, cache_read: 0.075, output: 0.6 },
};

export const text = (role, words) => ({ role, parts: [{ type: 'text', text: words }] });
export const call = (id, name, args) => ({ type: 'tool_call', id, name, arguments: JSON.stringify(args) });
export const result = (id, name, value) => ({ role: 'tool', parts: [{ type: 'tool_result', id, name, result: JSON.stringify(value) }] });

export function traceBuilder(name, at, common) {
  const trace = hexOf(name + at, 32);
  const spans = [];
  const errors = [];
  let next = 0;
  const add = (parent, fields, offset, ms, detail) => {
    const one = span(trace, parent?.span_id ?? null, {
      ...common,
      ...fields,
      span_id: hexOf(`${trace} ${(next += 1)}`, 16),
      start_time: micros(at, offset),
      duration_ms: ms,
    });
    spans.push(one);
    if (detail) DETAILS.set(one.span_id, detail);
    return one;
  };
  /** A model call with buckets, so that the arithmetic of its cost can be shown. */
  const llm = (parent, model, offset, ms, tokens, messages, more = {}) => {
    const { provider, ...per } = PRICES[model];
    const buckets = Object.entries(tokens).map(([bucket, n]) => ({
      bucket,
      tokens: n,
      usd_per_million: per[bucket],
      amount: (n * per[bucket]) / 1e6,
    }));
    const input = buckets.filter(({ bucket }) => bucket !== 'output');
    const sum = (list) => list.reduce((value, { amount }) => value + amount, 0);
    const count = (list) => list.reduce((value, { tokens: n }) => value + n, 0);
    const last = messages.output_messages.at(-1)?.parts;
    return add(
      parent,
      {
        name: `chat ${model}`,
        op: 'gen_ai.chat',
        kind: 'llm',
        operation: 'chat',
        origin: provider === 'openai' ? 'auto.ai.openai' : 'auto.ai.anthropic',
        provider,
        model,
        request_model: model,
        response_model: model,
        usage: {
          input_tokens: count(input),
          output_tokens: tokens.output,
          total_tokens: count(buckets),
          cache_read_tokens: tokens.cache_read ?? null,
          cache_write_tokens: tokens.cache_write_5m ?? null,
          reasoning_tokens: null,
          source: 'reported',
        },
        cost: {
          total: sum(buckets),
          input: sum(input),
          output: sum(buckets.filter(({ bucket }) => bucket === 'output')),
          source: 'computed',
          price: `${provider}:${model}`,
          client_total: null,
        },
        input_preview: messages.input_messages.findLast(({ role }) => role === 'user')?.parts[0].text ?? null,
        output_preview: last?.find(({ type }) => type === 'text')?.text.slice(0, 200) ?? null,
        ...more,
      },
      offset,
      ms,
      { ...messages, buckets },
    );
  };
  return { trace, spans, errors, add, llm };
}

const micros = (at, offset) => {
  const whole = Math.floor(at + offset);
  const rest = Math.round((at + offset - whole) * 1000);
  return `${new Date(whole).toISOString().slice(0, -1)}${String(Math.min(999, rest)).padStart(3, '0')}Z`;
};

export const http = (b, parent, name, offset, ms, more = {}) =>
  b.add(parent, { name, op: 'http.client', kind: 'http', ...more }, offset, ms);
