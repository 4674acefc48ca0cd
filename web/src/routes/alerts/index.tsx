import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { budgetsQuery, incidentsPagesQuery, openIncidentsQuery, rulesQuery } from '../../api/alerts';
import type { Budget } from '../../api/types';
import { useT } from '../../i18n';
import { Icon } from '../../components/icons';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Chip, UserText } from '../../components/values';
import { Permitted, PermittedOrReason, usePermission } from '../../components/permission';
import { useProject } from '../../project';
import { usePageTitle } from '../../shell/page-title';
import { BudgetFigures, BudgetGroups, DeletedNote, ForecastNote, PeriodText } from './budget-figures';
import { BurnDownChart } from './burn-down-chart';
import { IncidentPane } from './incident-pane';
import { IncidentTable } from './incidents';
import { AlertsNav } from './alerts-nav';
import { RuleTable } from './rules';
import './alerts.css';

/** What burns, what is left, what is watched. */
export default function Alerts() {
  const t = useT();
  usePageTitle(t('alerts.title'));
  const project = useProject();
  const rules = useQuery(rulesQuery(project.id));
  const budgets = useQuery(budgetsQuery(project.id));
  const open = useQuery(openIncidentsQuery(project.id));
  const earlier = useInfiniteQuery(incidentsPagesQuery(project.id, 'resolved'));
  const params = { project: String(project.id) };
  const error = rules.error ?? budgets.error ?? open.error;
  const loaded = rules.data && budgets.data && open.data;
  const incidents = open.data?.incidents ?? [];
  // What nobody has acknowledged speaks first, the worst of it before all.
  const urgent = incidents.toSorted(
    (a, b) =>
      Number(a.state !== 'open') - Number(b.state !== 'open') ||
      Number(b.severity === 'critical') - Number(a.severity === 'critical') ||
      b.id - a.id,
  );
  const past = earlier.data?.pages[0]?.incidents ?? [];
  const [first, ...others] = (budgets.data?.budgets ?? []).toSorted(byUrgency);
  const nothing = loaded && rules.data.rules.length === 0 && budgets.data.budgets.length === 0;
  return (
    <>
      <AlertsNav />
      <h1 className="visually-hidden">{t('alerts.title')}</h1>
      {error && !loaded && (
        <div className="sheet pane">
          <ErrorMessage error={error} onRetry={() => void Promise.all([rules.refetch(), budgets.refetch(), open.refetch()])} />
        </div>
      )}
      {!loaded && !error && (
        <div className="sheet pane">
          <Skeleton rows={10} />
        </div>
      )}
      {nothing && <GettingStarted project={params.project} />}
      {loaded && !nothing && (
        <div className={urgent.length > 0 ? 'alerts-layout' : 'alerts-layout is-single'}>
          <div className="alerts-main">
            {first && <BudgetSection project={project.id} budget={first} large />}
            {others.map((budget) => (
              <BudgetSection key={budget.id} project={project.id} budget={budget} />
            ))}
            <section className="pane alerts-section">
              <div className="section-head">
                <h2>{t('alerts.rules')}</h2>
                <span className="section-note">{rules.data.rules.length}</span>
                <span className="spacer" />
                <Permitted operation="post /api/v1/projects/{project}/alerts/budgets" project={project.id}>
                  <Link className="button" to="/p/$project/alerts/budgets/$budget" params={{ ...params, budget: 'new' }}>
                    {t('alerts.newBudget')}
                  </Link>
                </Permitted>
                <Permitted operation="post /api/v1/projects/{project}/alerts/rules" project={project.id}>
                  <Link className="button" to="/p/$project/alerts/rules/$rule" params={{ ...params, rule: 'new' }}>
                    {t('alerts.newRule')}
                  </Link>
                </Permitted>
              </div>
              {rules.data.rules.length > 0 ? (
                <RuleTable project={project.id} rules={rules.data.rules} />
              ) : (
                <p className="text-dim alerts-note">{t('alerts.noRules')}</p>
              )}
            </section>
            <section className="pane alerts-section">
              <div className="section-head">
                <h2>{t('alerts.earlier')}</h2>
                <Link className="section-link" to="/p/$project/alerts/incidents" params={params}>
                  {t('alerts.all')}
                </Link>
              </div>
              {past.length > 0 ? (
                <IncidentTable rows={past.slice(0, 5)} />
              ) : (
                <p className="text-dim alerts-note">{t('alerts.noEarlier')}</p>
              )}
            </section>
          </div>
          {urgent.length > 0 && (
            <div className="alerts-aside">
              {urgent.slice(0, 3).map((incident) => (
                <IncidentPane key={incident.id} project={project.id} incident={incident} />
              ))}
              {urgent.length > 3 && (
                <p className="pane">
                  <Link className="action-link" to="/p/$project/alerts/incidents" params={params} search={{ state: 'open' }}>
                    {t('alerts.moreOpen', { n: (open.data?.open ?? urgent.length) - 3 })}
                  </Link>
                </p>
              )}
            </div>
          )}
        </div>
      )}
    </>
  );
}

