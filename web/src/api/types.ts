/** The shapes that the server answers with. Times are RFC 3339 UTC, durations milliseconds, money US dollars; null means unknown, never zero. */

export interface Percentiles {
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

/** What a word of the filter is that was found in no text: an id. */
export interface WordSuggestion {
  field: 'user' | 'session' | 'trace' | 'span';
  value: string;
  q: string;
  trace_id: string | null;
  span_id: string | null;
  last_seen: string;
}

export interface Page {
  next_cursor: string | null;
  /** Of lists of traces and spans in which nothing matches. */
  suggestions?: WordSuggestion[];
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
  estimated_cost: number | null;
  /** Those with the most calls. */
  unpriced_models: string[];
  unpriced_model_count: number;
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

/** The groups beyond those that are named; durations do not add up. */
export interface OtherGroups {
  groups: number;
  points: [string, number | null][] | null;
}

/** The answer to a list of measures; one measure alone has `groups` beside `bucket` instead. */
export interface SeriesAnswer {
  bucket: Bucket;
  measures: Partial<Record<Measure, Group[]>>;
  others?: Partial<Record<Measure, OtherGroups>>;
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
  estimated_cost: number | null;
  provider: string | null;
  runs?: number;
  failed_runs?: number;
  runs_per_minute?: number | null;
  run_duration_ms?: { mean: number | null; p50: number | null; p95: number | null };
}

export interface Facet {
  value: string;
  count: number;
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
  /** Requests of the last 24 hours without a valid key, by reason. */
  refused?: Outcome[];
  /** What is wrong, in words. */
  problems: string[];
}

/** What a `change` event of the live stream tells. */
export interface Change {
  traces: string[];
  spans: number;
  errors: number;
}
