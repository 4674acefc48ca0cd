import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { deliveriesPagesQuery, channelsQuery } from '../../api/alerts';
import type { Delivery, DeliveryState } from '../../api/types';
import { plain } from '../../format';
import { useT } from '../../i18n';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Chip, Timestamp, UserText } from '../../components/values';
import { useProject } from '../../project';
import { useLocale } from '../../locale';
import { usePageTitle } from '../../shell/page-title';
import { AlertsNav } from './alerts-nav';
import { AttemptOutcome } from './attempt-outcome';
import { groupText, CHANNEL_TEXT, NOTIFICATION_TEXT, DELIVERY_STATE_TEXT } from './labels';
import './alerts.css';

const STATE_FILTERS: DeliveryState[] = ['delivered', 'waiting', 'failed', 'folded', 'cancelled'];

export default function Deliveries() {
  const t = useT();
  usePageTitle(t('alerts.navDeliveries'));
  const project = useProject();
  const navigate = useNavigate();
  const { state, target } = useSearch({ from: '/app/p/$project/alerts/deliveries' });
  const asked = { state: STATE_FILTERS.find((one) => one === state), target };
  const pages = useInfiniteQuery(deliveriesPagesQuery(project.id, asked));
  const targets = useQuery(channelsQuery(project.id));
  const rows = pages.data?.pages.flatMap(({ deliveries }) => deliveries) ?? [];
  const choose = (patch: { state?: string; target?: string }) => void navigate({ to: '.', search: (was) => ({ ...was, ...patch }) });
  return (
    <>
      <AlertsNav />
      <div className="sheet pane">
        <div className="section-head">
          <h1>{t('alerts.navDeliveries')}</h1>
          <span className="section-note">{t('alerts.deliveriesWhy')}</span>
        </div>
        <div className="alerts-filter-row">
          <label>
            {t('alerts.state')}{' '}
            <select className="field" value={asked.state ?? ''} onChange={(event) => choose({ state: event.target.value || undefined })}>
              <option value="">{t('alerts.all')}</option>
              {STATE_FILTERS.map((one) => (
                <option key={one} value={one}>
                  {t(DELIVERY_STATE_TEXT[one])}
                </option>
              ))}
            </select>
          </label>
          <label>
            {t('alerts.target')}{' '}
            <select className="field" value={target ?? ''} onChange={(event) => choose({ target: event.target.value || undefined })}>
              <option value="">{t('alerts.all')}</option>
              {targets.data?.targets.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </div>
        {pages.error && !pages.data && <ErrorMessage error={pages.error} onRetry={() => void pages.refetch()} />}
        {pages.isPending && <Skeleton rows={6} />}
        {pages.data && rows.length === 0 && (
          <EmptyState
            title={t('alerts.noDeliveries')}
            action={
              <Link className="button" to="/p/$project/alerts/targets" params={{ project: String(project.id) }}>
                {t('alerts.navTargets')}
              </Link>
            }
          >
            {t('alerts.noDeliveriesWhy')}
          </EmptyState>
        )}
        {rows.length > 0 && <DeliveryTable rows={rows} stale={pages.isPlaceholderData} />}
        {pages.hasNextPage && (
          <button
            type="button"
            className="button alerts-load-more"
            disabled={pages.isFetchingNextPage}
            onClick={() => void pages.fetchNextPage()}
          >
            {t('issues.more')}
          </button>
        )}
      </div>
    </>
  );
}

function DeliveryTable({ rows, stale }: { rows: Delivery[]; stale: boolean }) {
  const t = useT();
  const project = useProject();
  const columns: Column<Delivery>[] = [
    {
      key: 'at',
      head: t('alerts.when'),
      cell: ({ created_at: at }) => (
        <span className="text-dim">
          <Timestamp at={at} />
        </span>
      ),
    },
    { key: 'what', head: t('alerts.what'), cell: (delivery) => <DeliverySubject delivery={delivery} project={project.id} /> },
    {
      key: 'target',
      head: t('alerts.target'),
      optional: true,
      cell: (delivery) => (
        <>
          <UserText text={delivery.target_name} /> <span className="text-dim">{t(CHANNEL_TEXT[delivery.target_kind])}</span>
        </>
      ),
    },
    { key: 'state', head: t('alerts.state'), cell: ({ state }) => <DeliveryStateChip state={state} /> },
    { key: 'how', head: t('alerts.attempts'), grow: true, cell: (delivery) => <DeliveryAttempts delivery={delivery} /> },
  ];
  return (
    <div className="alerts-table alerts-table-wrapping">
      <Table label={t('alerts.navDeliveries')} columns={columns} rows={rows} rowKey={({ id }) => String(id)} stale={stale} />
    </div>
  );
}

function DeliverySubject({ delivery, project }: { delivery: Delivery; project: number }) {
  const t = useT();
  const { kind, rule_name: name, incident_id: incident, group, gathered } = delivery;
  const words = kind === 'digest' ? t('alerts.digestOf', { n: gathered }) : `${t(NOTIFICATION_TEXT[kind])}: ${name}`;
  const text = (
    <>
      <UserText text={words} />
      {group && <span className="text-dim"> {groupText(t, group)}</span>}
    </>
  );
  if (incident === null) return <span className="alerts-wrapping-text">{text}</span>;
  return (
    <Link
      className="alerts-wrapping-text alerts-text-link"
      to="/p/$project/alerts/incidents/$incident"
      params={{ project: String(project), incident: String(incident) }}
    >
      {text}
    </Link>
  );
}

export function DeliveryStateChip({ state }: { state: Delivery['state'] }) {
  const t = useT();
  const tone = state === 'delivered' ? 'good' : state === 'failed' ? 'bad' : state === 'waiting' ? 'warning' : 'outline';
  return <Chip tone={tone}>{t(DELIVERY_STATE_TEXT[state])}</Chip>;
}

/** The last attempt in a line; all of them below, where there were more. */
export function DeliveryAttempts({ delivery }: { delivery: Delivery }) {
  const t = useT();
  const { format } = useLocale();
  const { attempts, state, next_attempt_at: next } = delivery;
  const last = attempts.at(-1);
  const again = state === 'waiting' && next !== null && (
    <span className="text-dim">
      {last ? t('alerts.nextAttempt', { time: format.moment(next), n: attempts.length + 1 }) : t('alerts.firstAttempt')}
    </span>
  );
  if (!last) {
    if (delivery.folded_into !== null) return <span className="text-dim">{t('alerts.sentInDigest')}</span>;
    return <span className="alerts-attempt-outcome">{again || <span className="text-dim">{t('common.none')}</span>}</span>;
  }
  const line = (
    <>
      <AttemptOutcome attempt={last} delivered={state === 'delivered'} /> {again}
    </>
  );
  if (attempts.length === 1) return <span className="alerts-attempt-outcome">{line}</span>;
  return (
    <details className="alerts-attempts">
      <summary>
        {line} <span className="text-dim">{t('alerts.attemptCount', { n: attempts.length })}</span>
      </summary>
      <ol>
        {attempts.map((attempt, at) => (
          <li key={attempt.at}>
            <span className="text-dim">{format.moment(attempt.at)}</span>
            <AttemptOutcome attempt={attempt} delivered={state === 'delivered' && at === attempts.length - 1} />
            {attempt.duration_ms !== null && attempt.error !== null && (
              <span className="text-dim">{plain(format.duration(attempt.duration_ms))}</span>
            )}
          </li>
        ))}
      </ol>
    </details>
  );
}
