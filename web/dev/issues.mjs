// What the mock server tells of errors: issues, their events, and what merges and splits them.
import { ERRORS, iso } from './data.mjs';
import { fail, groupBy, scope, traces } from './queries.mjs';

/** The issue that each merged issue is part of. */
const merged = new Map();
const issueOf = (number) => merged.get(number) ?? number;
/** The numbers of the issues that an issue has the events of, its own first. */
const partsOf = (number) => [number, ...[...merged].filter(([, into]) => into === number).map(([part]) => part)];
const groupId = (number) => String(number).padStart(32, '0');

export function issues(id, params) {
  const { traces: found, from, to } = scope(id, params);
  const events = found.flatMap(({ errors }) => errors);
  return ERRORS.flatMap(([type, value, culprit], which) => {
    const mine = events.filter((event) => issueOf(event.issue_id) === which + 1);
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

const NO_SOURCE = { context_line: null, pre_context: [], post_context: [] };

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
  threads: [
    { id: '1', name: 'MainThread', state: null, crashed: true, current: true, has_event_stack: true, frames: [], frames_cut: 0 },
    {
      id: '2',
      name: 'worker-0',
      state: 'waiting',
      crashed: false,
      current: false,
      has_event_stack: false,
      frames: [frame({ function: 'wait', module: 'threading', filename: 'threading.py', lineno: 359, in_app: false, ...NO_SOURCE })],
      frames_cut: 0,
    },
  ],
  threads_cut: 0,
  message: 'answer failed',
  dist: null,
  platform: 'python',
  logger: 'tabi.answers',
  server_name: 'desk-1',
  transaction: 'POST /answer',
  sdk: { name: 'sentry.python', version: '2.75.0', integrations: ['openai', 'fastapi'] },
  request: {
    method: 'POST',
    url: 'https://tabi.example/answer',
    query_string: 'lang=ja',
    headers: { Authorization: '[Filtered]', 'Content-Type': 'application/json' },
    cookies: { session: '[Filtered]' },
    data: { question: 'Where can I see the sea?' },
  },
  contexts: { runtime: { name: 'CPython', version: '3.14.0' }, os: { name: 'Linux' } },
  extra: { attempt: 3 },
  modules: { openai: '2.9.0' },
  fingerprint: [],
  breadcrumbs_cut: 0,
  attachments: [{ name: 'screen.png', content_type: 'image/png', type: 'event.attachment', bytes: 48_211 }],
};

/** All error events of an issue, the oldest first. */
const eventsOf = (number) =>
  traces.flatMap(({ errors }) => errors).filter(({ issue_id: one }) => issueOf(one) === number);

export function issue(id, asked, params) {
  const number = issueOf(asked);
  const found = issues(id, params).find(({ issue_id: one }) => one === number) ?? fail(404, 'No such issue');
  const events = eventsOf(number).slice(-50).reverse();
  const [file, fn] = [found.culprit.split(' in ')[1], found.culprit.split(' in ')[0]];
  return {
    issue: found,
    events: events.map((event) => ({
      ...event,
      issue_id: number,
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
        {
          timestamp: iso(Date.parse(event.time) - 420_000),
          category: 'navigation',
          type: 'navigation',
          level: 'info',
          message: null,
          data: '{"from":"/trips","to":"/desk"}',
        },
        { timestamp: iso(Date.parse(event.time) - 2300), category: 'httplib', type: 'http', level: 'info', message: 'POST https://api.openai.com/v1/chat/completions [429]', data: null },
        { timestamp: event.time, category: 'retry', type: 'default', level: 'warning', message: 'attempt 3 of 3', data: null },
      ],
    })),
  };
}


/** Tags of the events of an issue with their values, the most frequent first. */
export function issueTags(id, asked, params) {
  const { events } = issue(id, asked, params);
  const count = (values) => {
    const known = values.filter((value) => value !== null);
    const counts = groupBy(known, (value) => value);
    return [...counts].map(([value, list]) => ({ value, count: list.length })).sort((a, b) => b.count - a.count);
  };
  const tags = {
    user: (event) => event.user_id,
    release: (event) => event.release,
    environment: (event) => event.environment,
    level: (event) => event.level,
    handled: (event) => String(event.handled),
    transaction: (event) => event.transaction,
    server_name: (event) => event.server_name,
    region: (event) => event.tags.region,
    queue: (event) => event.tags.queue,
  };
  return {
    events: events.length,
    tags: Object.entries(tags).map(([key, valueOf]) => {
      const values = count(events.map(valueOf));
      return { key, count: events.length, distinct: values.length, values: values.slice(0, 10) };
    }),
  };
}

export function issueGroups(asked) {
  const number = issueOf(asked);
  const parts = partsOf(number).map((part) => ({ part, events: traces.flatMap(({ errors }) => errors).filter(({ issue_id: one }) => one === part) }));
  return {
    groups: parts
      .filter(({ events }) => events.length > 0)
      .map(({ part, events }) => ({
        group_id: groupId(part),
        type: events[0].type,
        value: events[0].value,
        count: events.length,
        first_seen: events[0].time,
        last_seen: events.at(-1).time,
        issue_id: part === number ? null : part,
        can_split: part !== number,
      })),
  };
}

export function mergeIssues(number, { issues: others }) {
  for (const other of others.filter((one) => one !== number)) for (const part of partsOf(other)) merged.set(part, number);
  return { issue_id: number };
}

export function splitIssue(_number, { groups }) {
  const numbers = groups.map(Number);
  for (const number of numbers) merged.delete(number);
  return { issue_ids: numbers };
}
