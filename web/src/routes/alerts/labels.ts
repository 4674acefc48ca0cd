import { FACTS } from '../../api/facts';
import type { AlertGroup, AlertMeasure, DeliveryState, Direction, Happened, Incident, NotificationKind, ChannelKind, Unit } from '../../api/types';
import { plain, type Format, type Pieces } from '../../format';
import type { T, TextKey } from '../../i18n';

/** What can be measured, in the order of the editor. */
const METRIC_TEXT: Record<AlertMeasure, TextKey> = {
  cost: 'alerts.metric.cost',
  total_tokens: 'alerts.metric.tokens',
  input_tokens: 'alerts.metric.inputTokens',
  output_tokens: 'alerts.metric.outputTokens',
  new_input_tokens: 'alerts.metric.newInputTokens',
  cache_read_tokens: 'alerts.metric.cacheReadTokens',
  cache_write_tokens: 'alerts.metric.cacheWriteTokens',
  reasoning_tokens: 'alerts.metric.reasoningTokens',
  calls: 'alerts.metric.calls',
  failed: 'alerts.metric.failedCalls',
  error_rate: 'alerts.metric.errorRate',
  duration_p50: 'alerts.metric.durationMedian',
  duration_p90: 'alerts.metric.durationP90',
  duration_p95: 'alerts.metric.durationP95',
  duration_p99: 'alerts.metric.durationP99',
  time_to_first_token_p50: 'alerts.metric.timeToFirstTokenMedian',
  time_to_first_token_p90: 'alerts.metric.timeToFirstTokenP90',
  time_to_first_token_p95: 'alerts.metric.timeToFirstTokenP95',
  time_to_first_token_p99: 'alerts.metric.timeToFirstTokenP99',
  tool_failures: 'alerts.metric.failedToolCalls',
  tool_failure_rate: 'alerts.metric.toolErrorRate',
  unpriced_calls: 'alerts.metric.unpricedCalls',
  spans: 'alerts.metric.spans',
  refusals: 'alerts.metric.refusals',
  client_dropped: 'alerts.metric.clientDropped',
  error_events: 'alerts.metric.errorEvents',
  score: 'alerts.metric.scoreMean',
  score_bad_rate: 'alerts.metric.scoreBadRate',
  score_count: 'alerts.metric.scoreCount',
  findings: 'alerts.metric.findings',
};

export const METRICS = Object.keys(METRIC_TEXT) as AlertMeasure[];

/** What is not made of spans is measured as a whole: no filter, no groups, no comparison. */
export const METRIC_FACTS: Record<
  AlertMeasure,
  { unit: Unit; of_spans: boolean; has_filter: boolean; of_scores: boolean }
> = FACTS.AlertMetric;

const isMetric = (measure: string): measure is AlertMeasure => measure in METRIC_TEXT;

/** A measure in words; an incident may have one of an earlier version, which keeps its own name. */
export const metricText = (t: T, measure: string) => (isMetric(measure) ? t(METRIC_TEXT[measure]) : measure.replaceAll('_', ' '));

/** Budgets and thresholds may be tiny: there three figures are shown, so that the one side of a limit can be told from the other. */
const dollarText = (format: Format, value: number) =>
  value > 0 && value < 0.01 ? format.moneyExact(Number(value.toPrecision(3))) : format.money(value);

/** A figure in its unit, in pieces. */
export function metricValue(format: Format, value: number, unit: Unit): Pieces {
  switch (unit) {
    case 'usd':
      return [{ n: value < 0 ? `−${dollarText(format, -value)}` : dollarText(format, value) }];
    case 'tokens':
      return format.tokens(value);
    case 'ms':
      return format.duration(value);
    case 'ratio':
      return value < 0 ? [{ n: `−${format.percentText(-value)}`, u: '%' }] : format.percent(value);
    case 'count':
      return [{ n: Number.isInteger(value) ? format.count(value) : format.threeDigits(value) }];
    case 'score':
      return [{ n: format.threeDigits(Math.abs(value)) }];
  }
}

/** The same as one text. */
export const metricValueText = (format: Format, value: number | null, unit: Unit, none: string) =>
  value === null ? none : plain(metricValue(format, value, unit)).replace(' %', ' %');

const COMPARISON_TEXT: Record<NonNullable<Incident['compare']>, TextKey> = {
  previous: 'alerts.comparePrevious',
  last_week: 'alerts.compareWeek',
};

/** Where a figure stands: a change says which way it went, and against what. */
export function incidentValueText(t: T, format: Format, { value, unit, compare }: Pick<Incident, 'value' | 'unit' | 'compare'>) {
  if (!compare || value === null) return metricValueText(format, value, unit, t('alerts.noData'));
  return t(value < 0 ? 'alerts.changeDown' : 'alerts.changeUp', {
    change: metricValueText(format, Math.abs(value), unit, ''),
    what: t(COMPARISON_TEXT[compare]),
  });
}

export const comparisonSign = (direction: Direction | undefined) => (direction === 'below' ? '<' : '>');

const DIMENSION_TEXT: Record<string, TextKey> = {
  trace: 'alerts.dimension.trace',
  user: 'alerts.dimension.user',
  model: 'alerts.dimension.model',
  provider: 'alerts.dimension.provider',
  pipeline: 'alerts.dimension.pipeline',
  agent: 'alerts.dimension.agent',
  tool: 'alerts.dimension.tool',
  prompt: 'alerts.dimension.prompt',
  release: 'alerts.dimension.release',
  session: 'alerts.dimension.session',
  environment: 'alerts.dimension.environment',
  key: 'alerts.dimension.ingestKey',
};

export const dimensionText = (t: T, name: string) => (DIMENSION_TEXT[name] ? t(DIMENSION_TEXT[name]) : name.replace(/^tag:/, ''));

export const groupText = (t: T, group: AlertGroup) => `${dimensionText(t, group.name)} ${group.value ?? t('common.unknown')}`;

export const CHANNEL_TEXT: Record<ChannelKind, TextKey> = {
  email: 'alerts.channel.email',
  slack: 'alerts.channel.slack',
  discord: 'alerts.channel.discord',
  teams: 'alerts.channel.teams',
  pagerduty: 'alerts.channel.pagerduty',
  webhook: 'alerts.channel.webhook',
};

export const DELIVERY_STATE_TEXT: Record<DeliveryState, TextKey> = {
  waiting: 'alerts.deliveryState.waiting',
  sending: 'alerts.deliveryState.sending',
  delivered: 'alerts.deliveryState.delivered',
  failed: 'alerts.deliveryState.failed',
  folded: 'alerts.deliveryState.inDigest',
  cancelled: 'alerts.deliveryState.cancelled',
};

export const NOTIFICATION_TEXT: Record<NotificationKind, TextKey> = {
  opened: 'alerts.notification.fired',
  worsened: 'alerts.notification.worsened',
  improved: 'alerts.notification.improved',
  resolved: 'alerts.notification.resolved',
  reminder: 'alerts.notification.reminder',
  escalated: 'alerts.notification.escalated',
  digest: 'alerts.notification.digest',
  test: 'alerts.notification.test',
};

export const TIMELINE_ENTRY_TEXT: Record<Happened, TextKey> = {
  opened: 'alerts.notification.fired',
  worsened: 'alerts.notification.worsened',
  improved: 'alerts.notification.improved',
  acknowledged: 'alerts.timelineEntry.acknowledged',
  resolved: 'alerts.notification.resolved',
  snoozed: 'alerts.timelineEntry.snoozed',
  note: 'alerts.timelineEntry.note',
  reminded: 'alerts.notification.reminder',
  escalated: 'alerts.notification.escalated',
};
