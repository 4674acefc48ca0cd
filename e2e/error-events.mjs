// Error events for the tests of the page: a failing answer of a travel desk, with everything that a client can send.
import { randomBytes } from 'node:crypto';
import { KEY } from './support.mjs';

export const hex = (digits) => randomBytes(digits / 2).toString('hex');

/** What must never become part of the page. */
export const HOSTILE = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';

/** Sends items `[header, payload]` as an envelope. */
export async function sendEnvelope(server, items) {
  const lines = items.flatMap(([header, payload]) => {
    const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
    return [JSON.stringify({ ...header, length: Buffer.byteLength(body) }), body];
  });
  const headers = { 'content-type': 'application/x-sentry-envelope', 'x-sentry-auth': `Sentry sentry_version=7, sentry_key=${KEY}` };
  const response = await fetch(`${new URL(server.dsn).origin}/api/1/envelope/`, { method: 'POST', headers, body: ['{}', ...lines, ''].join('\n') });
  if (!response.ok) throw new Error(`envelope: ${response.status} ${await response.text()}`);
}

const frame = (fn, file, line, more = {}) => ({
  function: fn,
  filename: file,
  abs_path: `/srv/tabi/${file}`,
  module: file.replace('.py', '').replaceAll('/', '.'),
  lineno: line,
  in_app: true,
  pre_context: ['async def answer(question: str, desk: Desk) -> Answer:', '    messages = build(question, desk)'],
  context_line: '    reply = await client.chat.completions.create(model=MODEL, messages=messages)',
  post_context: ['    return parse(reply.choices[0].message.content)', ''],
  ...more,
});

const library = (fn, file, line) => frame(fn, file, line, { in_app: false, abs_path: `/usr/lib/python3.14/site-packages/${file}`, pre_context: [], post_context: [] });

/** Variables as Python's SDK sends them: texts are representations. */
const VARIABLES = {
  question: "'AIとは何ですか? 簡単に説明してください。'",
  attempt: 3,
  desk: { id: 'tokyo-2', open: true, seats: [1, 2, 3], hours: { from: '09:00', to: '18:00' } },
  messages: [{ role: "'system'", content: "'You are the help desk of a travel agency.'" }, { role: "'user'", content: "'AIとは何ですか?'" }],
  api_key: 'sk-live-0123456789',
  hostile: HOSTILE,
  note: `'${'a long text that wraps over several lines of the page; '.repeat(14)}'`,
};

/** Names and ids of one failure; `sendFailure` sends them. */
export function makeFailure(more = {}) {
  return { trace: hex(32), root: hex(16), call: hex(16), event: hex(32), user: 'mika', release: 'tabi-desk@2.8.1', environment: 'production', ago: 60, ...more };
}

function failingTrace({ trace, root, call, user, release, environment }, at) {
  const span = (id, op, description, from, to, data = {}, status = 'ok') => ({
    trace_id: trace,
    span_id: id,
    parent_span_id: root,
    op,
    description,
    start_timestamp: at + from,
    timestamp: at + to,
    status,
    origin: 'auto.ai.openai',
    data,
  });
  return {
    type: 'transaction',
    event_id: hex(32),
    transaction: 'POST /answer',
    platform: 'python',
    release,
    environment,
    user: { id: user },
    start_timestamp: at - 3,
    timestamp: at + 0.2,
    sdk: { name: 'sentry.python', version: '2.75.0' },
    contexts: { trace: { trace_id: trace, span_id: root, op: 'http.server', status: 'internal_error' } },
    spans: [
      span(hex(16), 'db.query', 'SELECT * FROM desks WHERE id = %s', -2.9, -2.85),
      span(call, 'gen_ai.chat', 'chat gpt-4o', -2.8, -0.05, {
        'gen_ai.operation.name': 'chat',
        'gen_ai.system': 'openai',
        'gen_ai.request.model': 'gpt-4o',
        'gen_ai.response.model': 'gpt-4o-2024-08-06',
        'gen_ai.usage.input_tokens': 1200,
        'gen_ai.usage.output_tokens': 96,
        'gen_ai.request.messages': JSON.stringify([
          { role: 'system', content: 'You are the help desk of a travel agency.' },
          { role: 'user', content: 'AIとは何ですか? 簡単に説明してください。' },
        ]),
        'gen_ai.response.text': JSON.stringify(['AIとは、人工知能の略で、']),
      }),
    ],
  };
}

