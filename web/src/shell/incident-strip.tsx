import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { openIncidentsQuery } from '../api/alerts';
import { useT } from '../i18n';
import { Icon } from '../parts/icons';
import { Said } from '../parts/values';
import { useReader } from '../reader';

/** What is open in a project; none while that is not known. */
export function useOpenIncidents(project: number | null) {
  const { data } = useQuery({ ...openIncidentsQuery(project ?? 0), enabled: project !== null });
  const worst = useMemo(
    () => (data?.incidents ?? []).toSorted((a, b) => Number(b.severity === 'critical') - Number(a.severity === 'critical')),
    [data],
  );
  return { count: data?.open ?? 0, worst };
}

/** Says on every page what burns and nobody has acknowledged. */
export function IncidentStrip({ project }: { project: number }) {
  const t = useT();
  const { format } = useReader();
  const { worst } = useOpenIncidents(project);
  const unheard = worst.filter(({ state, snoozed_until: snoozed }) => state === 'open' && snoozed === null);
  const first = unheard[0];
  if (!first) return null;
  return (
    <div className={first.severity === 'critical' ? 'strip crit' : 'strip'} role="status">
      <Icon name="bell" />
      <b className="ell">
        <Said text={first.rule_name} />
      </b>
      <span className="ell">
        {first.group?.value && <Said text={`${first.group.value}, `} />}
        {t('alerts.since', { time: format.brief(first.opened_at) })}
        {unheard.length > 1 && `, ${t('alerts.moreOpenIncidents', { n: unheard.length - 1 })}`}
      </span>
      <span className="sp" />
      <Link className="go" to="/p/$project/alerts/incidents/$incident" params={{ project: String(project), incident: String(first.id) }}>
        {t('alerts.viewIncident')}
        <Icon name="go" size="xs" />
      </Link>
    </div>
  );
}
