/** Spans, and how they were read. Units are those of `types.ts`. */

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
  median_ms: number;
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

/** Why a span is excluded from totals. */
export interface Exclusion {
  kind: 'wraps_call' | 'same_response' | 'duplicate_report' | 'reported_elsewhere' | 'sum_of_calls';
  /** The span that is in totals instead, where it is known. */
  span_id: string | null;
  /** The trace of that span; null where it is the trace of the excluded one. */
  trace_id: string | null;
}

/** What a field was read from; times are those that stand for an impossible one. */
export type FieldSource =
  | { kind: 'attribute' | 'attribute_prefix'; attribute: string }
  | { kind: 'instrumentation' | 'model_vendor' | 'rest_of_total' }
  | { kind: 'start_time' | 'end_time' | 'event_time' | 'received_at' }
  | { kind: 'gateway_report' | 'other_report'; trace_id: string; span_id: string };

/** A field and what it was read from. */
export interface FieldRead {
  field: string;
  source: FieldSource;
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
  /** The name in words, where it is a template with places for values. */
  title?: string | null;
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
  /** The first 200 characters of its first error event, else of what its status says. */
  error_preview: string | null;
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
  exclusion: Exclusion | null;
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
  /** The other report of the same call that messages were taken from. */
  texts_from?: { trace_id: string; span_id: string } | null;
  attributes: Record<string, unknown>;
  response_id?: string | null;
  finish_reasons?: string[];
  request?: Record<string, unknown>;
  tool_definitions?: unknown[] | null;
  explanation?: Explanation;
  /** Spans that it names, mostly of other traces. */
  links?: { trace_id: string; span_id: string; attributes: Record<string, unknown> }[];
}
