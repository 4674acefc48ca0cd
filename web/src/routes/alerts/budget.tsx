import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { budgetsQuery, useRemove, useSaveBudget } from '../../api/alerts';
import type { Budget } from '../../api/alert-types';
import { useT, type TextKey } from '../../i18n';
import { useKeys } from '../../keys';
import { ErrorPart, Skeleton } from '../../parts/states';
import { Said } from '../../parts/values';
import { useProject } from '../../project';
import { useReader } from '../../reader';
import { NotFound } from '../../shell/not-found';
import { useTitle } from '../../shell/title';
import { budgetOf, budgetUnit, EMPTY_BUDGET, formOf, SPENDABLE, type BudgetForm, type Problem } from './budget-draft';
import { BudgetFigures, BudgetGroups, ForecastNote, PeriodText } from './budget-figures';
import { Burn } from './burn';
import { SelectRow, TextRow } from './fields';
import { AlertsNav } from './nav';
import { TYPED_UNIT } from './rule-draft';
import { Sure } from './sure';
import { TellingFields } from './telling';
import { measureText } from './words';
import './alerts.css';

const GROUPS = ['', 'user', 'model', 'pipeline', 'agent', 'environment'];
const PROBLEMS: Record<Problem, TextKey> = { amount: 'alerts.badAmount', steps: 'alerts.badSteps', criticalFrom: 'alerts.badNumber' };

export default function BudgetPage() {
  const t = useT();
  const project = useProject();
  const { budget: id } = useParams({ from: '/app/p/$project/alerts/budgets/$budget' });
  const { data, error, refetch } = useQuery(budgetsQuery(project.id));
  const budget = data?.budgets.find((one) => String(one.id) === id);
  useTitle(budget?.name ?? t('alerts.newBudget'));
  const navigate = useNavigate();
  useKeys({ Escape: () => void navigate({ to: '/p/$project/alerts', params: { project: String(project.id) } }) });
  return (
    <>
      <AlertsNav />
      {error && !data && (
        <div className="sheet pane">
          <ErrorPart error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {!data && !error && (
        <div className="sheet pane">
          <Skeleton rows={10} />
        </div>
      )}
      {data && id !== 'new' && !budget && <NotFound />}
      {data && budget && (
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
        </section>
      )}
      {data && (id === 'new' || budget) && <Editor key={id} project={project.id} budget={budget ?? null} />}
    </>
  );
}

function Editor({ project, budget }: { project: number; budget: Budget | null }) {
  const t = useT();
  const navigate = useNavigate();
  const { zone } = useReader();
  const save = useSaveBudget(project);
  const remove = useRemove(project, 'budgets');
  const [form, setForm] = useState<BudgetForm>(() => (budget ? formOf(budget) : { ...EMPTY_BUDGET, timeZone: zone }));
  const [tried, setTried] = useState(false);
  const draft = budgetOf(form, budget ?? undefined);
  const problem = typeof draft === 'string' ? draft : null;
  const set = (patch: Partial<BudgetForm>) => {
    setForm({ ...form, ...patch });
    save.reset();
  };
  const back = () => void navigate({ to: '/p/$project/alerts', params: { project: String(project) } });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (typeof draft !== 'string') save.mutate({ id: budget?.id ?? null, draft }, { onSuccess: back });
  };
  const measures = SPENDABLE.includes(form.measure) ? SPENDABLE : [...SPENDABLE, form.measure];
  const groups = GROUPS.includes(form.groupBy) ? GROUPS : [...GROUPS, form.groupBy];
  const Title = budget ? 'h2' : 'h1';
  return (
    <form className="sheet pane pform" onSubmit={submit}>
      <div className="head">
        <Title>{budget ? t('alerts.edit') : t('alerts.newBudget')}</Title>
        <span className="sp" />
        {budget && (
          <Sure label={t('settings.removeKey')} disabled={remove.isPending} onSure={() => remove.mutate(budget.id, { onSuccess: back })} />
        )}
      </div>
      <TextRow
        label={t('alerts.name')}
        value={form.name}
        required
        placeholder={t('alerts.budgetNamePlace')}
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
        label={t('alerts.measures')}
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
      <SelectRow
        label={t('alerts.each')}
        hint={t('alerts.eachBudgetWhy')}
        value={form.groupBy}
        options={groups.map((group) => ({ value: group, label: group || t('alerts.whole') }))}
        onChange={(groupBy) => set({ groupBy })}
      />
      <TextRow label={t('alerts.steps')} hint={t('alerts.stepsWhy')} value={form.steps} onChange={(steps) => set({ steps })} after="%" />
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
            {t('alerts.ringOnForecast')}
          </label>
        </>
      )}
      <TellingFields project={project} form={form.telling} set={(telling) => set({ telling })} />
      <TextRow label={t('alerts.owner')} value={form.owner} onChange={(owner) => set({ owner })} />
      <span />
      <label className="tick2">
        <input type="checkbox" checked={form.enabled} onChange={(event) => set({ enabled: event.target.checked })} />
        {t('alerts.enabled')}
      </label>
      <span />
      <div className="saverow">
        <button type="submit" className="btn pri" disabled={save.isPending}>
          {t('common.save')}
        </button>
        <Link className="btn quiet" to="/p/$project/alerts" params={{ project: String(project) }}>
          {t('common.cancel')}
        </Link>
        <span role="status" className="err">
          {tried && problem ? t(PROBLEMS[problem]) : ''}
        </span>
      </div>
      {(save.error ?? remove.error) && (
        <div className="whole">
          <ErrorPart error={save.error ?? remove.error} />
        </div>
      )}
    </form>
  );
}
