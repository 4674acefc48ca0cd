/** Prices and bills. Units are those of `types.ts`. */

import type { BucketName } from './span-types';

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
  /** Null where there are calls and none had a cost. */
  cost_before: number | null;
  cost_after: number | null;
  models: { model: string | null; calls: number; cost_before: number | null; cost_after: number | null; prices: string[] }[];
}

export type JobState = 'queued' | 'running' | 'paused' | 'done' | 'failed' | 'cancelled';

/** Stored calls of a project that are priced again, by the server. */
export interface RepriceJob {
  id: number;
  state: JobState;
  done: number;
  /** 0 until it is known. */
  total: number;
  reason: string | null;
  ended_at: string | null;
  from: string | null;
  to: string | null;
  /** Calls that began before have the prices of now, later ones may have those of before. */
  reached: string | null;
  result: Repriced | null;
}

/** Whether nothing more becomes of a job. */
export const hasEnded = ({ state }: Pick<RepriceJob, 'state'>) => state === 'done' || state === 'failed' || state === 'cancelled';

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
