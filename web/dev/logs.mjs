// Made-up log lines of a project: those of its traces, those without a trace, and traces of which no span has arrived.
import { ERRORS, iso, START } from './data.mjs';
import { fail, page, time, traces } from './queries.mjs';
import { hexOf } from './sample-traces/builder.mjs';

const LINES = [
  ['info', 'question from user-42'],
  ['debug', 'HTTP Request: POST https://api.example/v1/chat/completions "HTTP/1.1 200 OK"'],
  ['warn', 'slow answer'],
  ['error', '在庫サービスに接続できません'],
];

/** Lines of the program itself, in turn. */
const PROGRAM_LINES = [
  ['info', 'health check ok', { 'logger.name': 'tabi.health', 'http.status_code': 200 }],
  ['debug', 'cache hit ratio 0.83, 1204 entries', { 'logger.name': 'tabi.cache', 'cache.entries': 1204 }],
  ['info', '予約の同期を開始しました', { 'logger.name': 'tabi.sync' }],
  ['trace', 'poll queue=bookings', { 'logger.name': 'tabi.queue', queue: 'bookings' }],
  ['warn', 'queue bookings is 31 s behind; the oldest job was created before the last deployment', { 'logger.name': 'tabi.queue', lag_s: 31 }],
  [
    'error',
    'Traceback (most recent call last):\n  File "/srv/tabi/sync.py", line 88, in run\n    rows = client.fetch(cursor)\n  File "/srv/tabi/client.py", line 31, in fetch\n    raise TimeoutError("no answer after 10 s")\nTimeoutError: no answer after 10 s',
    { 'logger.name': 'tabi.sync', 'code.filepath': '/srv/tabi/sync.py', 'code.lineno': 88 },
  ],
  [null, '{"event":"checkout","items":3,"total_jpy":12800,"<b>coupon</b>":null}', {}],
  ['fatal', 'out of disk space on /var/lib/tabi, shutting down', { 'logger.name': 'tabi.main' }],
];

let lastId = 0;
const ids = new Map();
/** The ID of a line, the same whenever it is asked for. */
function idOf(name) {
  if (!ids.has(name)) ids.set(name, String((lastId += 1)));
  return { log_id: ids.get(name) };
}

/** The lines of a trace. */
export const logsOf = ({ spans }) =>
  spans.slice(0, LINES.length).map((span, at) => ({
    ...idOf(`${span.trace_id} ${at}`),
    trace_id: span.trace_id,
    span_id: span.span_id,
    time: iso(Date.parse(span.start_time) + span.duration_ms / 2),
    level: LINES[at][0],
    body: LINES[at][1],
    attributes: { 'logger.name': 'shop.assistant', 'code.line.number': 14 + at },
  }));

const errorOf = (trace, which, at, name) => ({
  event_id: hexOf(`${name} event`, 32),
  issue_id: which + 1,
  trace_id: trace,
  span_id: null,
  type: ERRORS[which][0],
  value: ERRORS[which][1],
  title: null,
  level: 'error',
  handled: false,
  time: iso(at),
  culprit: ERRORS[which][2],
});

const lineOf = (at, level, body, attributes = {}) => ({
  ...idOf(`${at} ${body}`),
  trace_id: null,
  span_id: null,
  time: iso(at),
  level,
  body,
  attributes,
});

const ofSpanless = ({ trace_id: trace, lines, ...more }) => ({ ...more, trace_id: trace, lines: lines.map((line) => ({ ...line, trace_id: trace })) });

/** Traces of a program that reports errors and log lines, but no spans. */
export const spanless = [
  {
    trace_id: hexOf('spanless both', 32),
    name: 'POST /bookings',
    errors: [errorOf(hexOf('spanless both', 32), 1, START - 119_150, 'first'), errorOf(hexOf('spanless both', 32), 2, START - 118_600, 'second')],
    lines: [
      lineOf(START - 120_000, 'info', 'booking started', { 'logger.name': 'tabi.bookings', user: 'u_1192' }),
      lineOf(START - 119_800, 'debug', 'searching flights HND-KMQ', { 'logger.name': 'tabi.flights' }),
      lineOf(START - 119_140, 'error', 'search_flights: no answer after 10 s', { 'logger.name': 'tabi.flights', attempt: 3 }),
      lineOf(START - 118_900, 'warn', 'using cached fares', { 'logger.name': 'tabi.flights' }),
      lineOf(START - 118_200, 'info', 'booking failed', { 'logger.name': 'tabi.bookings' }),
    ],
  },
  {
    trace_id: hexOf('spanless lines', 32),
    name: 'nightly import started',
    errors: [],
    lines: [
      lineOf(START - 3_600_000, 'info', 'nightly import started'),
      lineOf(START - 3_599_000, 'info', 'nightly import finished, 120 rows', { rows: 120 }),
    ],
  },
  {
    trace_id: hexOf('spanless error', 32),
    name: ERRORS[2][0],
    errors: [errorOf(hexOf('spanless error', 32), 2, START - 7_200_000, 'lone')],
    lines: [],
  },
].map(ofSpanless);

