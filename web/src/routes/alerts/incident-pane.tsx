import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { deliveriesPagesQuery, useDeed } from '../../api/alerts';
import type { Incident } from '../../api/types';
import { plain } from '../../format';
import { useT } from '../../i18n';
import { Icon } from '../../components/icons';
import { Menu, MenuChoice } from '../../components/menu';
import { ErrorMessage } from '../../components/states';
import { Chip, UserText } from '../../components/values';
import { PermissionNote, usePermission } from '../../components/permission';
import { useLocale } from '../../locale';
import { timeLengthText } from '../../shell/time-length';
import { Contributors, tracesHref } from './contributors';
import { DeliveryAttempts, DeliveryStateChip } from './deliveries';
import { metricValueText, groupText, metricText, comparisonSign, incidentValueText } from './labels';

/** The title of an incident: what rang, for whom, how bad, since when. */
export function IncidentHead({ incident, linked = false }: { incident: Incident; linked?: boolean }) {
  const t = useT();
  const { format } = useLocale();
  const { group, severity, state, opened_at: opened, resolved_at: resolved } = incident;
  const title = (
    <>
      <UserText text={incident.rule_name} />
      {group && <span className="text-medium"> {groupText(t, group)}</span>}
    </>
  );
  const params = { project: String(incident.project_id), incident: String(incident.id) };
  const Title = linked ? 'h2' : 'h1';
  const linkedTitle = linked ? (
    <Link to="/p/$project/alerts/incidents/$incident" params={params}>
      {title}
    </Link>
  ) : (
    title
  );
  // One that may take more than three lines; others share theirs with the chips.
  const isLong = incident.rule_name.length + (incident.group?.value?.length ?? 0) > 90;
  return (
    <div className="alerts-incident-head">
      <span className={`alerts-bell alerts-bell-${state === 'resolved' ? 'alerts-bell-done' : severity}`}>
        <Icon name="bell" />
      </span>
      <div>
        <Title>
          {isLong ? <span className="line-clamp">{linkedTitle}</span> : linkedTitle} <SeverityChip incident={incident} />{' '}
          <IncidentStateChip incident={incident} />
        </Title>
        <p className="text-dim">
          {resolved === null
            ? t('alerts.firedAgo', { time: format.moment(opened), age: plain(format.age(opened)) })
            : t('alerts.firedUntil', {
                time: format.moment(opened),
                length: plain(format.duration(Math.max(0, Date.parse(resolved) - Date.parse(opened)))),
              })}
        </p>
      </div>
    </div>
  );
}

export function SeverityChip({ incident }: { incident: Incident }) {
  const t = useT();
  const severity = incident.state === 'resolved' ? incident.worst : incident.severity;
  return <Chip tone={severity === 'critical' ? 'bad' : 'warning'}>{t(`alerts.${severity}`)}</Chip>;
}

export function IncidentStateChip({ incident }: { incident: Incident }) {
  const t = useT();
  const { format } = useLocale();
  if (incident.snoozed_until !== null && incident.state !== 'resolved') {
    const until = incident.snoozed_until === 'forever' ? t('alerts.furtherNotice') : format.brief(incident.snoozed_until);
    return <Chip tone="outline">{t('alerts.snoozedTo', { time: until })}</Chip>;
  }
  if (incident.state === 'resolved') return <Chip tone="good">{t('alerts.resolved')}</Chip>;
  if (incident.state === 'acknowledged') return <Chip tone="outline">{t('alerts.acknowledged')}</Chip>;
  return null;
}

/** The figure and its threshold in a sentence, and what the bill will be. */
export function IncidentSummary({ incident }: { incident: Incident }) {
  const t = useT();
  // A budget's day is one of its own calendar, which is said.
  const zone = incident.source === 'budget' ? incident.time_zone : null;
  const { format } = useLocale(zone);
  const { measure, unit, threshold, direction, outlook, peak } = incident;
  const none = t('alerts.noData');
  const measured = metricText(t, measure);
  return (
    <p className="alerts-incident-summary">
      {t('alerts.incidentSummary', {
        measure: measured,
        value: incidentValueText(t, format, incident),
        sign: comparisonSign(direction),
        threshold: metricValueText(format, threshold, unit, none),
        from: format.brief(incident.window_from),
        to: zone ? `${format.brief(incident.window_to)} (${zone})` : format.brief(incident.window_to),
      })}{' '}
      {incident.state === 'resolved' && peak !== null && <>{t('alerts.peak', { value: metricValueText(format, peak, unit, none) })} </>}
      {outlook && incident.state !== 'resolved' && (
        <b>{t('alerts.projectedCost', { cost: format.money(outlook.projected_usd), time: format.brief(outlook.until) })}</b>
      )}
    </p>
  );
}

