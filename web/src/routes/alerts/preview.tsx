import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { triedQuery } from '../../api/alerts';
import type { RuleDraft } from '../../api/alert-types';
import { ChartGroup } from '../../charts';
import { useT } from '../../i18n';
import { ErrorPart, Skeleton } from '../../parts/states';
import { Moment, Num, Said } from '../../parts/values';
import { useReader } from '../../reader';
import { courseOf } from './course';
import { LevelChart, type Level } from './level-chart';
import { unitOf } from './rule-draft';
import { figure, MEASURES, measureText } from './words';

const DAYS = 14;
/** While somebody types, what was asked last stays. */
const PAUSE_MS = 600;

/** What a rule would have done over the last days. */
export function Preview({ project, draft }: { project: number; draft: RuleDraft | null }) {
  const t = useT();
  const rule = useCalm(draft);
  const isWhole = draft !== null && MEASURES[draft.measure]?.whole === true;
  return (
    <section className="pane preview" aria-label={t('alerts.preview')}>
      <div className="head">
        <h2>{t('alerts.preview')}</h2>
      </div>
      {rule && !isWhole && <Past project={project} rule={rule} />}
      {(!rule || isWhole) && <p className="dim">{t(isWhole ? 'alerts.previewUnavailable' : 'alerts.previewNeeds')}</p>}
    </section>
  );
}

/** The rule as it was when nobody had typed for a moment; its name and whom it tells change nothing of its past. */
function useCalm(draft: RuleDraft | null): RuleDraft | null {
  const asked = draft && JSON.stringify({ ...draft, name: 'preview', enabled: true, notify: undefined, owner: undefined });
  const [calm, setCalm] = useState(asked);
  useEffect(() => {
    const pause = window.setTimeout(() => setCalm(asked), PAUSE_MS);
    return () => window.clearTimeout(pause);
  }, [asked]);
  return useMemo(() => (calm === null ? null : (JSON.parse(calm) as RuleDraft)), [calm]);
}

export const levelsOf = (rule: RuleDraft): Level[] => [
  ...(rule.warning === undefined ? [] : [{ value: rule.warning, severity: 'warning' as const }]),
  ...(rule.critical === undefined ? [] : [{ value: rule.critical, severity: 'critical' as const }]),
  ...(rule.resolve === undefined ? [] : [{ value: rule.resolve, severity: 'resolve' as const }]),
];

function Past({ project, rule }: { project: number; rule: RuleDraft }) {
  const t = useT();
  const { format } = useReader();
  const { data, error, refetch, isPlaceholderData } = useQuery(triedQuery(project, rule, `${DAYS}d`));
  const course = useMemo(() => (data ? courseOf(data) : null), [data]);
  const unit = unitOf(rule.measure, rule.compare ?? '');
  if (error) return <ErrorPart error={error} onRetry={() => void refetch()} />;
  if (!data || !course) return <Skeleton rows={1} height={200} />;
  return (
    <div className={isPlaceholderData ? 'stale' : undefined}>
      <p className="would" role="status">
        <b>{data.rang === 0 ? t('alerts.wouldNotHaveFired') : t('alerts.wouldHaveFired', { n: data.rang })}</b>{' '}
        <span className="dim">{t('alerts.inDays', { n: DAYS })}</span>
      </p>
      <ChartGroup times={course.times} bucketMs={course.stepMs}>
        <LevelChart
          name={measureText(t, rule.measure)}
          unit={unit}
          values={course.values}
          levels={levelsOf(rule)}
          rings={course.rings}
          height={220}
        />
      </ChartGroup>
      <ol className="wouldlist">
        {data.incidents
          .slice(-8)
          .toReversed()
          .map(({ opened_at: opened, severity, peak, group }) => (
            <li key={`${opened} ${group?.value}`}>
              <Moment at={opened} /> <span className={severity === 'critical' ? 'err' : 'wrn'}>{t(`alerts.${severity}`)}</span>{' '}
              {peak !== null && <Num v={figure(format, peak, unit)} />}{' '}
              {group && <Said className="dim" text={group.value ?? t('common.unknown')} />}
            </li>
          ))}
      </ol>
    </div>
  );
}
