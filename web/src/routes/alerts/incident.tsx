import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { incidentQuery } from '../../api/alerts';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { ErrorMessage, Skeleton } from '../../components/states';
import { useProject } from '../../project';
import { usePageTitle } from '../../shell/page-title';
import { Contributors } from './contributors';
import { IncidentMetricChart } from './incident-chart';
import { IncidentActions, IncidentDeliveries, IncidentHead, IncidentSummary } from './incident-pane';
import { AlertsNav } from './alerts-nav';
import { IncidentTimeline } from './timeline';
import './alerts.css';

/** One incident: what rang, why, what was done about it, and who was told. */
export default function IncidentPage() {
  const t = useT();
  const project = useProject();
  const navigate = useNavigate();
  const { incident: id } = useParams({ from: '/app/p/$project/alerts/incidents/$incident' });
  const { data, error, refetch } = useQuery(incidentQuery(project.id, id));
  usePageTitle(data ? data.incident.rule_name : t('alerts.incident'));
  const params = { project: String(project.id) };
  useKeyboardShortcuts({ Escape: () => void navigate({ to: '/p/$project/alerts/incidents', params }) });
  return (
    <>
      <AlertsNav />
      {error && !data && (
        <div className="sheet pane">
          <ErrorMessage error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {!data && !error && (
        <div className="sheet pane">
          <Skeleton rows={8} />
        </div>
      )}
      {data && (
        <div className="alerts-layout">
          <div className="alerts-main">
            <section className="pane alerts-incident">
              <IncidentHead incident={data.incident} />
              <IncidentSummary incident={data.incident} />
              <IncidentActions project={project.id} incident={data.incident} />
              <IncidentMetricChart project={project.id} incident={data.incident} />
            </section>
            <section className="pane alerts-section">
              <div className="section-head">
                <h2>{t('alerts.contributors')}</h2>
                <span className="section-note">
                  {t(data.incident.source === 'budget' ? 'alerts.contributorsOfPeriod' : 'alerts.contributorsWhy')}
                </span>
              </div>
              <Contributors incident={data.incident} />
            </section>
          </div>
          <div className="alerts-aside">
            <section className="pane">
              <div className="section-head">
                <h2>{t('alerts.timeline')}</h2>
                <span className="spacer" />
                <Link
                  className="section-link"
                  to={data.incident.source === 'budget' ? '/p/$project/alerts/budgets/$budget' : '/p/$project/alerts/rules/$rule'}
                  params={{ ...params, rule: String(data.incident.rule_id), budget: String(data.incident.rule_id) }}
                >
                  {t(data.incident.source === 'budget' ? 'alerts.openBudget' : 'alerts.openRule')}
                </Link>
              </div>
              <IncidentTimeline project={project.id} incident={data.incident} timeline={data.timeline} />
            </section>
            <section className="pane alerts-section">
              <div className="section-head">
                <h2>{t('alerts.navDeliveries')}</h2>
              </div>
              <IncidentDeliveries project={project.id} incident={data.incident} />
            </section>
          </div>
        </div>
      )}
    </>
  );
}