const SNOOZE_LENGTHS = ['1h', '8h', '1d', '7d'];

export function IncidentActions({ project, incident }: { project: number; incident: Incident }) {
  const t = useT();
  const action = useDeed(project, incident.id);
  const traces = incident.culprits.find(({ link }) => link !== null)?.link;
  const href = traces ? tracesHref(traces) : null;
  const permission = usePermission('post /api/v1/projects/{project}/alerts/incidents/{incident}/acknowledge', project);
  const { isAllowed } = permission;
  if (incident.state === 'resolved' || !isAllowed) {
    const link = href ? (
      <div className="alerts-incident-actions">
        <a className="button" href={href}>
          {t('alerts.openTraces')}
        </a>
      </div>
    ) : null;
    return (
      <>
        {link}
        {!isAllowed && incident.state !== 'resolved' && <PermissionNote permission={permission} />}
      </>
    );
  }
  return (
    <>
      <div className="alerts-incident-actions">
        {incident.state === 'open' && (
          <button
            type="button"
            className="button button-primary"
            disabled={action.isPending}
            onClick={() => action.mutate({ deed: 'acknowledge' })}
          >
            {t('alerts.acknowledge')}
          </button>
        )}
        {href && (
          <a className="button" href={href}>
            {t('alerts.openTraces')}
          </a>
        )}
        <button type="button" className="button" disabled={action.isPending} onClick={() => action.mutate({ deed: 'resolve' })}>
          {t('alerts.resolve')}
        </button>
        {incident.snoozed_until === null ? (
          <Menu
            label={t('alerts.snooze')}
            trigger={
              <button type="button" className="button button-quiet">
                {t('alerts.snooze')}
                <Icon name="down" size="tiny" />
              </button>
            }
          >
            <MenuChoice
              value=""
              options={SNOOZE_LENGTHS.map((length) => ({ value: length, label: timeLengthText(t, length) }))}
              onChange={(length) => action.mutate({ deed: 'snooze', length })}
            />
          </Menu>
        ) : (
          <button type="button" className="button button-quiet" onClick={() => action.mutate({ deed: 'snooze', length: null })}>
            {t('alerts.endSnooze')}
          </button>
        )}
      </div>
      {action.error && <ErrorMessage error={action.error} title={t('common.notDone')} />}
    </>
  );
}

/** Whether the bell was heard. */
export function IncidentDeliveries({ project, incident }: { project: number; incident: Incident }) {
  const t = useT();
  const pages = useInfiniteQuery(deliveriesPagesQuery(project, { incident: incident.id }, 20));
  const deliveries = pages.data?.pages.flatMap((page) => page.deliveries) ?? [];
  if (pages.error && !pages.data) return <ErrorMessage error={pages.error} />;
  if (pages.data && deliveries.length === 0) {
    return (
      <p className="text-dim">
        {t('alerts.nobodyWasNotified')}{' '}
        <Link className="action-link" to="/p/$project/alerts/targets" params={{ project: String(project) }}>
          {t('alerts.navTargets')}
        </Link>
      </p>
    );
  }
  return (
    <ol className="alerts-deliveries">
      {deliveries.map((delivery) => (
        <li key={delivery.id}>
          <UserText className="ellipsis" text={delivery.target_name} />
          <DeliveryStateChip state={delivery.state} />
          <DeliveryAttempts delivery={delivery} />
        </li>
      ))}
    </ol>
  );
}

/** An incident beside the list. */
export function IncidentPane({ project, incident }: { project: number; incident: Incident }) {
  const t = useT();
  return (
    <section className="pane alerts-incident" aria-label={t('alerts.incident')}>
      <IncidentHead incident={incident} linked />
      <IncidentSummary incident={incident} />
      <IncidentActions project={project} incident={incident} />
      <Contributors incident={incident} />
      <div className="section-head alerts-subhead">
        <h3>{t('alerts.navDeliveries')}</h3>
      </div>
      <IncidentDeliveries project={project} incident={incident} />
    </section>
  );
}
