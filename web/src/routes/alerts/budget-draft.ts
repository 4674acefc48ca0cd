import type { AlertMeasure, Budget, BudgetDraft, Unit } from '../../api/types';
import { EMPTY_NOTIFICATION, parseNumber, notificationFormOf, notificationOf, type NotificationForm } from './rule-draft';
import { METRIC_FACTS } from './labels';

/** A budget as it stands in the form. */
export interface BudgetForm {
  name: string;
  enabled: boolean;
  measure: AlertMeasure;
  amount: string;
  period: 'day' | 'week' | 'month';
  timeZone: string;
  weekStarts: 'monday' | 'sunday' | 'saturday';
  filter: string;
  groupBy: string;
  steps: string;
  criticalFrom: string;
  alertOnForecast: boolean;
  owner: string;
  notification: NotificationForm;
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
  alertOnForecast: false,
  owner: '',
  notification: EMPTY_NOTIFICATION,
};

/** What can be spent. */
export const SPENDABLE: AlertMeasure[] = ['cost', 'total_tokens', 'input_tokens', 'output_tokens', 'calls'];

export const budgetUnit = (budget: Pick<BudgetDraft, 'measure'>): Unit => METRIC_FACTS[budget.measure ?? 'cost'].unit;

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
    alertOnForecast: budget.alert_on_forecast ?? false,
    owner: budget.owner ?? '',
    notification: notificationFormOf(budget.notify),
  };
}

export type Problem = 'amount' | 'steps' | 'criticalFrom';

/** The budget that a form describes, or what is wrong with it. */
export function budgetOf(form: BudgetForm, was?: Budget): BudgetDraft | Problem {
  const amount = parseNumber(form.amount);
  if (!amount || amount <= 0) return 'amount';
  const steps = form.steps
    .split(/[,\s]+/)
    .filter(Boolean)
    .map((step) => parseNumber(step.replace('%', '')));
  if (!steps.every((step): step is number => typeof step === 'number')) return 'steps';
  const criticalFrom = parseNumber(form.criticalFrom);
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
    ...(was?.max_groups !== undefined && { max_groups: was.max_groups }),
    steps,
    critical_from: criticalFrom,
    alert_on_forecast: form.alertOnForecast && !form.groupBy,
    owner: form.owner.trim() || null,
    notify: notificationOf(form.notification),
  };
}
