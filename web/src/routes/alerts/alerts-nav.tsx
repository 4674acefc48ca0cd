import { Link } from '@tanstack/react-router';
import { useT } from '../../i18n';
import { useProject } from '../../project';
import { TopBarSlot } from '../../shell/top-bar-slots';

const activeLink = { className: 'is-selected', 'aria-current': 'page' as const };

/** The pages of alerts, one line below the bar. */
export function AlertsNav() {
  const t = useT();
  const params = { project: String(useProject().id) };
  const options = { includeSearch: false };
  return (
    <>
      <TopBarSlot side="left">
        <span className="breadcrumb-slash">/</span>
        <Link className="picker" to="/p/$project/alerts" params={params}>
          {t('alerts.title')}
        </Link>
      </TopBarSlot>
      <nav className="page-nav alerts-nav" aria-label={t('alerts.title')}>
        <Link to="/p/$project/alerts" params={params} activeOptions={{ ...options, exact: true }} activeProps={activeLink}>
          {t('alerts.navNow')}
        </Link>
        <Link to="/p/$project/alerts/incidents" params={params} activeOptions={options} activeProps={activeLink}>
          {t('alerts.navIncidents')}
        </Link>
        <Link to="/p/$project/alerts/deliveries" params={params} activeOptions={options} activeProps={activeLink}>
          {t('alerts.navDeliveries')}
        </Link>
        <Link to="/p/$project/alerts/targets" params={params} activeOptions={options} activeProps={activeLink}>
          {t('alerts.navTargets')}
        </Link>
      </nav>
    </>
  );
}