const NO_TOTALS = Object.fromEntries(
  [
    'span_count',
    'llm_calls',
    'failed_llm_calls',
    'retries',
    'tool_calls',
    'input_tokens',
    'output_tokens',
    'total_tokens',
    'calls_without_usage',
    'unpriced_calls',
    'estimated_calls',
    'estimated_cost',
  ].map((name) => [name, 0]),
);

/** What the server answers for a trace of which no span has arrived. */
export function spanlessTrace({ trace_id: trace, name, errors, lines }) {
  const times = [...errors, ...lines].map((one) => Date.parse(one.time));
  const start = Math.min(...times);
  return {
    trace: {
      ...NO_TOTALS,
      trace_id: trace,
      root_span_id: null,
      name,
      title: null,
      op: '',
      status: errors.length > 0 ? 'error' : 'ok',
      start_time: iso(start),
      duration_ms: Math.max(...times) - start,
      error_count: errors.length,
      error_preview: errors[0] ? `${errors[0].type}: ${errors[0].value}` : null,
      scores: [],
      findings: [],
      wasted_cost: null,
      cost: 0,
      models: [],
      user_id: null,
      session_id: null,
      environment: errors.length > 0 ? 'production' : null,
      release: null,
      pipeline: null,
      input_preview: null,
      output_preview: null,
    },
    spans: [],
    errors,
    scores: [],
    score_count: 0,
    findings: [],
    wasted_cost: 0,
    hints: [],
    pinned: false,
    log_count: lines.length,
  };
}

/** A line in the list of the project: with the issue that it reports. */
const listed = (line, errors) => ({ ...line, issue_id: line.level === 'error' ? (errors[0]?.issue_id ?? null) : null });

/** A line of the program itself. */
const ofProgram = (at, which) => {
  const [level, body, attributes] = PROGRAM_LINES[which % PROGRAM_LINES.length];
  return listed(lineOf(at, level, body, attributes), []);
};

/** All lines of the project, the oldest first. */
const stored = [
  ...traces.filter(({ at }) => at > START - 3 * 86_400_000).flatMap((trace) => logsOf(trace).map((line) => listed(line, trace.errors))),
  ...spanless.flatMap(({ lines, errors }) => lines.map((line) => listed(line, errors))),
  ...Array.from({ length: 600 }, (_, at) => ofProgram(START - at * 217_000 - 4000, Math.floor((at * at) / 7))),
].sort((a, b) => Date.parse(a.time) - Date.parse(b.time));

/** New lines: of a trace, or of the program. */
export function addLines(trace) {
  const lines = trace ? logsOf(trace).map((line) => listed(line, trace.errors)) : [ofProgram(Date.now() - 200, lastId), ofProgram(Date.now() - 100, lastId + 3)];
  stored.push(...lines);
  stored.sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
  return lines.length;
}

const LOG_FIELDS = {
  level: (line) => line.level,
  trace: (line) => line.trace_id,
  span: (line) => line.span_id,
  body: (line) => line.body,
  service: (line) => line.attributes['service.name'] ?? null,
  environment: (line) => line.attributes['sentry.environment'] ?? null,
  release: (line) => line.attributes['service.version'] ?? null,
  user: (line) => line.attributes['user.id'] ?? null,
};

/** Enough of the query language to see the page work. */
function lineMatcher(q) {
  const terms = [...(q ?? '').matchAll(/(-?)(?:([\w.]+):)?("[^"]*"|\S+)/g)].map(([, not, field, value]) => {
    const bare = value.replace(/^"|"$/g, '');
    const attribute = /^attr\.(.+)$/.exec(field ?? '')?.[1];
    const get = attribute ? (line) => line.attributes[attribute] ?? null : LOG_FIELDS[field];
    if (field && !get) fail(400, `unknown field "${field}"`, `Fields: ${Object.keys(LOG_FIELDS).join(' ')} attr.NAME`);
    const test = (line) => {
      if (!field) return line.body.toLowerCase().includes(bare.toLowerCase());
      const has = get(line);
      if (bare === '*') return has !== null;
      return bare.split(',').some((one) => {
        const pattern = one.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*');
        return has !== null && new RegExp(`^${pattern}$`, 's').test(String(has));
      });
    };
    return (line) => test(line) !== (not === '-');
  });
  return (line) => terms.every((term) => term(line));
}

export function projectLogs(id, params) {
  const from = time(params.get('from'), 0);
  const to = time(params.get('to'), Infinity);
  const match = lineMatcher(params.get('q'));
  const found = (id === 1 ? stored : []).filter((line) => Date.parse(line.time) >= from && Date.parse(line.time) < to && match(line));
  const { logs, next_cursor: next } = page(params.get('sort') === 'time' ? found : found.toReversed(), 'logs', params);
  return { logs, next_cursor: next };
}
