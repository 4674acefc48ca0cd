import { useQuery } from '@tanstack/react-query';
import { useParams, useSearch } from '@tanstack/react-router';
import { rulesQuery, useRemove, useSaveRule } from '../../api/alerts';
import type { Rule, RuleDraft } from '../../api/types';
import { useT, type TextKey } from '../../i18n';
import { PermittedFields } from '../../components/permission';
import { useProject } from '../../project';
import { useLocale } from '../../locale';
import { timeLengthText } from '../../shell/time-length';
import { usePageTitle } from '../../shell/page-title';
import { EditorPage, EditorHead, GroupByRow, CommonFields, SaveRow, useEditor } from './editor';
import { SelectRow, TextRow } from './form-fields';
import { RulePreview } from './rule-preview';
import { newRuleOf, formOf, ruleOf, TYPED_UNIT, unitOf, WINDOWS, type Problem, type RuleForm } from './rule-draft';
import { METRIC_FACTS, METRICS, metricText } from './labels';
import './alerts.css';

const PROBLEM_TEXT: Record<Problem, TextKey> = {
  warning: 'alerts.invalidNumber',
  critical: 'alerts.invalidNumber',
  resolve: 'alerts.invalidNumber',
  minSamples: 'alerts.invalidCount',
  thresholds: 'alerts.thresholdMissing',
};

export default function RulePage() {
  const t = useT();
  const project = useProject();
  const { rule: id } = useParams({ from: '/app/p/$project/alerts/rules/$rule' });
  const { data, error, refetch } = useQuery({ ...rulesQuery(project.id), refetchInterval: false });
  const rule = data?.rules.find((one) => String(one.id) === id);
  usePageTitle(rule?.name ?? t('alerts.newRule'));
  return (
    <EditorPage isThere={data ? id === 'new' || rule !== undefined : null} error={error} onRetry={() => void refetch()}>
      <RuleEditor key={id} project={project.id} rule={rule ?? null} />
    </EditorPage>
  );
}

function RuleEditor({ project, rule }: { project: number; rule: Rule | null }) {
  const t = useT();
  const { zone } = useLocale();
  const linked = useSearch({ from: '/app/p/$project/alerts/rules/$rule' });
  const { form, draft, problem, place, set, submit, end } = useEditor<RuleForm, RuleDraft>({
    project,
    what: 'rules',
    id: rule?.id ?? null,
    first: () => (rule ? formOf(rule) : { ...newRuleOf(linked), timeZone: zone }),
    read: (typed) => ruleOf(typed, rule ?? undefined),
    save: useSaveRule(project),
    remove: useRemove(project, 'rules'),
  });
  const isWhole = !METRIC_FACTS[form.measure].of_spans;
  const unit = TYPED_UNIT[unitOf(form.measure, isWhole ? '' : form.compare)];
  const threshold = (field: 'warning' | 'critical' | 'resolve', label: TextKey, hint?: TextKey) => (
    <TextRow
      label={t(label)}
      hint={problem === field ? <span className="text-error">{t('alerts.invalidNumber')}</span> : hint && t(hint)}
      short
      numeric
      value={form[field]}
      onChange={(value) => set({ [field]: value })}
      after={unit}
    />
  );
  const windows = WINDOWS.includes(form.window) ? WINDOWS : [...WINDOWS, form.window];
  return (
    <div className="alerts-layout alerts-layout-editor">
      <form className="pane form-grid alerts-main" onSubmit={submit}>
        <EditorHead title={<h1>{rule ? rule.name : t('alerts.newRule')}</h1>} end={end} />
        <PermittedFields operation="put /api/v1/projects/{project}/alerts/rules/{id}" project={project} grid>
          <TextRow
            label={t('alerts.name')}
            value={form.name}
            required
            placeholder={t('alerts.ruleNamePlaceholder')}
            onChange={(name) => set({ name })}
          />
          <SelectRow
            label={t('alerts.metric')}
            value={form.measure}
            options={METRICS.map((measure) => ({ value: measure, label: metricText(t, measure) }))}
            onChange={(measure) => set({ measure })}
          />
          {METRIC_FACTS[form.measure].of_scores && (
            <TextRow label={t('alerts.scoreName')} value={form.score} required onChange={(score) => set({ score })} />
          )}
          {METRIC_FACTS[form.measure].has_filter && (
            <TextRow
              label={t('filter.label')}
              hint={t('alerts.filterWhy')}
              value={form.filter}
              placeholder={isWhole ? 'finding:tool_loop' : 'model:gpt-4o environment:production'}
              onChange={(filter) => set({ filter })}
            />
          )}
          {!isWhole && <GroupByRow hint={t('alerts.groupByWhy')} value={form.groupBy} onChange={(groupBy) => set({ groupBy })} />}
          <SelectRow
            label={t('alerts.window')}
            value={form.window}
            options={windows.map((length) => ({ value: length, label: timeLengthText(t, length) }))}
            onChange={(window) => set({ window })}
          />
          {!isWhole && (
            <SelectRow
              label={t('alerts.compareWith')}
              value={form.compare}
              options={[
                { value: '' as const, label: t('alerts.compareNone') },
                { value: 'previous' as const, label: t('alerts.comparePrevious') },
                { value: 'last_week' as const, label: t('alerts.compareWeek') },
              ]}
              onChange={(compare) => set({ compare })}
            />
          )}
          <SelectRow
            label={t('alerts.firesWhen')}
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
            label={t('alerts.minSamples')}
            hint={problem === 'minSamples' ? <span className="text-error">{t('alerts.invalidCount')}</span> : t('alerts.minSamplesWhy')}
            short
            numeric
            value={form.minSamples}
            onChange={(minSamples) => set({ minSamples })}
          />
          <SelectRow
            label={t('alerts.noDataIs')}
            value={form.noData}
            options={[
              { value: '' as const, label: t('alerts.noDataDefault') },
              { value: 'keep' as const, label: t('alerts.noDataKeep') },
              { value: 'alert' as const, label: t('alerts.noDataAlert') },
              { value: 'resolve' as const, label: t('alerts.noDataResolve') },
            ]}
            onChange={(noData) => set({ noData })}
          />
          <CommonFields
            place={place}
            project={project}
            form={form}
            set={set}
            why={t('alerts.enabledWhy')}
            zone={<TextRow label={t('bar.zone')} value={form.timeZone} placeholder="UTC" onChange={(timeZone) => set({ timeZone })} />}
          />
          <SaveRow end={end} wrong={problem && t(PROBLEM_TEXT[problem as Problem])} />
        </PermittedFields>
      </form>
      <div className="alerts-aside">
        <RulePreview project={project} draft={draft} />
      </div>
    </div>
  );
}
