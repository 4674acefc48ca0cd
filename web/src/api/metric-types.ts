/** What programs measure of themselves. Units are those of `types.ts`. */

import type { Bucket } from './types';

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
