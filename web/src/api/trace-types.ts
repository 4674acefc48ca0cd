/** Traces, with what belongs to them beside spans. Units are those of `types.ts`. */

import type { ErrorEvent } from './issue-types';
import type { Span, Status } from './span-types';

export interface TraceSummary {
  trace_id: string;
  root_span_id: string;
  name: string;
  /** The name in words, where it is a template with places for values. */
  title?: string | null;
  op: string;
  start_time: string;
  duration_ms: number;
  span_count: number;
  llm_calls: number;
  failed_llm_calls: number;
  /** Failed calls that a later call of the same request made good. */
  retries: number;
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
  estimated_cost: number | null;
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
  error_preview: string | null;
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
  /** The newest, the oldest of them first. */
  scores: Score[];
  /** How many there are in all. */
  score_count?: number;
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
  /** Of `unpriced_model`: it has a price now, and stored calls wait to be priced again. */
  priced?: boolean;
}