/** The one whose amount is nearest to its end stands first; those with groups have no curve and stand behind. */
function byUrgency(a: Budget, b: Budget): number {
  const used = ({ state, amount }: Budget) =>
    state === null ? -1 : state.groups ? -0.5 : (state.forecast?.expected ?? state.spent) / amount;
  return used(b) - used(a) || a.id - b.id;
}

function BudgetSection({ project, budget, large = false }: { project: number; budget: Budget; large?: boolean }) {
  const t = useT();
  const params = { project: String(project), budget: String(budget.id) };
  const canEdit = usePermission('put /api/v1/projects/{project}/alerts/budgets/{id}', project).isAllowed;
  return (
    <section className="pane alerts-section">
      <div className="section-head">
        <h2 className="ellipsis">
          <Link to="/p/$project/alerts/budgets/$budget" params={params}>
            <UserText text={budget.name} />
          </Link>
        </h2>
        {budget.enabled === false && <Chip tone="outline">{t('alerts.disabled')}</Chip>}
        <PeriodText budget={budget} />
        <Link className="section-link" to="/p/$project/alerts/budgets/$budget" params={params}>
          {t(canEdit ? 'alerts.edit' : 'alerts.openBudget')}
        </Link>
      </div>
      <BudgetFigures budget={budget} />
      <NobodyNotified budget={budget} params={params} />
      {large && budget.state?.groups === null && <BurnDownChart project={project} budget={budget} />}
      <BudgetGroups budget={budget} most={5} />
      {large && <ForecastNote budget={budget} />}
      <DeletedNote project={project} budget={budget} />
    </section>
  );
}

/** Says that nobody hears of it, and where that can be changed. */
function NobodyNotified({ budget, params }: { budget: Budget; params: { project: string; budget: string } }) {
  const t = useT();
  if (budget.enabled === false || (budget.notify?.targets ?? []).length > 0) return null;
  return (
    <p className="alerts-note text-warning">
      {t('alerts.nobodyNotified')}{' '}
      <Permitted operation="put /api/v1/projects/{project}/alerts/budgets/{id}" project={Number(params.project)}>
        <Link className="action-link" to="/p/$project/alerts/budgets/$budget" params={params}>
          {t('alerts.selectTarget')}
        </Link>
      </Permitted>
    </p>
  );
}

/** An empty page teaches: what can be done, in the order in which it makes sense. */
function GettingStarted({ project }: { project: string }) {
  const t = useT();
  return (
    <div className="sheet">
      <EmptyState title={t('alerts.noAlerts')}>{t('alerts.noAlertsWhy')}</EmptyState>
      <ol className="alerts-first-steps">
        <li>
          <Icon name="bell" />
          <div>
            <b>{t('alerts.startBudget')}</b>
            <p>{t('alerts.startBudgetWhy')}</p>
            <PermittedOrReason operation="post /api/v1/projects/{project}/alerts/budgets" project={Number(project)}>
              <Link className="button button-primary" to="/p/$project/alerts/budgets/$budget" params={{ project, budget: 'new' }}>
                {t('alerts.newBudget')}
              </Link>
            </PermittedOrReason>
          </div>
        </li>
        <li>
          <Icon name="overview" />
          <div>
            <b>{t('alerts.startRule')}</b>
            <p>{t('alerts.startRuleWhy')}</p>
            <PermittedOrReason operation="post /api/v1/projects/{project}/alerts/rules" project={Number(project)}>
              <Link className="button" to="/p/$project/alerts/rules/$rule" params={{ project, rule: 'new' }}>
                {t('alerts.newRule')}
              </Link>
            </PermittedOrReason>
          </div>
        </li>
        <li>
          <Icon name="chat" />
          <div>
            <b>{t('alerts.startTarget')}</b>
            <p>{t('alerts.startTargetWhy')}</p>
            <PermittedOrReason operation="post /api/v1/projects/{project}/alerts/targets" project={Number(project)}>
              <Link className="button" to="/p/$project/alerts/targets" params={{ project }}>
                {t('alerts.newTarget')}
              </Link>
            </PermittedOrReason>
          </div>
        </li>
      </ol>
    </div>
  );
}
