import { Link, useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { traceName } from '../../api/trace-name';
import type { Project, TraceSummary } from '../../api/types';
import { useT } from '../../i18n';
import { StatusGlyph } from '../../components/icons';
import { Table, type Column } from '../../components/table';
import { Chip, UserText, ShareBar, UnknownValue, Duration } from '../../components/values';
import { useLocale } from '../../locale';

/** So many rows, each another story. */
const MAX_ROWS = 5;

interface SimilarTraces {
  trace: TraceSummary;
  similarCount: number;
}

/** Traces that asked the same are one row: the first of them, and how many there are. */
export function groupSimilarTraces(traces: TraceSummary[]): SimilarTraces[] {
  const found = new Map<string, SimilarTraces>();
  for (const trace of traces) {
    const question = trace.input_preview;
    const key = question ? `${traceName(trace)}\n${trace.user_id ?? ''}\n${question}` : trace.trace_id;
    const group = found.get(key);
    if (group) group.similarCount += 1;
    else found.set(key, { trace, similarCount: 1 });
  }
  return [...found.values()].slice(0, MAX_ROWS);
}

interface TopTracesProps {
  project: Project;
  q: string | undefined;
  traces: TraceSummary[];
  by: 'duration' | 'cost';
  stale: boolean;
}

export function TopTraces({ project, q, traces, by, stale }: TopTracesProps) {
  const t = useT();
  const { format } = useLocale();
  const navigate = useNavigate();
  const rows = groupSimilarTraces(by === 'cost' ? traces.filter(({ cost }) => cost !== null) : traces);
  const measure = ({ trace }: SimilarTraces) => (by === 'cost' ? (trace.cost ?? 0) : trace.duration_ms);
  const largest = Math.max(0, ...rows.map(measure));
  const sort = by === 'cost' ? '-cost' : '-duration_ms';
  const title = by === 'cost' ? t('overview.mostExpensive') : t('overview.slowest');
  const target = (trace: TraceSummary) => ({
    to: '/p/$project/traces/$trace' as const,
    params: { project: String(project.id), trace: trace.trace_id },
    search: { at: trace.start_time },
  });
  const value = (trace: TraceSummary): ReactNode => {
    if (by === 'duration') return <Duration ms={trace.duration_ms} />;
    return trace.cost === null ? <UnknownValue /> : <span title={format.moneyExact(trace.cost)}>{format.money(trace.cost)}</span>;
  };
  const columns: Column<SimilarTraces>[] = [
    {
      key: 'status',
      head: <span className="visually-hidden">{t('overview.status')}</span>,
      cell: ({ trace }) => <StatusGlyph status={trace.status} />,
    },
    {
      key: 'name',
      head: t('overview.trace'),
      grow: true,
      cell: ({ trace, similarCount: alike }) => (
        <Link {...target(trace)} className="name-with-note">
          <b title={traceName(trace)}>{traceName(trace)}</b>
          {trace.input_preview && <UserText className="text-dim ellipsis" text={trace.input_preview} />}
          {alike > 1 && <Chip>{t('overview.similarTraces', { n: alike })}</Chip>}
        </Link>
      ),
    },
    {
      key: 'user',
      head: t('overview.user'),
      num: true,
      optional: true,
      cell: ({ trace }) => (
        <span className="text-dim ellipsis text-capped" title={trace.user_id ?? undefined}>
          {trace.user_id ?? '–'}
        </span>
      ),
    },
    {
      key: 'time',
      head: t('overview.time'),
      num: true,
      cell: ({ trace }) => (
        <time className="text-dim" dateTime={trace.start_time} title={format.exact(trace.start_time)}>
          {format.brief(trace.start_time)}
        </time>
      ),
    },
    {
      key: 'value',
      head: by === 'cost' ? t('overview.cost') : t('overview.duration'),
      num: true,
      cell: (group) => (
        <>
          <b>{value(group.trace)}</b>
          <ShareBar of={largest > 0 ? measure(group) / largest : 0} />
        </>
      ),
    },
  ];
  return (
    <div className="pane">
      <div className="section-head">
        <h2>{title}</h2>
        <span className="section-note">{by === 'cost' ? t('overview.orderedByCost') : t('overview.orderedByDuration')}</span>
        <Link className="section-link" to="/p/$project/traces" params={{ project: String(project.id) }} search={{ q, sort }}>
          {t('overview.allTraces')}
        </Link>
      </div>
      <div className="overview-headless-table">
        <Table
          label={title}
          columns={columns}
          rows={rows}
          rowKey={({ trace }) => trace.trace_id}
          onOpen={({ trace }) => void navigate(target(trace))}
          stale={stale}
        />
      </div>
    </div>
  );
}