function failingEvent({ trace, root, event, user, release, environment }, at) {
  const crumb = (before, category, message, extra = {}) => ({ timestamp: at - before, category, message, level: 'info', type: 'default', ...extra });
  return {
    event_id: event,
    timestamp: at,
    level: 'error',
    platform: 'python',
    logger: 'tabi.answers',
    release,
    environment,
    dist: '281',
    server_name: 'desk-1',
    transaction: 'POST /answer',
    message: 'answer failed for desk tokyo-2',
    sdk: { name: 'sentry.python', version: '2.75.0', integrations: ['openai', 'fastapi', 'logging'] },
    contexts: {
      trace: { trace_id: trace, span_id: root },
      runtime: { name: 'CPython', version: '3.14.0', build: '3.14.0 (main, Oct 2026)' },
      os: { name: 'Linux', version: '6.12' },
      state: { cart: { items: [{ id: 1, name: 'ticket' }], total: 4800 } },
    },
    exception: {
      values: [
        {
          type: 'JSONDecodeError',
          value: 'Unterminated string starting at: line 1 column 12 (char 11)',
          module: 'json.decoder',
          mechanism: { type: 'chained', exception_id: 1, parent_id: 0, source: '__cause__', handled: true },
          stacktrace: { frames: [frame('parse', 'tabi/answers.py', 52), library('loads', 'json/__init__.py', 346), library('decode', 'json/decoder.py', 345)] },
        },
        {
          type: 'AnswerError',
          value: `the model's answer is not JSON ${HOSTILE}`,
          module: 'tabi.errors',
          thread_id: 7,
          mechanism: { type: 'fastapi', handled: false, exception_id: 0, data: { route: '/answer' } },
          stacktrace: {
            frames: [
              library('__call__', 'fastapi/applications.py', 1054),
              library('run_endpoint_function', 'fastapi/routing.py', 212),
              frame('post_answer', 'tabi/routes.py', 31, { vars: { request: '<Request POST /answer>' } }),
              frame('answer', 'tabi/answers.py', 48, { vars: VARIABLES }),
              library('raise_for_answer', 'pydantic/main.py', 88),
            ],
          },
        },
      ],
    },
    threads: {
      values: [
        { id: 7, name: 'MainThread', current: true, crashed: true },
        { id: 8, name: 'ThreadPoolExecutor-0_0', stacktrace: { frames: [library('wait', 'threading.py', 359), frame('poll', 'tabi/queue.py', 20)] } },
      ],
    },
    request: {
      method: 'POST',
      url: 'https://tabi.example/answer',
      query_string: 'desk=tokyo-2&lang=ja',
      headers: { Authorization: 'Bearer abcdefghij', 'Content-Type': 'application/json', 'User-Agent': 'Mozilla/5.0' },
      cookies: { sid: '0123456789' },
      data: { question: 'AIとは何ですか?', attachments: [] },
      env: { SERVER_PORT: '8000' },
    },
    user: { id: user, email: `${user}@tabi.example`, plan: 'gold', geo: { city: '金沢', country_code: 'JP' } },
    tags: { region: 'tokyo', queue: 'chat', hostile: HOSTILE },
    extra: { order: 4711, 'sys.argv': ['serve', '--port', '8000'], nothing: null },
    modules: Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`package-${n}`, `1.${n}.0`])),
    breadcrumbs: [
      crumb(5400, 'auth', 'signed in', { data: { method: 'passkey' } }),
      crumb(420, 'navigation', undefined, { type: 'navigation', data: { from: '/trips', to: '/desk' } }),
      crumb(31, 'ui.click', 'button#ask'),
      crumb(2.9, 'query', 'SELECT * FROM desks WHERE id = %s', { data: { 'db.system': 'postgresql' } }),
      crumb(2.8, 'httplib', undefined, { type: 'http', data: { url: 'https://api.openai.com/v1/chat/completions', method: 'POST', status_code: 200, 'http.response.size': 812 } }),
      crumb(0.04, 'tabi.answers', 'answer ends within a string', { level: 'warning', data: { characters: 96, finish_reason: 'length' } }),
      crumb(0.01, 'tabi.answers', HOSTILE, { level: 'error' }),
    ],
  };
}

/** Sends a trace with a call whose answer is cut off, and the error that follows from it. */
export async function sendFailure(server, failure) {
  const at = Date.now() / 1000 - failure.ago;
  await sendEnvelope(server, [[{ type: 'transaction' }, failingTrace(failure, at)]]);
  await sendEnvelope(server, [
    [{ type: 'event' }, failingEvent(failure, at)],
    [{ type: 'attachment', filename: 'answer.txt', content_type: 'text/plain' }, 'AIとは、人工知能の略で、'],
  ]);
}
