import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { triedQuery } from '../../api/alerts';
import type { RuleDraft } from '../../api/types';
import { ChartGroup } from '../../charts';
import { useT } from '../../i18n';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Timestamp, NumberWithUnit, UserText } from '../../components/values';
import { useLocale } from '../../locale';
import { previewSeriesOf } from './preview-series';
import { ThresholdChart, type Threshold } from './threshold-chart';
import { unitOf } from './rule-draft';
import { metricValue, METRIC_FACTS, metricText } from './labels';

const DAYS = 14;
/** While somebody types, what was asked last stays. */
const PAUSE_MS = 600;

/** What a rule would have done over the last days. */
export function RulePreview({ project, draft }: { project: number; draft: RuleDraft | null }) {
  const t = useT();
  const rule = useDebounced(draft);
  const isWhole = draft !== null && !METRIC_FACTS[draft.measure].of_spans;
  return (
    <section className="pane alerts-preview" aria-label={t('alerts.preview')}>
      <div className="section-head">
        <h2>{t('alerts.preview')}</h2>
      </div>
      {rule && !isWhole && <PreviewResult project={project} rule={rule} />}
      {(!rule || isWhole) && <p className="text-dim">{t(isWhole ? 'alerts.previewUnavailable' : 'alerts.previewNeeds')}</p>}
    </section>
  );
}

/** The rule as it was when nobody had typed for a moment; its name and whom it tells change nothing of its past. */
function useDebounced(draft: RuleDraft | null): RuleDraft | null {
  const asked = draft && JSON.stringify({ ...draft, name: 'preview', enabled: true, notify: undefined, owner: undefined });
  const [debounced, setDebounced] = useState(asked);
  useEffect(() => {
    const pause = window.setTimeout(() => setDebounced(asked), PAUSE_MS);
    return () => window.clearTimeout(pause);
  }, [asked]);
  return useMemo(() => (debounced === null ? null : (JSON.parse(debounced) as RuleDraft)), [debounced]);
}

export const thresholdsOf = (rule: RuleDraft): Threshold[] => [
  ...(rule.warning === undefined || rule.warning === null ? [] : [{ value: rule.warning, severity: 'warning' as const }]),
  ...(rule.critical === undefined || rule.critical === null ? [] : [{ value: rule.critical, severity: 'critical' as const }]),
  ...(rule.resolve === undefined || rule.resolve === null ? [] : [{ value: rule.resolve, severity: 'resolve' as const }]),
];

function PreviewResult({ project, rule }: { project: number; rule: RuleDraft }) {
  const t = useT();
  const { format } = useLocale();
  const { data, error, refetch, isPlaceholderData } = useQuery(triedQuery(project, rule, `${DAYS}d`));
  const course = useMemo(() => (data ? previewSeriesOf(data) : null), [data]);
  const unit = unitOf(rule.measure, rule.compare ?? '');
  if (error) return <ErrorMessage error={error} onRetry={() => void refetch()} />;
  if (!data || !course) return <Skeleton rows={1} height={200} />;
  return (
    <div className={isPlaceholderData ? 'is-stale' : undefined} aria-busy={isPlaceholderData || undefined}>
      <p className="alerts-preview-result" role="status">
        <b>{data.fired === 0 ? t('alerts.wouldNotHaveFired') : t('alerts.wouldHaveFired', { n: data.fired })}</b>{' '}
        <span className="text-dim">{t('alerts.inDays', { n: DAYS })}</span>
      </p>
      <ChartGroup times={course.times} bucketMs={course.stepMs}>
        <ThresholdChart
          name={metricText(t, rule.measure)}
          unit={unit}
          values={course.values}
          levels={thresholdsOf(rule)}
          firedIntervals={course.firedIntervals}
          height={220}
        />
      </ChartGroup>
      <ol className="alerts-preview-list">
        {data.incidents
          .slice(-8)
          .toReversed()
          .map(({ opened_at: opened, severity, peak, group }) => (
            <li key={`${opened} ${group?.value}`}>
              <Timestamp at={opened} />{' '}
              <span className={severity === 'critical' ? 'text-error' : 'text-warning'}>{t(`alerts.${severity}`)}</span>{' '}
              {peak !== null && <NumberWithUnit v={metricValue(format, peak, unit)} />}{' '}
              {group && <UserText className="text-dim" text={group.value ?? t('common.unknown')} />}
            </li>
          ))}
      </ol>
    </div>
  );
}
