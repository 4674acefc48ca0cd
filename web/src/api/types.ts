/** The shapes that the server answers with. Times are RFC 3339 UTC, durations milliseconds, money US dollars; null means unknown, never zero. */

export type SpanKind =
  | 'llm'
  | 'embedding'
  | 'agent'
  | 'tool'
  | 'retriever'
  | 'reranker'
  | 'guardrail'
  | 'evaluator'
  | 'chain'
  | 'handoff'
  | 'prompt'
  | 'http'
  | 'db'
  | 'function'
  | 'other';

export type Status = 'ok' | 'error' | 'cancelled';

export interface Percentiles {
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

export interface Currency {
  code: string;
  rate: number;
}

/** Days for classes of spans that are kept for another time than the project's. */
export interface Keep {
  environments: Record<string, number>;
  /** Messages, attributes and lines of logs. */
  texts_days: number | null;
  /** Traces with errors or scores. */
  notable_days: number | null;
}

/** What was deleted before its time. */
export interface Receipt {
  at: string;
  project: number;
  what: 'trace' | 'user' | 'project' | 'budget';
  subject: string | null;
  spans: number;
  errors: number;
  scores: number;
  log_lines: number;
  series: number;
  incidents: number;
  mentions: number;
  until: string | null;
  files: string[];
  still_read: string[];
  unreadable: string[];
  duration_ms: number;
}

export interface Project {
  id: number;
  name: string;
  demo: boolean;
  dsn: string;
  retention_days: number;
  keep: Keep;
  currency: Currency | null;
  prefer_client_cost: boolean;
  estimate_usage: boolean;
  disabled: boolean;
  created_at: string;
  first_span_at: string | null;
}

export type ProjectPatch = Partial<Pick<Project, 'name' | 'retention_days' | 'keep' | 'currency' | 'prefer_client_cost' | 'estimate_usage' | 'disabled'>>;

export interface Key {
  id: number;
  public_key: string;
  name: string;
  disabled: boolean;
  created_at: string;
  last_used_at: string | null;
}

export interface Me {
  version: string;
  public_url: string;
  projects: Project[];
}

export interface Usage {
  input_tokens: number | null;
  output_tokens: number | null;
  total_tokens: number | null;
  cache_read_tokens: number | null;
  cache_write_tokens: number | null;
  reasoning_tokens: number | null;
  input_audio_tokens?: number | null;
  output_audio_tokens?: number | null;
  input_image_tokens?: number | null;
  output_image_tokens?: number | null;
  web_searches?: number | null;
  images?: number | null;
  source: 'reported' | 'estimated' | null;
}

/** What has a price, in the order in which it is shown. */
export const BUCKETS = [
  'input',
  'cache_read',
  'cache_write_5m',
  'cache_write_1h',
  'input_audio',
  'input_image',
  'output',
  'reasoning',
  'output_audio',
  'output_image',
  'request',
  'web_search',
  'image',
  'hour',
] as const;

export type BucketName = (typeof BUCKETS)[number];

/** For `request`, `web_search` and `image`, `tokens` are so many of them; for `hour`, microseconds. */
export interface CostBucket {
  bucket: BucketName;
  tokens: number;
  usd_per_million: number;
  amount: number;
}

export interface Cost {
  total: number | null;
  input: number | null;
  output: number | null;
  source: 'computed' | 'client' | null;
  /** True where the tokens that were priced are estimated. */
  estimated?: boolean;
  price: string | null;
  client_total: number | null;
  /** By our prices, where the client's figure is taken. */
  computed_total?: number | null;
  buckets?: CostBucket[];
}

export interface Subtree {
  llm_calls: number;
  input_tokens: number;
  output_tokens: number;
  cost: number | null;
  unpriced_calls: number;
  estimated_calls: number;
}

export interface Compared {
  mean_ms: number;
  n: number;
  ratio: number;
}

/** A part of a message; texts of calls and results are JSON where they are not plain. */
export type Part =
  | { type: 'text'; text: string }
  | { type: 'reasoning'; text: string }
  | { type: 'tool_call'; id?: string | null; name: string; arguments: string }
  | { type: 'tool_result'; id?: string | null; name?: string | null; result: string }
  /** By address, or the client's stand-in for its bytes. */
  | { type: 'media'; modality: string; mime_type?: string | null; content: string }
  /** Of another shape, as JSON text. */
  | { type: 'other'; content: string };

export interface Message {
  role: string;
  parts: Part[];
}

export interface Sdk {
  name: string;
  version: string | null;
}

/** A field and the attribute, or in words the ground, that it came from. */
export interface FieldRead {
  field: string;
  from: string;
  inferred: boolean;
  /** Null for texts. */
  value: string | number | boolean | null;
}

/** How a count as sent was taken for the whole. */
export interface Taken {
  sent: number;
  special: number;
  whole: number;
  rule: 'inclusive' | 'exclusive' | 'partly';
  because: 'total_agrees' | 'total' | 'convention' | 'impossible';
}

export interface CostReading {
  because:
    | 'computed'
    | 'computed_then'
    | 'provider_bill'
    | 'client_lower'
    | 'client_only'
    | 'client_preferred'
    | 'failed'
    | 'no_usage'
    | 'no_model'
    | 'no_price';
  price: string | null;
  price_from: string | null;
  table_date: string;
  service_tier: string | null;
  computed: number | null;
  client: number | null;
  total: number | null;
}

/** How this was read. */
export interface Explanation {
  conventions: { name: string; attributes: number; examples: string[] }[];
  instrumentation_version: string | null;
  fields: FieldRead[];
  ignored: { name: string; why: 'better' | 'unreadable' | 'other_meaning' | 'empty' | 'no_meaning'; better?: string }[];
  input: Taken | null;
  output: Taken | null;
  cost: CostReading | null;
  counted: boolean;
  counted_because: string;
  corrections: { field: string; alone: string | null; in_trace: string | null }[];
  clock_shift_us: number;
  pieces: number;
}

/** A span as it stands in lists and in a trace: without messages and attributes. */
export interface Span {
  project_id: number;
  trace_id: string;
  span_id: string;
  parent_span_id: string | null;
  name: string;
  op: string;
  kind: SpanKind;
  operation: string | null;
  origin: string | null;
  provider: string | null;
  model: string | null;
  request_model: string | null;
  response_model: string | null;
  status: Status;
  status_detail: string | null;
  /** Only parts of it have come, such as its messages, and not its own report. */
  incomplete?: boolean;
  start_time: string;
  duration_ms: number;
  time_to_first_token_ms: number | null;
  streaming: boolean | null;
  usage: Usage | null;
  cost: Cost | null;
  /** Null in a list whose traces are too large to be looked through for it. */
  subtree: Subtree | null;
  /** Null where `subtree` is. */
  self_time_ms: number | null;
  compared: Compared | null;
  counted: boolean;
  not_counted_because: string | null;
  /** The other report of a call that a program and its gateway both report. */
  also_reported: { trace_id: string; span_id: string; counts: boolean } | null;
  session_id: string | null;
  user_id: string | null;
  environment: string | null;
  release: string | null;
  pipeline: string | null;
  agent: string | null;
  tool: string | null;
  prompt: string | null;
  tags: Record<string, string>;
  input_preview: string | null;
  output_preview: string | null;
  thread: string | null;
  service: string | null;
  sdk: Sdk | null;
}

/** One span in full. */
export interface SpanDetail extends Span {
  input_messages: Message[];
  output_messages: Message[];
  attributes: Record<string, unknown>;
  response_id?: string | null;
  finish_reasons?: string[];
  request?: Record<string, unknown>;
  tool_definitions?: unknown[] | null;
  explanation?: Explanation;
  links?: unknown[];
}

export interface TraceSummary {
  trace_id: string;
  root_span_id: string;
  name: string;
  op: string;
  start_time: string;
  duration_ms: number;
  span_count: number;
  llm_calls: number;
  failed_llm_calls: number;
  tool_calls: number;
  error_count: number;
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  calls_without_usage: number;
  cost: number | null;
  unpriced_calls: number;
  /** Calls whose tokens were counted from their texts, and the part of the cost that is theirs. */
  estimated_calls: number;
  estimated_cost: number;
  models: string[];
  user_id: string | null;
  session_id: string | null;
  environment: string | null;
  release: string | null;
  /** Present where the server knows them: the first question and the last answer of the trace. */
  status?: Status;
  pipeline?: string | null;
  input_preview?: string | null;
  output_preview?: string | null;
  /** What the first error event says, type first. */
  error_preview?: string | null;
}

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

/** A judgement of a trace, or of one of its spans: a number or a class. */
export interface Score {
  id: string;
  span_id: string | null;
  name: string;
  value: number | null;
  label: string | null;
  comment: string | null;
  at: string;
}

export interface TraceDetail {
  trace: TraceSummary;
  spans: Span[];
  errors: ErrorEvent[];
  scores: Score[];
  hints: Hint[];
  /** Whether it stays whatever its age. */
  pinned?: boolean;
  /** How many lines were logged within it. */
  log_count?: number;
}

/** A line that was logged within a trace. */
export interface LogLine {
  span_id: string | null;
  time: string;
  /** `trace debug info warn error fatal` */
  level: string | null;
  body: string;
  attributes: Record<string, unknown>;
}

export type MetricKind = 'counter' | 'updown_counter' | 'gauge' | 'histogram' | 'summary';
export type MetricMeasure = 'increase' | 'rate' | 'value' | 'mean' | 'min' | 'max' | 'count' | 'sum' | 'p50' | 'p95' | 'p99';

/** What programs measure of themselves; it is in no sum of spans. */
export interface Metric {
  name: string;
  unit: string;
  kind: MetricKind;
  description: string;
  temporality: ('delta' | 'cumulative' | 'momentary')[];
  attributes: string[];
  reporter_attributes: string[];
  /** The usual first. */
  measures: MetricMeasure[];
  series: number;
  last_at: string;
}

export interface MetricGroup {
  key: string | null;
  total: number | null;
  points: [string, number | null][];
}

export interface MetricSeries {
  bucket: Bucket;
  name: string;
  unit: string;
  kind: MetricKind;
  measures: Partial<Record<MetricMeasure, MetricGroup[]>>;
  groups_left_out: number;
  series_left_out: number;
}

export interface Page {
  next_cursor: string | null;
}

export interface Summary {
  spans: number;
  traces: number;
  llm_calls: number;
  failed_llm_calls: number;
  errors: number;
  input_tokens: number;
  output_tokens: number;
  cost: number | null;
  unpriced_calls: number;
  duration_ms: Percentiles;
  runs: number;
  failed_runs: number;
  new_input_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  reasoning_tokens: number;
  calls_without_usage: number;
  estimated_calls: number;
  estimated_input_tokens: number;
  estimated_output_tokens: number;
  estimated_cost: number;
  unpriced_models: string[];
  users: number;
}

export type Measure =
  | 'calls'
  | 'failed'
  | 'errors'
  | 'cost'
  | 'input_tokens'
  | 'output_tokens'
  | 'duration_p50'
  | 'duration_p95'
  | 'duration_p99'
  | 'runs'
  | 'new_input_tokens'
  | 'cache_read_tokens'
  | 'cache_write_tokens'
  | 'reasoning_tokens'
  | 'spans';

export type Bucket = '1m' | '5m' | '15m' | '30m' | '1h' | '6h' | '12h' | '1d';

export interface Group {
  key: string | null;
  points: [string, number | null][];
}

/** The answer to a list of measures; one measure alone has `groups` beside `bucket` instead. */
export interface SeriesAnswer {
  bucket: Bucket;
  measures: Partial<Record<Measure, Group[]>>;
}

export interface BreakdownRow {
  key: string | null;
  llm_calls: number;
  failed_llm_calls: number;
  input_tokens: number;
  output_tokens: number;
  cost: number | null;
  unpriced_calls: number;
  duration_ms: Percentiles;
  cache_read_tokens: number;
  cache_write_tokens: number;
  reasoning_tokens: number;
  estimated_calls: number;
  estimated_cost: number;
  provider: string | null;
  runs?: number;
  failed_runs?: number;
  runs_per_minute?: number | null;
  run_duration_ms?: { mean: number | null; p50: number | null; p95: number | null };
}

/** A price that the owner has set: dollars for a million tokens, for one request, search or picture, for an hour. */
export interface OwnPrice {
  /** Null for one of the owner's file. */
  id: number | null;
  model: string;
  provider: string | null;
  service_tier: string | null;
  input_above: number | null;
  from: string | null;
  until: string | null;
  prices: Partial<Record<BucketName, number>>;
  price: string;
  created_at: string | null;
}

export type NewPrice = Pick<OwnPrice, 'model' | 'prices'> & Partial<Pick<OwnPrice, 'provider' | 'service_tier' | 'input_above' | 'from'>>;

export interface Prices {
  prices: OwnPrice[];
  table: { date: string; models: number };
}

/** A model whose calls have usage and no price. */
export interface UnpricedModel {
  model: string | null;
  provider: string | null;
  calls: number;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  hours: number;
  first_seen: string;
  last_seen: string;
}

/** What pricing stored calls again changes, or would. */
export interface Repriced {
  calls: number;
  changed: number;
  newly_priced: number;
  no_longer_priced: number;
  cost_before: number;
  cost_after: number;
  models: { model: string | null; calls: number; cost_before: number | null; cost_after: number | null; prices: string[] }[];
}

export interface Facet {
  value: string;
  count: number;
}

export type HintName =
  | 'stream_without_usage'
  | 'langchain_hides_openai'
  | 'prompts_not_sent'
  | 'sampled'
  | 'old_sdk'
  | 'clock_off'
  | 'no_response_model'
  | 'unpriced_model';

/** What a client could do better. */
export interface Hint {
  hint: HintName;
  sdk: string | null;
  subject: string | null;
  value: number | null;
  count: number;
  first_at: string | null;
  last_at: string | null;
  trace_id: string | null;
  span_id: string | null;
}

export interface Outcome {
  outcome: 'accepted' | 'refused' | 'dropped' | 'duplicate' | 'client_dropped';
  reason: string;
  category: string;
  key: string | null;
  sdk: string | null;
  quantity: number;
  detail: string | null;
  last_at: string;
}

/** Billed beside observed. */
export interface BillSum {
  billed: number | null;
  observed: number | null;
  gap: number | null;
  coverage: number | null;
  billed_tokens: number | null;
  observed_tokens: number;
  calls: number;
  unpriced_calls: number;
}

/** Of a day and a model; one of them is empty in sums of the other. */
export interface BillRow extends BillSum {
  day: string;
  model: string;
}

export interface BillCause {
  cause: 'sampled' | 'unpriced' | 'tier' | 'not_instrumented' | 'time_zone' | 'estimated' | 'no_usage' | 'not_on_bill';
  model: string | null;
  count: number | null;
  amount: number | null;
  rate: number | null;
}

export interface BillImport {
  at: string;
  name: string;
  format: string;
  from: string | null;
  to: string | null;
  rows: number;
  unread: number;
}

export interface Bill {
  from: string | null;
  to: string | null;
  providers: string[];
  total: BillSum;
  models: BillRow[];
  days: BillRow[];
  rows: BillRow[];
  causes: BillCause[];
  imports: BillImport[];
}

/** What became of an import. */
export interface Imported {
  format: string;
  rows: number;
  lines: number;
  from: string | null;
  to: string | null;
  unread: number;
  unread_rows: { line: number; why: string }[];
  unknown_columns: string[];
}

export interface System {
  version: string;
  uptime_s: number;
  data_dir: string;
  disk: { segments_bytes: number; log_bytes: number; free_bytes: number | null; reserve_bytes: number };
  spans: { stored: number; buffered: number };
  segments: number;
  memory_bytes: number;
  memory_limit_bytes: number;
  retention_days: number;
  oldest: string | null;
  /** What is wrong, in words. */
  problems: string[];
}

/** What a `change` event of the live stream tells. */
export interface Change {
  traces: string[];
  spans: number;
  errors: number;
}
