import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { incidentQuery } from '../../api/alerts';
import { useT } from '../../i18n';
import { useKeys } from '../../keys';
import { ErrorPart, Skeleton } from '../../parts/states';
import { useProject } from '../../project';
import { useTitle } from '../../shell/title';
import { Culprits } from './culprits';
import { IncidentCourse } from './incident-course';
import { Deeds, Heard, IncidentHead, Sentence } from './incident-pane';
import { AlertsNav } from './nav';
import { Story } from './story';
import './alerts.css';

/** One incident: what rang, why, what was done about it, and who was told. */
export default function IncidentPage() {
  const t = useT();
  const project = useProject();
  const navigate = useNavigate();
  const { incident: id } = useParams({ from: '/app/p/$project/alerts/incidents/$incident' });
  const { data, error, refetch } = useQuery(incidentQuery(project.id, id));
  useTitle(data ? data.incident.rule_name : t('alerts.incident'));
  const params = { project: String(project.id) };
  useKeys({ Escape: () => void navigate({ to: '/p/$project/alerts/incidents', params }) });
  return (
    <>
      <AlertsNav />
      {error && !data && (
        <div className="sheet pane">
          <ErrorPart error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {!data && !error && (
        <div className="sheet pane">
          <Skeleton rows={8} />
        </div>
      )}
      {data && (
        <div className="al2">
          <div className="all">
            <section className="pane inc">
              <IncidentHead incident={data.incident} />
              <Sentence incident={data.incident} />
              <Deeds project={project.id} incident={data.incident} />
              <IncidentCourse project={project.id} incident={data.incident} />
            </section>
            <section className="pane rl">
              <div className="head">
                <h2>{t('alerts.contributors')}</h2>
                <span className="meta">
                  {t(data.incident.source === 'budget' ? 'alerts.contributorsOfPeriod' : 'alerts.contributorsWhy')}
                </span>
              </div>
              <Culprits incident={data.incident} />
            </section>
          </div>
          <div className="allr">
            <section className="pane">
              <div className="head">
                <h2>{t('alerts.timeline')}</h2>
                <span className="sp" />
                <Link
                  className="more"
                  to={data.incident.source === 'budget' ? '/p/$project/alerts/budgets/$budget' : '/p/$project/alerts/rules/$rule'}
                  params={{ ...params, rule: String(data.incident.rule_id), budget: String(data.incident.rule_id) }}
                >
                  {t(data.incident.source === 'budget' ? 'alerts.openBudget' : 'alerts.openRule')}
                </Link>
              </div>
              <Story project={project.id} incident={data.incident} timeline={data.timeline} />
            </section>
            <section className="pane rl">
              <div className="head">
                <h2>{t('alerts.navDeliveries')}</h2>
              </div>
              <Heard project={project.id} incident={data.incident} />
            </section>
          </div>
        </div>
      )}
    </>
  );
}
