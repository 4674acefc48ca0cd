import type { DeliveryState, Direction, Group, Happened, Incident, NoticeKind, TargetKind, Unit } from '../../api/alert-types';
import { plain, type Format, type Pieces } from '../../format';
import type { T, TextKey } from '../../i18n';

/** What can be measured, in the order of the editor. The server knows the same names. What is not made of spans is measured as a whole:
 * no filter, no groups, no comparison. */
export const MEASURES: Record<string, { unit: Unit; text: TextKey; whole?: true }> = {
  cost: { unit: 'usd', text: 'alerts.mCost' },
  total_tokens: { unit: 'tokens', text: 'alerts.mTokens' },
  input_tokens: { unit: 'tokens', text: 'alerts.mInput' },
  output_tokens: { unit: 'tokens', text: 'alerts.mOutput' },
  new_input_tokens: { unit: 'tokens', text: 'alerts.mNewInput' },
  cache_read_tokens: { unit: 'tokens', text: 'alerts.mCacheRead' },
  cache_write_tokens: { unit: 'tokens', text: 'alerts.mCacheWrite' },
  reasoning_tokens: { unit: 'tokens', text: 'alerts.mReasoning' },
  calls: { unit: 'count', text: 'alerts.mCalls' },
  failed: { unit: 'count', text: 'alerts.mFailed' },
  error_rate: { unit: 'ratio', text: 'alerts.mErrorRate' },
  duration_p50: { unit: 'ms', text: 'alerts.mP50' },
  duration_p90: { unit: 'ms', text: 'alerts.mP90' },
  duration_p95: { unit: 'ms', text: 'alerts.mP95' },
  duration_p99: { unit: 'ms', text: 'alerts.mP99' },
  time_to_first_token_p50: { unit: 'ms', text: 'alerts.mTtft50' },
  time_to_first_token_p90: { unit: 'ms', text: 'alerts.mTtft90' },
  time_to_first_token_p95: { unit: 'ms', text: 'alerts.mTtft95' },
  time_to_first_token_p99: { unit: 'ms', text: 'alerts.mTtft99' },
  tool_failures: { unit: 'count', text: 'alerts.mToolFailed' },
  tool_failure_rate: { unit: 'ratio', text: 'alerts.mToolRate' },
  unpriced_calls: { unit: 'count', text: 'alerts.mUnpriced' },
  spans: { unit: 'count', text: 'alerts.mSpans' },
  refusals: { unit: 'count', text: 'alerts.mRefused', whole: true },
  client_dropped: { unit: 'count', text: 'alerts.mClientDropped', whole: true },
  error_events: { unit: 'count', text: 'alerts.mErrorEvents', whole: true },
  score: { unit: 'score', text: 'alerts.mScore', whole: true },
};

/** A measure in words; one that this page does not know keeps its own name. */
export const measureText = (t: T, measure: string) => (MEASURES[measure] ? t(MEASURES[measure].text) : measure.replaceAll('_', ' '));

/** Budgets and thresholds may be tiny: there three figures are shown, so that the one side of a limit can be told from the other. */
const dollars = (format: Format, value: number) => (value > 0 && value < 0.01 ? format.moneyExact(Number(value.toPrecision(3))) : format.money(value));

/** A figure in its unit, in pieces. */
export function figure(format: Format, value: number, unit: Unit): Pieces {
  switch (unit) {
    case 'usd':
      return [{ n: value < 0 ? `−${dollars(format, -value)}` : dollars(format, value) }];
    case 'tokens':
      return format.tokens(value);
    case 'ms':
      return format.duration(value);
    case 'ratio':
      return value < 0 ? [{ n: `−${format.percentText(-value)}`, u: '%' }] : format.percent(value);
    case 'count':
      return [{ n: Number.isInteger(value) ? format.count(value) : format.three(value) }];
    case 'score':
      return [{ n: format.three(Math.abs(value)) }];
  }
}

/** The same as one text. */
export const figureText = (format: Format, value: number | null, unit: Unit, none: string) =>
  value === null ? none : plain(figure(format, value, unit)).replace(' %', ' %');

const COMPARED: Record<NonNullable<Incident['compare']>, TextKey> = { previous: 'alerts.comparePrevious', last_week: 'alerts.compareWeek' };

/** Where a figure stands: a change says which way it went, and against what. */
export function standing(t: T, format: Format, { value, unit, compare }: Pick<Incident, 'value' | 'unit' | 'compare'>) {
  if (!compare || value === null) return figureText(format, value, unit, t('alerts.noData'));
  return t(value < 0 ? 'alerts.wentDown' : 'alerts.wentUp', {
    change: figureText(format, Math.abs(value), unit, ''),
    what: t(COMPARED[compare]),
  });
}

export const sign = (direction: Direction | undefined) => (direction === 'below' ? '<' : '>');

const DIMENSIONS: Record<string, TextKey> = {
  trace: 'alerts.dTrace',
  user: 'alerts.dUser',
  model: 'alerts.dModel',
  provider: 'alerts.dProvider',
  pipeline: 'alerts.dPipeline',
  agent: 'alerts.dAgent',
  tool: 'alerts.dTool',
  prompt: 'alerts.dPrompt',
  release: 'alerts.dRelease',
  session: 'alerts.dSession',
  environment: 'alerts.dEnvironment',
  key: 'alerts.dKey',
};

export const dimensionText = (t: T, name: string) => (DIMENSIONS[name] ? t(DIMENSIONS[name]) : name.replace(/^tag:/, ''));

export const groupText = (t: T, group: Group) => `${dimensionText(t, group.name)} ${group.value ?? t('common.unknown')}`;

export const KIND_TEXT: Record<TargetKind, TextKey> = {
  email: 'alerts.kEmail',
  slack: 'alerts.kSlack',
  discord: 'alerts.kDiscord',
  teams: 'alerts.kTeams',
  pagerduty: 'alerts.kPagerduty',
  webhook: 'alerts.kWebhook',
};

export const STATE_TEXT: Record<DeliveryState, TextKey> = {
  waiting: 'alerts.sWaiting',
  sending: 'alerts.sSending',
  delivered: 'alerts.sDelivered',
  failed: 'alerts.sFailed',
  folded: 'alerts.sFolded',
  cancelled: 'alerts.sCancelled',
};

export const NOTICE_TEXT: Record<NoticeKind, TextKey> = {
  opened: 'alerts.nOpened',
  worsened: 'alerts.nWorsened',
  improved: 'alerts.nImproved',
  resolved: 'alerts.nResolved',
  reminder: 'alerts.nReminder',
  escalated: 'alerts.nEscalated',
  digest: 'alerts.nDigest',
  test: 'alerts.nTest',
};

export const HAPPENED_TEXT: Record<Happened, TextKey> = {
  opened: 'alerts.nOpened',
  worsened: 'alerts.nWorsened',
  improved: 'alerts.nImproved',
  acknowledged: 'alerts.hAcknowledged',
  resolved: 'alerts.nResolved',
  snoozed: 'alerts.hSnoozed',
  note: 'alerts.hNote',
  reminded: 'alerts.nReminder',
  escalated: 'alerts.nEscalated',
};
