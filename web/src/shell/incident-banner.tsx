import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { openIncidentsQuery } from '../api/alerts';
import { useT } from '../i18n';
import { Icon } from '../components/icons';
import { UserText } from '../components/values';
import { useLocale } from '../locale';

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
export function IncidentBanner({ project }: { project: number }) {
  const t = useT();
  const { format } = useLocale();
  const { worst } = useOpenIncidents(project);
  const unacknowledged = worst.filter(({ state, snoozed_until: snoozed }) => state === 'open' && snoozed === null);
  const first = unacknowledged[0];
  if (!first) return null;
  return (
    <div className={first.severity === 'critical' ? 'banner is-critical' : 'banner'} role="status">
      <Icon name="bell" />
      <b className="ellipsis">
        <UserText text={first.rule_name} />
      </b>
      <span className="ellipsis">
        {first.group?.value && <UserText text={`${first.group.value}, `} />}
        {t('alerts.since', { time: format.brief(first.opened_at) })}
        {unacknowledged.length > 1 && `, ${t('alerts.moreOpenIncidents', { n: unacknowledged.length - 1 })}`}
      </span>
      <span className="spacer" />
      <Link
        className="banner-link"
        to="/p/$project/alerts/incidents/$incident"
        params={{ project: String(project), incident: String(first.id) }}
      >
        {t('alerts.viewIncident')}
        <Icon name="go" size="tiny" />
      </Link>
    </div>
  );
}
