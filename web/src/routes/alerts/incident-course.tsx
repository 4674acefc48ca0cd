import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { budgetsQuery, draftOf, rulesQuery, triedQuery } from '../../api/alerts';
import type { Incident, Rule, RuleDraft } from '../../api/alert-types';
import { ChartGroup } from '../../charts';
import { useT } from '../../i18n';
import { both, only } from '../../query';
import { Burn } from './burn';
import { courseOf } from './course';
import { LevelChart } from './level-chart';
import { levelsOf } from './preview';
import { measureText } from './words';

/** The figure around the incident, with its thresholds: of a budget what is left of it, of a rule its window. */
export function IncidentCourse({ project, incident }: { project: number; incident: Incident }) {
  const rules = useQuery({ ...rulesQuery(project), enabled: incident.source === 'rule' });
  const budgets = useQuery({ ...budgetsQuery(project), enabled: incident.source === 'budget' });
  if (incident.source === 'budget') {
    const budget = budgets.data?.budgets.find(({ id }) => id === incident.rule_id);
    const same = budget?.state && Date.parse(incident.window_to) > Date.parse(budget.state.period_start);
    return budget?.state && same && budget.state.groups === null ? <Burn project={project} budget={budget} /> : null;
  }
  const rule = rules.data?.rules.find(({ id }) => id === incident.rule_id);
  return rule ? <RuleCourse project={project} rule={rule} incident={incident} /> : null;
}

function RuleCourse({ project, rule, incident }: { project: number; rule: Rule; incident: Incident }) {
  const t = useT();
  const { group } = incident;
  // Of a grouped rule the course of this group alone.
  const whole = useMemo((): RuleDraft => {
    const { group_by: _all, ...draft } = draftOf(rule);
    const filter = both(rule.filter, group ? only(group.name.replace(/^tag:/, 'tag.'), group.value) : undefined);
    return { ...draft, ...(filter && { filter }) };
  }, [rule, group]);
  const { data } = useQuery(triedQuery(project, whole, '7d'));
  const course = useMemo(() => (data ? courseOf(data) : null), [data]);
  if (!course || course.times.length === 0) return null;
  const { times, stepMs } = course;
  const place = (at: string) => Math.max(0, Math.min(times.length, (Date.parse(at) - (times[0] ?? 0)) / stepMs));
  const ring = {
    from: place(incident.opened_at),
    to: incident.resolved_at === null ? times.length : place(incident.resolved_at),
    severity: incident.worst,
  };
  return (
    <ChartGroup times={times} bucketMs={stepMs}>
      <LevelChart
        name={measureText(t, incident.measure)}
        unit={incident.unit}
        values={course.values}
        levels={levelsOf(rule)}
        rings={[ring]}
      />
    </ChartGroup>
  );
}
