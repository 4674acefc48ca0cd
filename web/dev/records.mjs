// What the mock server tells of single things: issues, spans, and what became of requests.
import { ARTICLE_MESSAGES, ERRORS, iso } from './data.mjs';
import { DETAILS } from './sample-traces/builder.mjs';
import { fail, scope, sum, traces } from './queries.mjs';

export const KEY = '9f2c61d07be84a35b0c4e7d81f6a2350';

export function issues(id, params) {
  const { traces: found, from, to } = scope(id, params);
  const events = found.flatMap(({ errors }) => errors);
  return ERRORS.flatMap(([type, value, culprit], which) => {
    const mine = events.filter((event) => event.issue_id === which + 1);
    if (!mine.length) return [];
    const points = Array.from({ length: 24 }, (_, at) => {
      const start = from + ((to - from) / 24) * at;
      return [iso(start), mine.filter(({ time: when }) => Date.parse(when) >= start && Date.parse(when) < start + (to - from) / 24).length];
    });
    const last = mine.at(-1);
    return [
      {
        issue_id: which + 1,
        type,
        value,
        title: null,
        culprit,
        level: 'error',
        handled: which !== 1,
        grouping_version: 2,
        count: mine.length,
        traces: mine.length,
        users: new Set(mine.map(({ user_id: user }) => user)).size,
        cost: 0.0042 * mine.length,
        first_seen: mine[0].time,
        last_seen: last.time,
        last_trace_id: last.trace_id,
        last_span_id: last.span_id,
        points,
      },
    ];
  });
}

/** An error event as it is listed in a trace. */
export const errorEvent = ({ user_id: _user, ...event }) => event;

/** A frame with all its fields. */
const frame = (fields) => ({
  abs_path: null,
  colno: null,
  package: null,
  instruction_addr: null,
  vars: {},
  ...fields,
});

/** An exception with all its fields. */
const exception = (fields) => ({ thread_id: null, mechanism: null, frames: [], frames_cut: 0, ...fields });

/** How the SDK got the exception. */
const MECHANISM = {
  type: 'openai',
  handled: true,
  synthetic: null,
  description: null,
  help_link: null,
  source: null,
  exception_id: null,
  parent_id: null,
  is_exception_group: null,
  data: {},
  meta: {},
};

/** What a client sends beside the error. */
const EVENT_DETAILS = {
  frames_cut: 0,
  exceptions_cut: 0,
  threads: [],
  threads_cut: 0,
  message: null,
  dist: null,
  platform: 'python',
  logger: 'tabi.answers',
  server_name: 'desk-1',
  transaction: 'POST /answer',
  sdk: { name: 'sentry.python', version: '2.75.0', integrations: ['openai', 'fastapi'] },
  request: { method: 'POST', url: 'https://tabi.example/answer', headers: { Authorization: '[Filtered]' } },
  contexts: { runtime: { name: 'CPython', version: '3.14.0' }, os: { name: 'Linux' } },
  extra: { attempt: 3 },
  modules: { openai: '2.9.0' },
  fingerprint: [],
  breadcrumbs_cut: 0,
  attachments: [],
};

export function issue(id, number, params) {
  const found = issues(id, params).find(({ issue_id: one }) => one === number) ?? fail(404, 'No such issue');
  const events = traces
    .flatMap(({ errors }) => errors)
    .filter(({ issue_id: one }) => one === number)
    .slice(-50)
    .reverse();
  const [file, fn] = [found.culprit.split(' in ')[1], found.culprit.split(' in ')[0]];
  return {
    issue: found,
    events: events.map((event) => ({
      ...event,
      ...EVENT_DETAILS,
      user: { id: event.user_id, email: `${event.user_id}@tabi.example` },
      environment: 'production',
      release: 'tabi-desk@2.8.1',
      tags: { region: 'tokyo', queue: 'chat' },
      exceptions: [
        exception({ type: 'APIStatusError', value: 'status 429', module: 'openai' }),
        exception({ type: event.type, value: event.value, module: 'openai', mechanism: MECHANISM }),
      ],
      frames: [
        frame({
          function: 'main',
          module: 'app',
          filename: 'app.py',
          lineno: 41,
          in_app: true,
          context_line: '    answer(question)',
          pre_context: ['def main():', '    question = read()'],
          post_context: ['    log.info("done")'],
        }),
        frame({
          function: fn,
          module: file.replace('.py', '').replace('/', '.'),
          filename: file,
          lineno: 88,
          in_app: true,
          vars: { question: "'Where can I see the sea?'", MODEL: "'gpt-4o'" },
          context_line: '    reply = client.chat.completions.create(model=MODEL, messages=messages)',
          pre_context: ['@ai_track("support-answer")', 'def answer(question: str) -> str:', '    messages = build(question)'],
          post_context: ['    return reply.choices[0].message.content'],
        }),
        frame({
          function: '_request',
          module: 'openai._base_client',
          filename: 'openai/_base_client.py',
          lineno: 1047,
          in_app: false,
          context_line: '            raise self._make_status_error_from_response(err.response) from None',
          pre_context: ['                )'],
          post_context: [],
        }),
      ],
      breadcrumbs: [
        { timestamp: event.time, category: 'httplib', type: 'http', level: 'info', message: 'POST https://api.openai.com/v1/chat/completions [429]', data: null },
        { timestamp: event.time, category: 'retry', type: 'default', level: 'warning', message: 'attempt 3 of 3', data: null },
      ],
    })),
  };
}

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
