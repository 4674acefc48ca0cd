import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { rulesQuery, useRemove, useSaveRule } from '../../api/alerts';
import type { Rule } from '../../api/alert-types';
import { useT, type TextKey } from '../../i18n';
import { useKeys } from '../../keys';
import { ErrorPart, Skeleton } from '../../parts/states';
import { useProject } from '../../project';
import { NotFound } from '../../shell/not-found';
import { lengthText } from '../../shell/length';
import { useReader } from '../../reader';
import { useTitle } from '../../shell/title';
import { SelectRow, TextRow } from './fields';
import { AlertsNav } from './nav';
import { Preview } from './preview';
import { EMPTY_RULE, formOf, ruleOf, TYPED_UNIT, unitOf, WINDOWS, type Problem, type RuleForm } from './rule-draft';
import { Sure } from './sure';
import { TellingFields } from './telling';
import { MEASURES, measureText } from './words';
import './alerts.css';

const GROUPS = ['', 'user', 'model', 'pipeline', 'agent', 'tool', 'environment', 'release', 'provider'];

const PROBLEMS: Record<Problem, TextKey> = {
  warning: 'alerts.badNumber',
  critical: 'alerts.badNumber',
  resolve: 'alerts.badNumber',
  atLeast: 'alerts.badCount',
  thresholds: 'alerts.badThresholds',
};

export default function RulePage() {
  const t = useT();
  const project = useProject();
  const { rule: id } = useParams({ from: '/app/p/$project/alerts/rules/$rule' });
  const { data, error, refetch } = useQuery({ ...rulesQuery(project.id), refetchInterval: false });
  const rule = data?.rules.find((one) => String(one.id) === id);
  useTitle(rule?.name ?? t('alerts.newRule'));
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
      {data && id !== 'new' && !rule && <NotFound />}
      {data && (id === 'new' || rule) && <Editor key={id} project={project.id} rule={rule ?? null} />}
    </>
  );
}

function Editor({ project, rule }: { project: number; rule: Rule | null }) {
  const t = useT();
  const navigate = useNavigate();
  const { zone } = useReader();
  const save = useSaveRule(project);
  const remove = useRemove(project, 'rules');
  const [form, setForm] = useState<RuleForm>(() => (rule ? formOf(rule) : { ...EMPTY_RULE, timeZone: zone }));
  const [tried, setTried] = useState(false);
  const draft = ruleOf(form, rule ?? undefined);
  const problem = typeof draft === 'string' ? draft : null;
  const unit = TYPED_UNIT[unitOf(form.measure, form.compare)];
  const set = (patch: Partial<RuleForm>) => {
    setForm({ ...form, ...patch });
    save.reset();
  };
  const back = () => void navigate({ to: '/p/$project/alerts', params: { project: String(project) } });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (typeof draft !== 'string') save.mutate({ id: rule?.id ?? null, draft }, { onSuccess: back });
  };
  const threshold = (field: 'warning' | 'critical' | 'resolve', label: TextKey, hint?: TextKey) => (
    <TextRow
      label={t(label)}
      hint={problem === field ? <span className="err">{t('alerts.badNumber')}</span> : hint && t(hint)}
      short
      numeric
      value={form[field]}
      onChange={(value) => set({ [field]: value })}
      after={unit}
    />
  );
  const measures = Object.keys(MEASURES).includes(form.measure) ? Object.keys(MEASURES) : [...Object.keys(MEASURES), form.measure];
  const groups = GROUPS.includes(form.groupBy) ? GROUPS : [...GROUPS, form.groupBy];
  const windows = WINDOWS.includes(form.window) ? WINDOWS : [...WINDOWS, form.window];
  return (
    <div className="al2 edit">
      <form className="pane pform all" onSubmit={submit}>
        <div className="head">
          <h1>{rule ? rule.name : t('alerts.newRule')}</h1>
          <span className="sp" />
          {rule && (
            <Sure label={t('settings.removeKey')} disabled={remove.isPending} onSure={() => remove.mutate(rule.id, { onSuccess: back })} />
          )}
        </div>
        <TextRow
          label={t('alerts.name')}
          value={form.name}
          required
          placeholder={t('alerts.ruleNamePlace')}
          onChange={(name) => set({ name })}
        />
        <SelectRow
          label={t('alerts.measures')}
          value={form.measure}
          options={measures.map((measure) => ({ value: measure, label: measureText(t, measure) }))}
          onChange={(measure) => set({ measure })}
        />
        {form.measure === 'score' && <TextRow label={t('alerts.which')} value={form.score} required onChange={(score) => set({ score })} />}
        <TextRow
          label={t('filter.label')}
          hint={t('alerts.filterWhy')}
          value={form.filter}
          placeholder="model:gpt-4o environment:production"
          onChange={(filter) => set({ filter })}
        />
        <SelectRow
          label={t('alerts.each')}
          hint={t('alerts.eachWhy')}
          value={form.groupBy}
          options={groups.map((group) => ({ value: group, label: group || t('alerts.whole') }))}
          onChange={(groupBy) => set({ groupBy })}
        />
        <SelectRow
          label={t('alerts.window')}
          value={form.window}
          options={windows.map((length) => ({ value: length, label: lengthText(t, length) }))}
          onChange={(window) => set({ window })}
        />
        <SelectRow
          label={t('alerts.compare')}
          value={form.compare}
          options={[
            { value: '' as const, label: t('alerts.compareNone') },
            { value: 'previous' as const, label: t('alerts.comparePrevious') },
            { value: 'last_week' as const, label: t('alerts.compareWeek') },
          ]}
          onChange={(compare) => set({ compare })}
        />
        <SelectRow
          label={t('alerts.ringsWhen')}
          value={form.direction}
          options={[
            { value: 'above' as const, label: t('alerts.above') },
            { value: 'below' as const, label: t('alerts.below') },
          ]}
          onChange={(direction) => set({ direction })}
        />
        {threshold('warning', 'alerts.warningAt')}
        {threshold('critical', 'alerts.criticalAt')}
        {threshold('resolve', 'alerts.resolveAt', 'alerts.resolveWhy')}
        <TextRow
          label={t('alerts.atLeast')}
          hint={problem === 'atLeast' ? <span className="err">{t('alerts.badCount')}</span> : t('alerts.atLeastWhy')}
          short
          numeric
          value={form.atLeast}
          onChange={(atLeast) => set({ atLeast })}
        />
        <SelectRow
          label={t('alerts.noDataIs')}
          value={form.noData}
          options={[
            { value: '' as const, label: t('alerts.noDataDefault') },
            { value: 'keep' as const, label: t('alerts.noDataKeep') },
            { value: 'ring' as const, label: t('alerts.noDataRing') },
            { value: 'resolve' as const, label: t('alerts.noDataResolve') },
          ]}
          onChange={(noData) => set({ noData })}
        />
        <TellingFields project={project} form={form.telling} set={(telling) => set({ telling })} />
        <TextRow label={t('alerts.owner')} value={form.owner} onChange={(owner) => set({ owner })} />
        <TextRow label={t('bar.zone')} value={form.timeZone} placeholder="UTC" onChange={(timeZone) => set({ timeZone })} />
        <span />
        <div>
          <label className="tick2">
            <input type="checkbox" checked={form.enabled} onChange={(event) => set({ enabled: event.target.checked })} />
            {t('alerts.enabled')}
          </label>
          <p>{t('alerts.enabledWhy')}</p>
        </div>
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
      <div className="allr">
        <Preview project={project} draft={typeof draft === 'string' ? null : draft} />
      </div>
    </div>
  );
}
