import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { outcomesQuery, systemQuery } from '../../api/queries';
import type { Outcome, Project, System as Facts } from '../../api/types';
import { plain } from '../../format';
import { useT } from '../../i18n';
import { HintList } from '../../components/hints';
import { useHints } from '../../components/hints/use-hints';
import { Icon, StatusGlyph } from '../../components/icons';
import { MenuChoice, Menu } from '../../components/menu';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Duration, Timestamp, NumberWithUnit } from '../../components/values';
import { PermissionNote, Permitted, usePermission } from '../../components/permission';
import { getPrefs } from '../../prefs';
import { useMe } from '../../project';
import { useRange, useLocale } from '../../locale';
import { TopBarSlot } from '../../shell/top-bar-slots';
import { usePageTitle } from '../../shell/page-title';
import { Deletions } from './deletions';
import { categoryText, reasonText } from './labels';
import './system.css';

/** How the server is: what it holds, and what became of everything that came in. */
export default function System() {
  const t = useT();
  usePageTitle(t('system.title'));
  const { projects } = useMe();
  const permission = usePermission('get /api/v1/system');
  const { project: chosen } = useSearch({ from: '/app/system' });
  const last = getPrefs().project;
  const project = projects.find(({ id }) => String(id) === chosen) ?? projects.find(({ id }) => id === last) ?? projects[0];
  const { data, error, refetch } = useQuery({ ...systemQuery, enabled: permission.isAllowed });
  return (
    <>
      <TopBarSlot side="left">
        <h1 className="picker">
          <b>{t('system.title')}</b>
        </h1>
      </TopBarSlot>
      {!permission.isAllowed && (
        <div className="pane sheet">
          <PermissionNote permission={permission} />
        </div>
      )}
      {error && !data && (
        <div className="pane sheet">
          <ErrorMessage error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {permission.isAllowed && !data && !error && (
        <div className="pane sheet">
          <Skeleton rows={1} height={58} />
        </div>
      )}
      {data && data.problems.length > 0 && (
        <div className="sheet pane error-message" role="alert">
          <Icon name="issues" className="text-error" />
          <div>
            <b>{t('system.problems')}</b>
            {data.problems.map((problem) => (
              <p key={problem} className="system-problem">
                {problem}
              </p>
            ))}
          </div>
        </div>
      )}
      {data && <SystemFigures facts={data} />}
      {project && <OutcomeTable project={project} projects={projects} />}
      {data?.refused && data.refused.length > 0 && <RequestsWithoutKey rows={data.refused} />}
      {project && <SystemHints project={project} />}
      <Permitted operation="get /api/v1/deletions">
        <Deletions />
      </Permitted>
    </>
  );
}

function SystemFigure({ label, value, children }: { label: string; value: ReactNode; children?: ReactNode }) {
  return (
    <div className="figure">
      <div className="figure-label">{label}</div>
      <div className="figure-value">{value}</div>
      <div className="figure-note">{children}</div>
    </div>
  );
}

function SystemFigures({ facts }: { facts: Facts }) {
  const t = useT();
  const { format } = useLocale();
  const { disk, spans } = facts;
  const used = disk.segments_bytes + disk.log_bytes;
  return (
    <section className="columns system-figures sheet" aria-label={t('system.title')}>
      <SystemFigure label={t('system.stored')} value={format.count(spans.stored)}>
        {t('system.buffered', { n: format.count(spans.buffered) })}
        {facts.evicted_calls > 0 && (
          <>
            <br />
            <span title={t('system.evictedWhy')}>{t('system.evicted', { n: format.count(facts.evicted_calls) })}</span>
          </>
        )}
      </SystemFigure>
      <SystemFigure label={t('system.disk')} value={<NumberWithUnit v={format.bytes(used)} />}>
        {t('system.diskWhy', {
          n: facts.segments,
          segments: plain(format.bytes(disk.segments_bytes)),
          log: plain(format.bytes(disk.log_bytes)),
        })}
      </SystemFigure>
      <SystemFigure label={t('system.free')} value={disk.free_bytes === null ? '–' : <NumberWithUnit v={format.bytes(disk.free_bytes)} />}>
        {t('system.reserve', { n: plain(format.bytes(disk.reserve_bytes)) })}
        <br />
        <code title={t('system.dataDir')}>{facts.data_dir}</code>
      </SystemFigure>
      <SystemFigure
        label={t('system.memory')}
        value={facts.memory_bytes === null ? '–' : <NumberWithUnit v={format.bytes(facts.memory_bytes)} />}
      >
        {t('system.memoryLimit', { n: plain(format.bytes(facts.memory_limit_bytes)) })}
      </SystemFigure>
      <SystemFigure label={t('system.uptime')} value={<Duration ms={facts.uptime_s * 1000} />}>
        {t('system.version', { version: facts.version })}
      </SystemFigure>
      <SystemFigure label={t('system.oldest')} value={facts.oldest ? format.day(facts.oldest) : '–'}>
        {t('system.keptFor', { n: facts.retention_days })}
      </SystemFigure>
    </section>
  );
}

/** What the clients of the project could do better. */
function SystemHints({ project }: { project: Project }) {
  const t = useT();
  const hints = useHints(project.id);
  if (!hints) return null;
  return (
    <section className="sheet pane">
      <div className="section-head">
        <h2>{t('hints.title')}</h2>
        <span className="section-note">{t('hints.why')}</span>
      </div>
      {hints.length === 0 ? <p className="text-dim text-small">{t('hints.none')}</p> : <HintList hints={hints} project={project} />}
    </section>
  );
}

/** Requests that brought no valid key: they count for no project. */
function RequestsWithoutKey({ rows }: { rows: Outcome[] }) {
  const t = useT();
  const { format } = useLocale();
  const columns: Column<Outcome>[] = [
    { key: 'reason', head: t('system.reason'), cell: ({ reason }) => <code>{reason}</code> },
    { key: 'quantity', head: t('system.quantity'), num: true, cell: ({ quantity }) => <b>{format.count(quantity)}</b> },
    { key: 'detail', head: t('system.detail'), grow: true, cell: ({ detail }) => detail && <span className="text-dim">{detail}</span> },
    { key: 'last', head: t('system.last'), num: true, cell: ({ last_at: at }) => <Timestamp at={at} /> },
  ];
  return (
    <section className="sheet pane system-outcomes">
      <div className="section-head">
        <h2>{t('system.withoutKey')}</h2>
        <span className="section-note">{t('system.withoutKeyWhy')}</span>
      </div>
      <Table label={t('system.withoutKey')} columns={columns} rows={rows} rowKey={({ reason }) => reason} />
    </section>
  );
}

/** Loss speaks; what is not kept by design (sessions, profiles) and what was counted once already recedes. */
function outcomeStatus({ outcome, category }: Outcome) {
  if (outcome === 'accepted') return 'ok';
  const lost = outcome === 'refused' || (outcome === 'dropped' && ['span', 'transaction', 'error', 'request'].includes(category));
  return lost ? 'error' : 'cancelled';
}

/** What was lost stands first. */
const OUTCOME_ORDER = ['refused', 'dropped', 'client_dropped', 'duplicate', 'accepted'];

function OutcomeTable({ project, projects }: { project: Project; projects: Project[] }) {
  const t = useT();
  const navigate = useNavigate();
  const range = useRange();
  const { format } = useLocale();
  const { data, error, refetch, isPlaceholderData } = useQuery(outcomesQuery(project.id, range.span));
  const rows = (data?.outcomes ?? []).toSorted(
    (a, b) => OUTCOME_ORDER.indexOf(a.outcome) - OUTCOME_ORDER.indexOf(b.outcome) || b.quantity - a.quantity,
  );
  const columns: Column<Outcome>[] = [
    {
      key: 'what',
      head: t('system.outcome'),
      cell: (row) => (
        <span className="name-cell">
          <StatusGlyph status={outcomeStatus(row)} />
          <b>{t(`system.${row.outcome}`)}</b>
        </span>
      ),
    },
    { key: 'reason', head: t('system.reason'), cell: ({ reason }) => reasonText(t, reason) ?? <code>{reason}</code> },
    { key: 'quantity', head: t('system.quantity'), num: true, cell: ({ quantity }) => <b>{format.count(quantity)}</b> },
    { key: 'category', head: t('system.category'), cell: (row) => categoryText(t, row) },
    {
      key: 'detail',
      head: t('system.detail'),
      grow: true,
      optional: true,
      cell: ({ detail }) =>
        detail && (
          <span className="text-dim" title={detail}>
            {detail}
          </span>
        ),
    },
    {
      key: 'key',
      head: t('system.key'),
      optional: true,
      cell: ({ key }) => (key ? <code className="text-dim" title={key}>{`${key.slice(0, 4)}…${key.slice(-4)}`}</code> : '–'),
    },
    {
      key: 'sdk',
      head: 'SDK',
      optional: true,
      cell: ({ sdk }) => (sdk ? <span className="text-dim">{sdk}</span> : '–'),
    },
    { key: 'last', head: t('system.last'), num: true, cell: ({ last_at: at }) => <Timestamp at={at} /> },
  ];
  return (
    <section className="sheet pane system-outcomes">
      <div className="section-head">
        <h2>{t('system.outcomes')}</h2>
        <span className="section-note">{t('system.outcomesWhy')}</span>
        <span className="spacer" />
        {projects.length > 1 && (
          <Menu
            label={t('bar.project')}
            align="end"
            trigger={
              <button type="button" className="picker picker-boxed">
                <b>{project.name}</b>
                <Icon name="down" size="tiny" />
              </button>
            }
          >
            <MenuChoice
              value={String(project.id)}
              options={projects.map(({ id, name }) => ({ value: String(id), label: name }))}
              onChange={(id) => void navigate({ to: '.', search: (was) => ({ ...was, project: id }) })}
            />
          </Menu>
        )}
      </div>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton />}
      {data && rows.length === 0 && <EmptyState title={t('system.noOutcomes')}>{t('system.noOutcomesWhy')}</EmptyState>}
      {rows.length > 0 && (
        <Table
          label={t('system.outcomes')}
          columns={columns}
          rows={rows}
          rowKey={({ outcome, reason, category, key, sdk }) => `${outcome} ${reason} ${category} ${key} ${sdk}`}
          stale={isPlaceholderData}
        />
      )}
    </section>
  );
}
