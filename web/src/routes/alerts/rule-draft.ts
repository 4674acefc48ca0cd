import type { AlertMeasure, Direction, Language, Rule, RuleDraft, Telling, Unit } from '../../api/types';
import { METRIC_FACTS } from './labels';

/** A rule as it stands in the form: texts, thresholds in the units that people type. */
export interface RuleForm {
  name: string;
  enabled: boolean;
  measure: AlertMeasure;
  score: string;
  filter: string;
  groupBy: string;
  window: string;
  direction: Direction;
  warning: string;
  critical: string;
  resolve: string;
  compare: '' | 'previous' | 'last_week';
  minSamples: string;
  noData: '' | 'keep' | 'alert' | 'resolve';
  owner: string;
  timeZone: string;
  notification: NotificationForm;
}

export interface NotificationForm {
  targets: number[];
  escalateTo: number[];
  escalateAfter: string;
  repeatEvery: string;
  language: Language;
}

export const EMPTY_NOTIFICATION: NotificationForm = { targets: [], escalateTo: [], escalateAfter: '30m', repeatEvery: '', language: 'en' };

export const EMPTY_RULE: RuleForm = {
  name: '',
  enabled: true,
  measure: 'cost',
  score: '',
  filter: '',
  groupBy: '',
  window: '1h',
  direction: 'above',
  warning: '',
  critical: '',
  resolve: '',
  compare: '',
  minSamples: '',
  noData: '',
  owner: '',
  timeZone: '',
  notification: EMPTY_NOTIFICATION,
};

/** A new rule with what a link names. An unknown measure is ignored. */
export function newRuleOf({ measure, filter, name }: { measure?: string; filter?: string; name?: string }): RuleForm {
  const known = measure !== undefined && measure in METRIC_FACTS ? (measure as AlertMeasure) : EMPTY_RULE.measure;
  // One trace with findings is worth a notification.
  const warning = known === 'findings' ? '0' : '';
  return { ...EMPTY_RULE, measure: known, warning, filter: filter ?? '', name: name ?? '' };
}

export const WINDOWS = ['1m', '5m', '15m', '30m', '1h', '6h', '12h', '1d', '7d', '30d'];

/** The unit of a rule's thresholds: a change is a share, whatever is measured. */
export const unitOf = (measure: AlertMeasure, compare: string): Unit => (compare ? 'ratio' : METRIC_FACTS[measure].unit);

/** How many of what the server counts are one of what people type: seconds, per cent. */
const TYPED_UNIT_SCALE: Partial<Record<Unit, number>> = { ms: 1000, ratio: 0.01 };
export const TYPED_UNIT: Partial<Record<Unit, string>> = { usd: '$', ms: 's', ratio: '%' };

const trimDigits = (value: number) => Number(value.toPrecision(12));
export const toTypedUnit = (value: number | null | undefined, unit: Unit) =>
  value === undefined || value === null ? '' : String(trimDigits(value / (TYPED_UNIT_SCALE[unit] ?? 1)));

/** A number as it was typed; null for no number at all, undefined for nothing. */
export function parseNumber(text: string): number | null | undefined {
  const value = text.trim().replace(/[,\s]/g, '');
  if (value === '') return undefined;
  const read = Number(value);
  return Number.isFinite(read) ? read : null;
}

export function formOf(rule: Rule): RuleForm {
  const unit = unitOf(rule.measure, rule.compare ?? '');
  return {
    name: rule.name,
    enabled: rule.enabled ?? true,
    measure: rule.measure,
    score: rule.score ?? '',
    filter: rule.filter ?? '',
    groupBy: rule.group_by ?? '',
    window: rule.window,
    direction: rule.direction ?? 'above',
    warning: toTypedUnit(rule.warning, unit),
    critical: toTypedUnit(rule.critical, unit),
    resolve: toTypedUnit(rule.resolve, unit),
    compare: rule.compare ?? '',
    minSamples: rule.min_samples?.toString() ?? '',
    noData: rule.no_data ?? '',
    owner: rule.owner ?? '',
    timeZone: rule.time_zone ?? 'UTC',
    notification: notificationFormOf(rule.notify),
  };
}

export const notificationFormOf = (notification: Telling | undefined): NotificationForm => ({
  targets: notification?.targets ?? [],
  escalateTo: notification?.escalate_to ?? [],
  escalateAfter: notification?.escalate_after ?? '30m',
  repeatEvery: notification?.repeat_every ?? '',
  language: notification?.language ?? 'en',
});

export function notificationOf(form: NotificationForm): Telling {
  return {
    ...(form.targets.length > 0 && { targets: form.targets }),
    ...(form.escalateTo.length > 0 && { escalate_to: form.escalateTo, escalate_after: form.escalateAfter }),
    ...(form.repeatEvery && { repeat_every: form.repeatEvery }),
    ...(form.language === 'ja' && { language: 'ja' as const }),
  };
}

/** What is wrong with a form before anybody else is asked: a threshold that is no number. */
export type Problem = 'warning' | 'critical' | 'resolve' | 'minSamples' | 'thresholds';

/** The rule that a form describes, without what of the rule the form does not show; or what is wrong with it. */
export function ruleOf(form: RuleForm, was?: Rule): RuleDraft | Problem {
  const isWhole = !METRIC_FACTS[form.measure].of_spans;
  const compare = isWhole ? '' : form.compare;
  const unit = unitOf(form.measure, compare);
  const scale = TYPED_UNIT_SCALE[unit] ?? 1;
  const read = { warning: parseNumber(form.warning), critical: parseNumber(form.critical), resolve: parseNumber(form.resolve) };
  for (const [field, value] of Object.entries(read)) if (value === null) return field as Problem;
  const minSamples = parseNumber(form.minSamples);
  if (minSamples === null || (minSamples !== undefined && (!Number.isInteger(minSamples) || minSamples < 0))) return 'minSamples';
  if (read.warning === undefined && read.critical === undefined) return 'thresholds';
  const scaled = (value: number | null | undefined) => trimDigits((value ?? 0) * scale);
  return {
    name: form.name.trim(),
    enabled: form.enabled,
    measure: form.measure,
    ...(form.score.trim() && METRIC_FACTS[form.measure].of_scores && { score: form.score.trim() }),
    ...(METRIC_FACTS[form.measure].has_filter && form.filter.trim() && { filter: form.filter.trim() }),
    ...(!isWhole && form.groupBy.trim() && { group_by: form.groupBy.trim() }),
    ...(was?.max_groups !== undefined && { max_groups: was.max_groups }),
    window: form.window,
    direction: form.direction,
    ...(read.warning !== undefined && { warning: scaled(read.warning) }),
    ...(read.critical !== undefined && { critical: scaled(read.critical) }),
    ...(read.resolve !== undefined && { resolve: scaled(read.resolve) }),
    ...(compare && { compare }),
    ...(minSamples !== undefined && { min_samples: minSamples }),
    ...(form.noData && { no_data: form.noData }),
    ...(form.owner.trim() && { owner: form.owner.trim() }),
    time_zone: form.timeZone.trim() || 'UTC',
    notify: notificationOf(form.notification),
  };
}
