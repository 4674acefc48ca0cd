import type { Breadcrumb, ErrorException, ExceptionMechanism, Frame, Issue, IssueEvent, Span } from '../../api/types';

/** Parts of events for tests, with all fields. */

export const sampleFrame = (fields: Partial<Frame> = {}): Frame => ({
  function: 'answer',
  module: 'tabi.answers',
  filename: 'tabi/answers.py',
  abs_path: null,
  lineno: 48,
  colno: null,
  package: null,
  instruction_addr: null,
  in_app: true,
  context_line: null,
  pre_context: [],
  post_context: [],
  vars: {},
  ...fields,
});

export const sampleMechanism = (fields: Partial<ExceptionMechanism> = {}): ExceptionMechanism => ({
  type: 'generic',
  handled: false,
  synthetic: null,
  description: null,
  help_link: null,
  source: null,
  exception_id: null,
  parent_id: null,
  is_exception_group: null,
  data: {},
  meta: {},
  ...fields,
});

export const sampleException = (fields: Partial<ErrorException> = {}): ErrorException => ({
  type: 'AnswerError',
  value: 'not JSON',
  module: null,
  thread_id: null,
  mechanism: null,
  frames: [],
  frames_cut: 0,
  ...fields,
});

export const sampleBreadcrumb = (fields: Partial<Breadcrumb> = {}): Breadcrumb => ({
  timestamp: '2026-11-30T10:00:00Z',
  category: 'query',
  type: 'default',
  level: 'info',
  message: null,
  data: null,
  ...fields,
});

export const sampleEvent = (fields: Partial<IssueEvent> = {}): IssueEvent => ({
  event_id: 'e'.repeat(32),
  issue_id: 7,
  trace_id: 't'.repeat(32),
  span_id: null,
  type: 'AnswerError',
  value: 'not JSON',
  title: null,
  level: 'error',
  handled: false,
  time: '2026-11-30T10:00:10Z',
  culprit: null,
  frames: [],
  frames_cut: 0,
  exceptions: [],
  exceptions_cut: 0,
  threads: [],
  threads_cut: 0,
  message: null,
  tags: {},
  user_id: null,
  user: null,
  environment: null,
  release: null,
  dist: null,
  platform: 'python',
  logger: null,
  server_name: null,
  transaction: null,
  sdk: null,
  request: null,
  contexts: {},
  extra: {},
  modules: {},
  fingerprint: [],
  breadcrumbs: [],
  breadcrumbs_cut: 0,
  attachments: [],
  ...fields,
});

/** A span with the fields that say where and what it is. */
export const sampleSpan = (id: string, parent: string | null, kind: Span['kind'], startS: number, durationMs: number, fields: Partial<Span> = {}) =>
  ({
    span_id: id,
    parent_span_id: parent,
    kind,
    start_time: new Date(Date.UTC(2026, 10, 30, 10, 0, 0) + startS * 1000).toISOString(),
    duration_ms: durationMs,
    counted: true,
    ...fields,
  }) as Span;

export const sampleIssue = (fields: Partial<Issue> = {}): Issue => ({
  issue_id: 7,
  type: 'AnswerError',
  value: 'not JSON',
  title: null,
  culprit: 'answer in tabi/answers.py',
  level: 'error',
  handled: false,
  grouping_version: 2,
  count: 1200,
  traces: 4,
  users: 3,
  cost: 0.25,
  first_seen: '2026-11-01T08:00:00Z',
  last_seen: '2026-11-30T10:00:10Z',
  last_trace_id: null,
  last_span_id: null,
  points: [],
  ...fields,
});
