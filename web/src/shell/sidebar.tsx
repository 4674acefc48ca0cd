import { Link } from '@tanstack/react-router';
import type { Project } from '../api/types';
import { useT } from '../i18n';
import { Icon, Logo } from '../components/icons';
import { Permitted } from '../components/permission';
import { useOpenIncidents } from './incident-banner';

const activeLink = { className: 'is-selected', 'aria-current': 'page' as const };

/** Only what exists. */
export function Sidebar({ project }: { project: Project | null }) {
  const t = useT();
  const params = { project: String(project?.id ?? '') };
  const { count } = useOpenIncidents(project?.id ?? null);
  return (
    <nav className="sidebar" aria-label={t('nav.main')}>
      <Link className="sidebar-logo" to="/" activeProps={{}} aria-label="Hinomi">
        <Logo />
        <span>Hinomi</span>
      </Link>
      {project && (
        <>
          <Link
            to="/p/$project"
            params={params}
            activeOptions={{ exact: true, includeSearch: false }}
            activeProps={activeLink}
            title={t('nav.overview')}
          >
            <Icon name="overview" />
            <span>{t('nav.overview')}</span>
          </Link>
          <Link
            to="/p/$project/traces"
            params={params}
            activeOptions={{ includeSearch: false }}
            activeProps={activeLink}
            title={t('nav.traces')}
          >
            <Icon name="traces" />
            <span>{t('nav.traces')}</span>
          </Link>
          <Link
            to="/p/$project/issues"
            params={params}
            activeOptions={{ includeSearch: false }}
            activeProps={activeLink}
            title={t('nav.issues')}
          >
            <Icon name="issues" />
            <span>{t('nav.issues')}</span>
          </Link>
          <Link
            to="/p/$project/logs"
            params={params}
            activeOptions={{ includeSearch: false }}
            activeProps={activeLink}
            title={t('nav.logs')}
          >
            <Icon name="logs" />
            <span>{t('nav.logs')}</span>
          </Link>
          <Link
            to="/p/$project/quality"
            params={params}
            activeOptions={{ includeSearch: false }}
            activeProps={activeLink}
            title={t('nav.quality')}
          >
            <Icon name="thumbUp" />
            <span>{t('nav.quality')}</span>
          </Link>
          <Link
            to="/p/$project/metrics"
            params={params}
            activeOptions={{ includeSearch: false }}
            activeProps={activeLink}
            title={t('nav.metrics')}
          >
            <Icon name="metrics" />
            <span>{t('nav.metrics')}</span>
          </Link>
          <Link
            to="/p/$project/alerts"
            params={params}
            activeOptions={{ includeSearch: false }}
            activeProps={activeLink}
            title={count > 0 ? `${t('nav.alerts')}: ${t('alerts.openCount', { n: count })}` : t('nav.alerts')}
          >
            <Icon name="bell" />
            <span>{t('nav.alerts')}</span>
            {count > 0 && (
              <em className="sidebar-badge">
                {count}
                <i className="visually-hidden"> {t('alerts.openWord')}</i>
              </em>
            )}
          </Link>
          <Link
            to="/p/$project/bill"
            params={params}
            activeOptions={{ includeSearch: false }}
            activeProps={activeLink}
            title={t('nav.bill')}
          >
            <Icon name="bill" />
            <span>{t('nav.bill')}</span>
          </Link>
          <Link
            to="/p/$project/setup"
            params={params}
            activeOptions={{ includeSearch: false }}
            activeProps={activeLink}
            title={t('nav.setup')}
          >
            <Icon name="setup" />
            <span>{t('nav.setup')}</span>
          </Link>
        </>
      )}
      <div className="spacer" />
      <Permitted operation="get /api/v1/system">
        <Link to="/system" activeOptions={{ includeSearch: false }} activeProps={activeLink} title={t('nav.system')}>
          <Icon name="system" />
          <span>{t('nav.system')}</span>
        </Link>
      </Permitted>
      <Permitted operation="get /api/v1/audit">
        <Link to="/audit" activeOptions={{ includeSearch: false }} activeProps={activeLink} title={t('nav.audit')}>
          <Icon name="audit" />
          <span>{t('nav.audit')}</span>
        </Link>
      </Permitted>
      <Link to="/settings" activeOptions={{ includeSearch: false }} activeProps={activeLink} title={t('nav.settings')}>
        <Icon name="settings" />
        <span>{t('nav.settings')}</span>
      </Link>
    </nav>
  );
}
