import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { budgetsQuery, useRemove, useSaveBudget } from '../../api/alerts';
import type { Budget, BudgetDraft } from '../../api/alert-types';
import { useT, type TextKey } from '../../i18n';
import { Said } from '../../parts/values';
import { useProject } from '../../project';
import { useReader } from '../../reader';
import { useTitle } from '../../shell/title';
import { budgetOf, budgetUnit, EMPTY_BUDGET, formOf, SPENDABLE, type BudgetForm, type Problem } from './budget-draft';
import { BudgetFigures, BudgetGroups, DeletedNote, ForecastNote, PeriodText } from './budget-figures';
import { Burn } from './burn';
import { AroundEditor, EditorHead, GroupRow, LastFields, SaveRow, useEditor } from './editor';
import { SelectRow, TextRow } from './fields';
import { TYPED_UNIT } from './rule-draft';
import { measureText } from './words';
import './alerts.css';

const PROBLEMS: Record<Problem, TextKey> = { amount: 'alerts.invalidAmount', steps: 'alerts.invalidSteps', criticalFrom: 'alerts.invalidNumber' };

export default function BudgetPage() {
  const t = useT();
  const project = useProject();
  const { budget: id } = useParams({ from: '/app/p/$project/alerts/budgets/$budget' });
  const { data, error, refetch } = useQuery(budgetsQuery(project.id));
  const budget = data?.budgets.find((one) => String(one.id) === id);
  useTitle(budget?.name ?? t('alerts.newBudget'));
  return (
    <AroundEditor isThere={data ? id === 'new' || budget !== undefined : null} error={error} onRetry={() => void refetch()}>
      {budget && (
        <section className="sheet pane">
          <div className="head">
            <h1>
              <Said text={budget.name} />
            </h1>
            <PeriodText budget={budget} />
          </div>
          <BudgetFigures budget={budget} />
          {budget.state?.groups === null && <Burn project={project.id} budget={budget} />}
          <BudgetGroups budget={budget} most={30} />
          <ForecastNote budget={budget} />
          <DeletedNote project={project.id} budget={budget} />
        </section>
      )}
      <Editor key={id} project={project.id} budget={budget ?? null} />
    </AroundEditor>
  );
}

function Editor({ project, budget }: { project: number; budget: Budget | null }) {
  const t = useT();
  const { zone } = useReader();
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
    <form className="sheet pane pform" onSubmit={submit}>
      <EditorHead title={<Title>{budget ? t('alerts.edit') : t('alerts.newBudget')}</Title>} end={end} />
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
        options={measures.map((measure) => ({ value: measure, label: measureText(t, measure) }))}
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
      <TextRow label={t('bar.zone')} hint={t('alerts.zoneWhy')} value={form.timeZone} required onChange={(timeZone) => set({ timeZone })} />
      <TextRow
        label={t('filter.label')}
        hint={t('alerts.filterWhy')}
        value={form.filter}
        placeholder="environment:production"
        onChange={(filter) => set({ filter })}
      />
      <GroupRow hint={t('alerts.groupByBudgetWhy')} value={form.groupBy} onChange={(groupBy) => set({ groupBy })} />
      <TextRow label={t('alerts.steps')} hint={t('alerts.stepsWhy')} value={form.steps} onChange={(steps) => set({ steps })} short after="%" />
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
          <label className="tick2">
            <input type="checkbox" checked={form.ringOnForecast} onChange={(event) => set({ ringOnForecast: event.target.checked })} />
            {t('alerts.alertOnForecast')}
          </label>
        </>
      )}
      <LastFields place={place} project={project} form={form} set={set} />
      <SaveRow end={end} wrong={problem && t(PROBLEMS[problem as Problem])} />
    </form>
  );
}
