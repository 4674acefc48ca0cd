import type { Direction, Language, Rule, RuleDraft, Telling, Unit } from '../../api/alert-types';
import { MEASURES } from './words';

/** A rule as it stands in the form: texts, thresholds in the units that people type. */
export interface RuleForm {
  name: string;
  enabled: boolean;
  measure: string;
  score: string;
  filter: string;
  groupBy: string;
  window: string;
  direction: Direction;
  warning: string;
  critical: string;
  resolve: string;
  compare: '' | 'previous' | 'last_week';
  atLeast: string;
  noData: '' | 'keep' | 'ring' | 'resolve';
  owner: string;
  timeZone: string;
  telling: TellingForm;
}

export interface TellingForm {
  targets: number[];
  escalateTo: number[];
  escalateAfter: string;
  repeatEvery: string;
  language: Language;
}

export const EMPTY_TELLING: TellingForm = { targets: [], escalateTo: [], escalateAfter: '30m', repeatEvery: '', language: 'en' };

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
  atLeast: '',
  noData: '',
  owner: '',
  timeZone: '',
  telling: EMPTY_TELLING,
};

export const WINDOWS = ['1m', '5m', '15m', '30m', '1h', '6h', '12h', '1d', '7d', '30d'];

/** The unit of a rule's thresholds: a change is a share, whatever is measured. */
export const unitOf = (measure: string, compare: string): Unit => (compare ? 'ratio' : (MEASURES[measure]?.unit ?? 'count'));

/** How many of what the server counts are one of what people type: seconds, per cent. */
const SCALE: Partial<Record<Unit, number>> = { ms: 1000, ratio: 0.01 };
export const TYPED_UNIT: Partial<Record<Unit, string>> = { usd: '$', ms: 's', ratio: '%' };

const clean = (value: number) => Number(value.toPrecision(12));
export const typed = (value: number | undefined, unit: Unit) => (value === undefined ? '' : String(clean(value / (SCALE[unit] ?? 1))));

/** A number as it was typed; null for no number at all, undefined for nothing. */
export function number(text: string): number | null | undefined {
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
    warning: typed(rule.warning, unit),
    critical: typed(rule.critical, unit),
    resolve: typed(rule.resolve, unit),
    compare: rule.compare ?? '',
    atLeast: rule.at_least === undefined ? '' : String(rule.at_least),
    noData: rule.no_data ?? '',
    owner: rule.owner ?? '',
    timeZone: rule.time_zone ?? 'UTC',
    telling: tellingForm(rule.notify),
  };
}

export const tellingForm = (telling: Telling | undefined): TellingForm => ({
  targets: telling?.targets ?? [],
  escalateTo: telling?.escalate_to ?? [],
  escalateAfter: telling?.escalate_after ?? '30m',
  repeatEvery: telling?.repeat_every ?? '',
  language: telling?.language ?? 'en',
});

export function tellingOf(form: TellingForm): Telling {
  return {
    ...(form.targets.length > 0 && { targets: form.targets }),
    ...(form.escalateTo.length > 0 && { escalate_to: form.escalateTo, escalate_after: form.escalateAfter }),
    ...(form.repeatEvery && { repeat_every: form.repeatEvery }),
    ...(form.language === 'ja' && { language: 'ja' as const }),
  };
}

/** What is wrong with a form before anybody else is asked: a threshold that is no number. */
export type Problem = 'warning' | 'critical' | 'resolve' | 'atLeast' | 'thresholds';

/** The rule that a form describes, without what of the rule the form does not show; or what is wrong with it. */
export function ruleOf(form: RuleForm, was?: Rule): RuleDraft | Problem {
  const isWhole = MEASURES[form.measure]?.whole === true;
  const compare = isWhole ? '' : form.compare;
  const unit = unitOf(form.measure, compare);
  const scale = SCALE[unit] ?? 1;
  const read = { warning: number(form.warning), critical: number(form.critical), resolve: number(form.resolve) };
  for (const [field, value] of Object.entries(read)) if (value === null) return field as Problem;
  const atLeast = number(form.atLeast);
  if (atLeast === null || (atLeast !== undefined && (!Number.isInteger(atLeast) || atLeast < 0))) return 'atLeast';
  if (read.warning === undefined && read.critical === undefined) return 'thresholds';
  const scaled = (value: number | null | undefined) => clean((value ?? 0) * scale);
  return {
    name: form.name.trim(),
    enabled: form.enabled,
    measure: form.measure,
    ...(form.score.trim() && form.measure === 'score' && { score: form.score.trim() }),
    ...(!isWhole && form.filter.trim() && { filter: form.filter.trim() }),
    ...(!isWhole && form.groupBy.trim() && { group_by: form.groupBy.trim() }),
    ...(was?.most_groups !== undefined && { most_groups: was.most_groups }),
    window: form.window,
    direction: form.direction,
    ...(read.warning !== undefined && { warning: scaled(read.warning) }),
    ...(read.critical !== undefined && { critical: scaled(read.critical) }),
    ...(read.resolve !== undefined && { resolve: scaled(read.resolve) }),
    ...(compare && { compare }),
    ...(atLeast !== undefined && { at_least: atLeast }),
    ...(form.noData && { no_data: form.noData }),
    ...(form.owner.trim() && { owner: form.owner.trim() }),
    time_zone: form.timeZone.trim() || 'UTC',
    notify: tellingOf(form.telling),
  };
}
