/** The shapes of alerts: rules, budgets, incidents, targets, deliveries. Times are RFC 3339 UTC; null means unknown, never zero. */

export type Severity = 'warning' | 'critical';
export type Unit = 'usd' | 'tokens' | 'ms' | 'ratio' | 'count' | 'score';
export type Direction = 'above' | 'below';
export type Language = 'en' | 'ja';

export interface Group {
  name: string;
  value: string | null;
}

/** Whom to tell, and how often. Left out is "nobody" and "never". */
export interface Telling {
  targets?: number[];
  escalate_to?: number[];
  escalate_after?: string;
  repeat_every?: string;
  language?: Language;
}

/** A rule as it is written; lengths such as `15m`, shares as parts of one. */
export interface RuleDraft {
  name: string;
  enabled?: boolean;
  measure: string;
  score?: string;
  filter?: string;
  group_by?: string;
  most_groups?: number;
  window: string;
  direction?: Direction;
  warning?: number;
  critical?: number;
  resolve?: number;
  compare?: 'previous' | 'last_week';
  at_least?: number;
  no_data?: 'keep' | 'ring' | 'resolve';
  owner?: string;
  time_zone?: string;
  notify?: Telling;
}

/** What is kept of each: its number, and until when nobody is told (`forever` without an end). */
export interface Kept {
  id: number;
  project_id: number;
  muted_until: string | null;
  created_at: string;
  updated_at: string;
}

/** A rule and how it stands. */
export type Rule = RuleDraft &
  Kept & {
    /** The figure now, of groups the one that is furthest out; null while there is none. */
    now: number | null;
    /** How bad the worst open incident is; null while none is open. */
    severity: Severity | null;
    open_incidents: number;
  };

export interface BudgetDraft {
  name: string;
  enabled?: boolean;
  measure?: string;
  amount: number;
  period: 'day' | 'week' | 'month';
  time_zone: string;
  week_starts?: 'monday' | 'sunday' | 'saturday';
  filter?: string;
  group_by?: string | null;
  most_groups?: number;
  steps?: number[];
  critical_from?: number;
  ring_on_forecast?: boolean;
  owner?: string | null;
  notify?: Telling;
}

export interface Forecast {
  method: 'weekly' | 'daily' | 'linear';
  samples: number;
  expected: number;
  low: number;
  high: number;
  if_goes_on: number;
  usual_by_now: number | null;
  runs_out_at: string | null;
  runs_out_earliest_at: string | null;
}

/** How a budget stands; figures in its measure's unit. */
export interface BudgetState {
  period_start: string;
  period_end: string;
  /** What was observed. */
  spent: number;
  /** About how much it is with what clients left out by sampling; null where none samples. */
  estimated: number | null;
  left: number | null;
  used_up: boolean;
  forecast: Forecast | null;
  groups: { key: string | null; spent: number; estimated: number | null; left: number }[] | null;
}

/** A budget and how it stands; null while it is not counted yet, or not enabled. */
export type Budget = BudgetDraft & Kept & { state: BudgetState | null };

/** The figure around an incident and its thresholds; of a budget what was spent since its period began. */
export interface IncidentChart {
  from: string;
  to: string;
  points: [at: string, value: number | null][];
  /** Null is the one at which it is over. */
  levels: { severity: Severity | null; value: number }[];
}

export interface Culprit {
  dimension: string;
  key: string | null;
  unit: Unit;
  contribution: number;
  usual: number | null;
  share: number | null;
  /** What the share is of: all that changed the same way against the usual, or all of the window. */
  share_of: 'change' | 'total';
  /** What of it was received since the step before. */
  since: number | null;
  link: string | null;
}

export interface Incident {
  id: number;
  project_id: number;
  source: 'rule' | 'budget';
  rule_id: number;
  rule_name: string;
  group: Group | null;
  state: 'open' | 'acknowledged' | 'resolved';
  severity: Severity;
  worst: Severity;
  measure: string;
  unit: Unit;
  /** With what its figure is compared: it is a change then. */
  compare?: Rule['compare'] | null;
  direction: Direction;
  threshold: number;
  value: number | null;
  peak: number | null;
  window_from: string;
  window_to: string;
  /** Of the rule or budget; null where it was taken away. */
  time_zone: string | null;
  opened_at: string;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
  resolved_at: string | null;
  resolved_by: string | null;
  snoozed_until: string | null;
  culprits: Culprit[];
  /** From when on `since` of the culprits is counted: the step before; null where there was none, or only just before. */
  culprits_since?: string | null;
  outlook: { if_goes_on_usd: number; until: string } | null;
}

export type Happened = 'opened' | 'worsened' | 'improved' | 'acknowledged' | 'resolved' | 'snoozed' | 'note' | 'reminded' | 'escalated';

export interface Entry {
  at: string;
  happened: Happened;
  value: number | null;
  severity: Severity | null;
  by: string | null;
  text: string | null;
}

export interface Incidents {
  incidents: Incident[];
  /** How many of the project are open, on whatever page. */
  open: number;
  next_before: number | null;
}

export type TargetKind = 'email' | 'slack' | 'discord' | 'teams' | 'pagerduty' | 'webhook';

export type Address =
  | {
      kind: 'email';
      host: string;
      port?: number;
      security: 'tls' | 'starttls' | 'none';
      username?: string;
      from: string;
      to: string[];
    }
  | { kind: 'slack' | 'discord' | 'teams' }
  | { kind: 'pagerduty'; endpoint?: string }
  | { kind: 'webhook'; url: string };

export interface TargetDraft {
  name: string;
  language: Language | null;
  disabled: boolean;
  address: Address;
  /** Left out it stays as it was. */
  secret?: string;
}

export interface Target {
  id: number;
  name: string;
  language: Language | null;
  disabled: boolean;
  address: Address;
  shown: string;
  waiting: number;
  created_at: string;
  /** Only in the answer to the change by which it was made. */
  signing_secret?: string;
}

export type DeliveryState = 'waiting' | 'sending' | 'delivered' | 'failed' | 'folded' | 'cancelled';

export type NoticeKind = 'opened' | 'worsened' | 'improved' | 'resolved' | 'reminder' | 'escalated' | 'digest' | 'test';

export interface Attempt {
  at: string;
  duration_ms: number | null;
  status: number | null;
  error: string | null;
}

export interface Delivery {
  id: number;
  target_id: number;
  target_name: string;
  target_kind: TargetKind;
  state: DeliveryState;
  kind: NoticeKind;
  severity: Severity;
  idempotency_key: string;
  rule_id: number | null;
  rule_name: string;
  incident_id: number | null;
  group: Group | null;
  gathered: number;
  folded_into: number | null;
  created_at: string;
  next_attempt_at: string | null;
  attempts: Attempt[];
}

/** What a rule would have done. */
export interface Tried {
  from: string;
  to: string;
  rang: number;
  incidents: { opened_at: string; resolved_at: string | null; severity: Severity; peak: number | null; group: Group | null }[];
  /** Of a rule with groups that of the group furthest out. */
  points: [string, number | null][];
}
