import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { incidentsPagesQuery } from '../../api/alerts';
import type { Incident } from '../../api/types';
import { plain } from '../../format';
import { useT } from '../../i18n';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Timestamp, NumberWithUnit, UserText } from '../../components/values';
import { useProject } from '../../project';
import { useLocale } from '../../locale';
import { usePageTitle } from '../../shell/page-title';
import { IncidentStateChip, SeverityChip } from './incident-pane';
import { AlertsNav } from './alerts-nav';
import { dimensionText, metricValue, groupText } from './labels';
import './alerts.css';

export default function IncidentList() {
  const t = useT();
  usePageTitle(t('alerts.navIncidents'));
  const project = useProject();
  const navigate = useNavigate();
  const { state } = useSearch({ from: '/app/p/$project/alerts/incidents' });
  const shown = state === 'open' || state === 'resolved' ? state : undefined;
  const pages = useInfiniteQuery(incidentsPagesQuery(project.id, shown));
  const rows = pages.data?.pages.flatMap(({ incidents }) => incidents) ?? [];
  return (
    <>
      <AlertsNav />
      <div className="sheet pane">
        <div className="section-head">
          <h1>{t('alerts.navIncidents')}</h1>
          <span className="spacer" />
          <span className="segmented" role="group" aria-label={t('alerts.state')}>
            {([undefined, 'open', 'resolved'] as const).map((one) => (
              <button
                key={one ?? 'all'}
                type="button"
                className={one === shown ? 'is-selected' : undefined}
                aria-pressed={one === shown}
                onClick={() => void navigate({ to: '.', search: (was) => ({ ...was, state: one }) })}
              >
                {t(one === undefined ? 'alerts.all' : one === 'open' ? 'alerts.open' : 'alerts.resolved')}
              </button>
            ))}
          </span>
        </div>
        {pages.error && !pages.data && <ErrorMessage error={pages.error} onRetry={() => void pages.refetch()} />}
        {pages.isPending && <Skeleton rows={6} />}
        {pages.data && rows.length === 0 && <EmptyState title={t('alerts.noIncidents')}>{t('alerts.noIncidentsWhy')}</EmptyState>}
        {rows.length > 0 && <IncidentTable rows={rows} stale={pages.isPlaceholderData} keys />}
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

export function IncidentTable({ rows, stale = false, keys = false }: { rows: Incident[]; stale?: boolean; keys?: boolean }) {
  const t = useT();
  const { format } = useLocale();
  const navigate = useNavigate();
  const to = (incident: Incident) => ({
    to: '/p/$project/alerts/incidents/$incident' as const,
    params: { project: String(incident.project_id), incident: String(incident.id) },
  });
  const columns: Column<Incident>[] = [
    {
      key: 'at',
      head: t('alerts.fired'),
      cell: (incident) => (
        <span className="text-dim">
          <Timestamp at={incident.opened_at} />
        </span>
      ),
    },
    {
      key: 'rule',
      head: t('alerts.rule'),
      cell: (incident) => (
        <Link {...to(incident)} className="alerts-wrapping-text">
          <b>
            <UserText text={incident.rule_name} />
          </b>
          {incident.group && <span className="text-dim"> {groupText(t, incident.group)}</span>}
        </Link>
      ),
    },
    {
      key: 'why',
      head: t('alerts.contributors'),
      grow: true,
      optional: true,
      cell: ({ culprits: [first] }) =>
        first && (
          <span className="text-dim">
            {dimensionText(t, first.dimension)} <UserText text={first.key ?? t('common.unknown')} />
          </span>
        ),
    },
    {
      key: 'peak',
      head: t('alerts.peakHead'),
      num: true,
      cell: ({ peak, value, unit }) => {
        const top = peak ?? value;
        return top === null ? (
          <span className="text-dim">{t('alerts.noData')}</span>
        ) : (
          <NumberWithUnit v={metricValue(format, top, unit)} />
        );
      },
    },
    {
      key: 'length',
      head: t('alerts.lasted'),
      num: true,
      optional: true,
      cell: ({ opened_at: opened, resolved_at: resolved }) => (
        <span className="text-dim">
          {plain(resolved === null ? format.age(opened) : format.duration(Math.max(0, Date.parse(resolved) - Date.parse(opened))))}
        </span>
      ),
    },
    {
      key: 'state',
      head: t('alerts.state'),
      cell: (incident) => (
        <span className="alerts-chips">
          <SeverityChip incident={incident} /> <IncidentStateChip incident={incident} />
        </span>
      ),
    },
  ];
  return (
    <div className="alerts-table">
      <Table
        label={t('alerts.navIncidents')}
        columns={columns}
        rows={rows}
        rowKey={({ id }) => String(id)}
        stale={stale}
        keys={keys}
        onOpen={(incident) => void navigate(to(incident))}
      />
    </div>
  );
}
