import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { budgetsQuery, incidentChartQuery } from '../../api/alerts';
import type { Incident } from '../../api/types';
import { ChartGroup } from '../../charts';
import { useT } from '../../i18n';
import { BurnDownChart } from './burn-down-chart';
import { axisOf, axisPosition } from './preview-series';
import { ThresholdChart } from './threshold-chart';
import { metricText } from './labels';

/** The figure around the incident with its thresholds; while a budget's period lasts, what is left of it and the forecast. */
export function IncidentMetricChart({ project, incident }: { project: number; incident: Incident }) {
  const budgets = useQuery({ ...budgetsQuery(project), enabled: incident.source === 'budget' });
  if (incident.source === 'budget') {
    const budget = budgets.data?.budgets.find(({ id }) => id === incident.rule_id);
    if (!budgets.data && !budgets.error) return null;
    const isNow = budget?.state && Date.parse(incident.window_from) === Date.parse(budget.state.period_start);
    if (budget && isNow && budget.state?.groups === null) return <BurnDownChart project={project} budget={budget} />;
  }
  return <ThresholdChartOfIncident project={project} incident={incident} />;
}

function ThresholdChartOfIncident({ project, incident }: { project: number; incident: Incident }) {
  const t = useT();
  const { data } = useQuery(incidentChartQuery(project, incident.id));
  const axis = useMemo(() => data && axisOf(data.points, data.from), [data]);
  if (!data || !axis || axis.times.length === 0) return null;
  const firedInterval = {
    from: axisPosition(axis, incident.opened_at),
    to: incident.resolved_at === null ? axis.times.length : axisPosition(axis, incident.resolved_at),
    severity: incident.worst,
  };
  return (
    <ChartGroup times={axis.times} bucketMs={axis.stepMs}>
      <ThresholdChart
        name={metricText(t, incident.measure)}
        unit={incident.unit}
        values={data.points.map(([, value]) => value)}
        levels={data.levels.map(({ severity, value }) => ({ severity: severity ?? 'resolve', value }))}
        firedIntervals={[firedInterval]}
      />
    </ChartGroup>
  );
}
