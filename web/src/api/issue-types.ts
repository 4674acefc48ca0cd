/** Error events and the issues that they make. Units are those of `types.ts`. */

export interface ErrorEvent {
  event_id: string;
  issue_id: number;
  trace_id: string | null;
  span_id: string | null;
  type: string;
  value: string;
  level: string;
  handled: boolean | null;
  time: string;
  culprit?: string | null;
}

export interface Frame {
  function: string | null;
  module: string | null;
  filename: string | null;
  lineno: number | null;
  in_app: boolean | null;
  context_line: string | null;
  pre_context: string[] | null;
  post_context: string[] | null;
}

export interface Breadcrumb {
  timestamp: string | null;
  category: string | null;
  level: string | null;
  message: string | null;
}

export interface IssueEvent extends ErrorEvent {
  frames: Frame[];
  exceptions: { type: string; value: string; module: string | null }[];
  tags: Record<string, string>;
  user_id: string | null;
  environment: string | null;
  release: string | null;
  breadcrumbs: Breadcrumb[];
}

export interface Issue {
  issue_id: number;
  type: string;
  value: string;
  culprit: string | null;
  level: string;
  handled: boolean | null;
  count: number;
  traces: number;
  users: number;
  cost: number | null;
  first_seen: string;
  last_seen: string;
  last_trace_id: string | null;
  last_span_id: string | null;
  points: [string, number][];
}
