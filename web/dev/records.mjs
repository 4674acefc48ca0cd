// What the mock server tells of single things: spans, and what became of requests.
import { ARTICLE_MESSAGES, iso } from './data.mjs';
import { DETAILS } from './sample-traces/builder.mjs';
import { fail, sum, traces } from './queries.mjs';

export const KEY = '9f2c61d07be84a35b0c4e7d81f6a2350';

export function detail(trace, spanId) {
  const found =
    traces.find(({ summary }) => summary.trace_id === trace)?.spans.find(({ span_id: one }) => one === spanId) ?? fail(404, 'No such span');
  const own = DETAILS.get(found.span_id);
  const { buckets, ...told } = own ?? {};
  const talk =
    own || found.kind !== 'llm'
      ? {}
      : found.model === 'gpt-3.5-turbo-0125'
        ? ARTICLE_MESSAGES
        : {
            input_messages: [
              {
                role: 'system',
                parts: [{ type: 'text', text: 'You are the help desk of a travel agency. Answer in the language of the question.' }],
              },
              { role: 'user', parts: [{ type: 'text', text: found.input_preview }] },
            ],
            output_messages: [
              {
                role: 'assistant',
                parts: [
                  { type: 'text', text: found.output_preview ?? '' },
                  ...(found.pipeline === 'trip-planner'
                    ? [{ type: 'tool_call', id: 'call_1', name: 'search_places', arguments: '{"area":"金沢","kind":"museum"}' }]
                    : []),
                ],
              },
            ],
          };
  return {
    ...found,
    input_messages: [],
    output_messages: [],
    ...talk,
    response_id: 'chatcmpl-9f',
    finish_reasons: ['stop'],
    request: found.kind === 'llm' ? { temperature: 0.2, max_tokens: 1024 } : {},
    tool_definitions: null,
    texts_from: null,
    prompt_version: null,
    received_at: found.start_time,
    clock_shift_ms: 0,
    explanation: EXPLANATION,
    ...told,
    cost: found.cost && buckets ? { ...found.cost, buckets } : found.cost,
    links: [],
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': found.request_model,
      'gen_ai.usage.input_tokens': found.usage.input_tokens,
      'sentry.origin': found.origin,
      'sentry.op': found.op,
    },
    reading: [
      { field: 'usage.input_tokens', source: { kind: 'attribute', attribute: 'gen_ai.usage.input_tokens' } },
      { field: 'provider', source: { kind: 'instrumentation' } },
    ],
  };
}
const EXPLANATION = {
  conventions: [{ name: 'OpenTelemetry GenAI', attributes: 3, examples: ['gen_ai.request.model'] }],
  instrumentation_version: null,
  fields: [
    { field: 'request_model', source: { kind: 'attribute', attribute: 'gen_ai.request.model' }, inferred: false, value: 'gpt-4o' },
    { field: 'provider', source: { kind: 'instrumentation' }, inferred: true, value: 'openai' },
  ],
  ignored: [{ name: 'sentry.op', why: 'no_meaning' }],
  input: null,
  output: null,
  cost: null,
  counted: true,
  corrections: [],
  clock_shift_us: 0,
  pieces: 1,
};

export const hints = () => [
  {
    hint: 'stream_without_usage',
    sdk: 'sentry.python 2.75.0',
    subject: null,
    value: null,
    count: 12,
    first_at: new Date(Date.now() - 7200e3).toISOString(),
    last_at: new Date(Date.now() - 60e3).toISOString(),
    trace_id: null,
    span_id: null,
    priced: false,
  },
  {
    hint: 'sampled',
    sdk: 'sentry.javascript.node 10.78.0',
    subject: null,
    value: 0.2,
    count: 310,
    first_at: new Date(Date.now() - 7200e3).toISOString(),
    last_at: new Date(Date.now() - 30e3).toISOString(),
    trace_id: null,
    span_id: null,
    priced: false,
  },
];

export const outcomes = (id) => [
  ...(id === 1
    ? [
        {
          outcome: 'accepted',
          reason: 'stored',
          category: 'span',
          key: KEY,
          sdk: 'sentry.python 2.44.0',
          quantity: sum(traces, ({ spans }) => spans.length),
          detail: null,
          last_at: iso(Date.now() - 4000),
        },
        {
          outcome: 'accepted',
          reason: 'stored',
          category: 'error',
          key: KEY,
          sdk: 'sentry.python 2.44.0',
          quantity: 61,
          detail: null,
          last_at: iso(Date.now() - 90_000),
        },
        {
          outcome: 'client_dropped',
          reason: 'sample_rate',
          category: 'span',
          key: KEY,
          sdk: 'sentry.python 2.44.0',
          quantity: 312,
          detail: null,
          last_at: iso(Date.now() - 60_000),
        },
        {
          outcome: 'duplicate',
          reason: 'duplicate',
          category: 'span',
          key: KEY,
          sdk: 'sentry.python 2.44.0',
          quantity: 18,
          detail: null,
          last_at: iso(Date.now() - 600_000),
        },
      ]
    : []),
  {
    outcome: 'refused',
    reason: 'unknown_key',
    category: 'request',
    key: '3b1d00000000000000000000000077e0',
    sdk: null,
    quantity: 6,
    detail: 'no project has this key',
    last_at: iso(Date.now() - 12_000),
  },
  {
    outcome: 'dropped',
    reason: 'not_kept',
    category: 'other',
    key: KEY,
    sdk: 'sentry.python 2.44.0',
    quantity: 1,
    detail: null,
    last_at: iso(Date.now() - 99_000),
  },
];
