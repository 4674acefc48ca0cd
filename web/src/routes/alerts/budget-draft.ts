import type { Budget, BudgetDraft, Unit } from '../../api/alert-types';
import { EMPTY_TELLING, number, tellingForm, tellingOf, type TellingForm } from './rule-draft';
import { MEASURES } from './words';

/** A budget as it stands in the form. */
export interface BudgetForm {
  name: string;
  enabled: boolean;
  measure: string;
  amount: string;
  period: 'day' | 'week' | 'month';
  timeZone: string;
  weekStarts: 'monday' | 'sunday' | 'saturday';
  filter: string;
  groupBy: string;
  steps: string;
  criticalFrom: string;
  ringOnForecast: boolean;
  owner: string;
  telling: TellingForm;
}

export const EMPTY_BUDGET: BudgetForm = {
  name: '',
  enabled: true,
  measure: 'cost',
  amount: '',
  period: 'day',
  timeZone: 'UTC',
  weekStarts: 'monday',
  filter: '',
  groupBy: '',
  steps: '50, 80, 100',
  criticalFrom: '100',
  ringOnForecast: false,
  owner: '',
  telling: EMPTY_TELLING,
};

/** What can be spent. */
export const SPENDABLE = ['cost', 'total_tokens', 'input_tokens', 'output_tokens', 'calls'];

export const budgetUnit = (budget: Pick<BudgetDraft, 'measure'>): Unit => MEASURES[budget.measure ?? 'cost']?.unit ?? 'count';

export function formOf(budget: Budget): BudgetForm {
  return {
    name: budget.name,
    enabled: budget.enabled ?? true,
    measure: budget.measure ?? 'cost',
    amount: String(budget.amount),
    period: budget.period,
    timeZone: budget.time_zone,
    weekStarts: budget.week_starts ?? 'monday',
    filter: budget.filter ?? '',
    groupBy: budget.group_by ?? '',
    steps: (budget.steps ?? [50, 80, 100]).join(', '),
    criticalFrom: String(budget.critical_from ?? 100),
    ringOnForecast: budget.ring_on_forecast ?? false,
    owner: budget.owner ?? '',
    telling: tellingForm(budget.notify),
  };
}

export type Problem = 'amount' | 'steps' | 'criticalFrom';

/** The budget that a form describes, or what is wrong with it. */
export function budgetOf(form: BudgetForm, was?: Budget): BudgetDraft | Problem {
  const amount = number(form.amount);
  if (!amount || amount <= 0) return 'amount';
  const steps = form.steps
    .split(/[,\s]+/)
    .filter(Boolean)
    .map((step) => number(step.replace('%', '')));
  if (!steps.every((step): step is number => typeof step === 'number')) return 'steps';
  const criticalFrom = number(form.criticalFrom);
  if (!criticalFrom) return 'criticalFrom';
  return {
    name: form.name.trim(),
    enabled: form.enabled,
    measure: form.measure,
    amount,
    period: form.period,
    time_zone: form.timeZone.trim() || 'UTC',
    week_starts: form.weekStarts,
    filter: form.filter.trim(),
    group_by: form.groupBy || null,
    ...(was?.most_groups !== undefined && { most_groups: was.most_groups }),
    steps,
    critical_from: criticalFrom,
    ring_on_forecast: form.ringOnForecast && !form.groupBy,
    owner: form.owner.trim() || null,
    notify: tellingOf(form.telling),
  };
}
