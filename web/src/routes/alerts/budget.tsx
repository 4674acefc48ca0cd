import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { budgetsQuery, useRemove, useSaveBudget } from '../../api/alerts';
import type { Budget, BudgetDraft } from '../../api/types';
import { useT, type TextKey } from '../../i18n';
import { UserText } from '../../components/values';
import { PermittedFields } from '../../components/permission';
import { useProject } from '../../project';
import { useLocale } from '../../locale';
import { usePageTitle } from '../../shell/page-title';
import { budgetOf, budgetUnit, EMPTY_BUDGET, formOf, SPENDABLE, type BudgetForm, type Problem } from './budget-draft';
import { BudgetFigures, BudgetGroups, DeletedNote, ForecastNote, PeriodText } from './budget-figures';
import { BurnDownChart } from './burn-down-chart';
import { EditorPage, EditorHead, GroupByRow, CommonFields, SaveRow, useEditor } from './editor';
import { SelectRow, TextRow } from './form-fields';
import { TYPED_UNIT } from './rule-draft';
import { metricText } from './labels';
import './alerts.css';

const PROBLEM_TEXT: Record<Problem, TextKey> = {
  amount: 'alerts.invalidAmount',
  steps: 'alerts.invalidSteps',
  criticalFrom: 'alerts.invalidNumber',
};

export default function BudgetPage() {
  const t = useT();
  const project = useProject();
  const { budget: id } = useParams({ from: '/app/p/$project/alerts/budgets/$budget' });
  const { data, error, refetch } = useQuery(budgetsQuery(project.id));
  const budget = data?.budgets.find((one) => String(one.id) === id);
  usePageTitle(budget?.name ?? t('alerts.newBudget'));
  return (
    <EditorPage isThere={data ? id === 'new' || budget !== undefined : null} error={error} onRetry={() => void refetch()}>
      {budget && (
        <section className="sheet pane">
          <div className="section-head">
            <h1>
              <UserText text={budget.name} />
            </h1>
            <PeriodText budget={budget} />
          </div>
          <BudgetFigures budget={budget} />
          {budget.state?.groups === null && <BurnDownChart project={project.id} budget={budget} />}
          <BudgetGroups budget={budget} most={30} />
          <ForecastNote budget={budget} />
          <DeletedNote project={project.id} budget={budget} />
        </section>
      )}
      <BudgetEditor key={id} project={project.id} budget={budget ?? null} />
    </EditorPage>
  );
}

function BudgetEditor({ project, budget }: { project: number; budget: Budget | null }) {
  const t = useT();
  const { zone } = useLocale();
  const { form, problem, place, set, submit, end } = useEditor<BudgetForm, BudgetDraft>({
    project,
    what: 'budgets',
    id: budget?.id ?? null,
    first: () => (budget ? formOf(budget) : { ...EMPTY_BUDGET, timeZone: zone }),
    read: (typed) => budgetOf(typed, budget ?? undefined),
    save: useSaveBudget(project),
    remove: useRemove(project, 'budgets'),
  });
  const measures = SPENDABLE.includes(form.measure) ? SPENDABLE : [...SPENDABLE, form.measure];
  const Title = budget ? 'h2' : 'h1';
  return (
    <form className="sheet pane form-grid" onSubmit={submit}>
      <EditorHead title={<Title>{budget ? t('alerts.edit') : t('alerts.newBudget')}</Title>} end={end} />
      <PermittedFields operation="put /api/v1/projects/{project}/alerts/budgets/{id}" project={project} grid>
        <TextRow
          label={t('alerts.name')}
          value={form.name}
          required
          placeholder={t('alerts.budgetNamePlaceholder')}
          onChange={(name) => set({ name })}
        />
        <TextRow
          label={t('alerts.amount')}
          short
          numeric
          required
          value={form.amount}
          onChange={(amount) => set({ amount })}
          after={TYPED_UNIT[budgetUnit(form)]}
        />
        <SelectRow
          label={t('alerts.metric')}
          value={form.measure}
          options={measures.map((measure) => ({ value: measure, label: metricText(t, measure) }))}
          onChange={(measure) => set({ measure })}
        />
        <SelectRow
          label={t('alerts.period')}
          value={form.period}
          options={[
            { value: 'day' as const, label: t('alerts.day') },
            { value: 'week' as const, label: t('alerts.week') },
            { value: 'month' as const, label: t('alerts.month') },
          ]}
          onChange={(period) => set({ period })}
        />
        {form.period === 'week' && (
          <SelectRow
            label={t('alerts.weekStarts')}
            value={form.weekStarts}
            options={[
              { value: 'monday' as const, label: t('alerts.monday') },
              { value: 'sunday' as const, label: t('alerts.sunday') },
              { value: 'saturday' as const, label: t('alerts.saturday') },
            ]}
            onChange={(weekStarts) => set({ weekStarts })}
          />
        )}
        <TextRow
          label={t('bar.zone')}
          hint={t('alerts.zoneWhy')}
          value={form.timeZone}
          required
          onChange={(timeZone) => set({ timeZone })}
        />
        <TextRow
          label={t('filter.label')}
          hint={t('alerts.filterWhy')}
          value={form.filter}
          placeholder="environment:production"
          onChange={(filter) => set({ filter })}
        />
        <GroupByRow hint={t('alerts.groupByBudgetWhy')} value={form.groupBy} onChange={(groupBy) => set({ groupBy })} />
        <TextRow
          label={t('alerts.steps')}
          hint={t('alerts.stepsWhy')}
          value={form.steps}
          onChange={(steps) => set({ steps })}
          short
          after="%"
        />
        <TextRow
          label={t('alerts.criticalFrom')}
          short
          numeric
          value={form.criticalFrom}
          onChange={(criticalFrom) => set({ criticalFrom })}
          after="%"
        />
        {!form.groupBy && (
          <>
            <span />
            <label className="checkbox-row">
              <input type="checkbox" checked={form.alertOnForecast} onChange={(event) => set({ alertOnForecast: event.target.checked })} />
              {t('alerts.alertOnForecast')}
            </label>
          </>
        )}
        <CommonFields place={place} project={project} form={form} set={set} />
        <SaveRow end={end} wrong={problem && t(PROBLEM_TEXT[problem as Problem])} />
      </PermittedFields>
    </form>
  );
}
