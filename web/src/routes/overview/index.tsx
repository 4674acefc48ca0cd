import { useQuery } from '@tanstack/react-query';
import { Navigate, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo, type ReactNode } from 'react';
import { breakdownQuery, seriesQuery, summaryQuery, tracesQuery, type Scope } from '../../api/queries';
import type { Measure } from '../../api/types';
import { ChartGroup } from '../../charts';
import { useT } from '../../i18n';
import { useModelColors } from '../../model-colors';
import { FilterBar } from '../../parts/filter-bar';
import { Empty, ErrorPart, Skeleton } from '../../parts/states';
import { useProject } from '../../project';
import { BUCKET_MS } from '../../range';
import { useRange } from '../../reader';
import { lengthText } from '../../shell/length';
import { useOpenIncidents } from '../../shell/incident-strip';
import { useTitle } from '../../shell/title';
import { Charts } from './charts';
import { Extremes } from './extremes';
import { Figures } from './figures';
import { Models, Pipelines } from './groups';
import { Hints } from './hints';
import { byCost, inOrder, timesOf } from './series';
import { Whose } from './whose';
import './overview.css';

const MEASURES: readonly Measure[] = [
  'calls',
  'failed',
  'runs',
  'cost',
  'duration_p50',
  'duration_p95',
  'new_input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'output_tokens',
];
/** Enough to find five stories among traces that are alike. */
const CANDIDATES = 40;
/** A range that ends now slides on, also when nothing comes in. */
const SLIDE_MS = 60_000;

export default function Overview() {
  const project = useProject();
  if (project.first_span_at === null) return <Navigate to="/p/$project/setup" params={{ project: String(project.id) }} replace />;
  return <Answers />;
}

function Answers() {
  const t = useT();
  useTitle(t('overview.title'));
  const project = useProject();
  const navigate = useNavigate();
  const range = useRange();
  const { q } = useSearch({ from: '/app/p/$project/' });
  const { id } = project;
  const scope = useMemo<Scope>(() => ({ ...range.span, q }), [range, q]);
  const beforeScope = useMemo<Scope>(() => ({ ...range.before, q }), [range, q]);

  const summary = useQuery({ ...summaryQuery(id, scope), refetchInterval: SLIDE_MS });
  const before = useQuery({ ...summaryQuery(id, beforeScope), refetchInterval: SLIDE_MS });
  // Where there is much less before, it is asked whether there was anything earlier still: else the period before is not a whole one.
  const much = before.data !== undefined && before.data.llm_calls > 0 && (summary.data?.llm_calls ?? 0) > 2 * before.data.llm_calls;
  const earlier = useQuery({
    ...summaryQuery(id, { to: range.before.from, q }),
    enabled: much,
    staleTime: Infinity,
    placeholderData: undefined,
    meta: { live: false },
  });
  const series = useQuery({ ...seriesQuery(id, scope, range.bucket, MEASURES), refetchInterval: SLIDE_MS });
  const byModel = useQuery({ ...seriesQuery(id, scope, range.bucket, ['cost', 'calls'], 'model'), refetchInterval: SLIDE_MS });
  const models = useQuery(breakdownQuery(id, scope, 'model'));
  const pipelines = useQuery(breakdownQuery(id, scope, 'pipeline'));
  const slowest = useQuery(tracesQuery(id, scope, '-duration_ms', CANDIDATES));
  const dearest = useQuery(tracesQuery(id, scope, '-cost', CANDIDATES));

  const palette = useModelColors(id);
  const colorOf = useMemo(
    () => palette.among(inOrder(byModel.data?.measures.cost, byCost(models.data?.rows ?? []))),
    [palette, byModel.data, models.data],
  );
  const times = useMemo(() => timesOf(series.data), [series.data]);
  const { worst } = useOpenIncidents(id);
  // A budget burns for its whole period; what a rule saw has a moment.
  const bands = useMemo(
    () =>
      worst
        .filter(({ source }) => source === 'rule')
        .map(({ opened_at: opened, rule_name: name, severity }) => ({
          from: Date.parse(opened),
          to: Infinity,
          name,
          severe: severity === 'critical',
        })),
    [worst],
  );
  const setRange = useCallback(
    (from: number, to: number) =>
      void navigate({
        to: '.',
        search: (was) => ({ ...was, last: undefined, from: new Date(from).toISOString(), to: new Date(to).toISOString() }),
      }),
    [navigate],
  );
  const setQ = (next: string) => void navigate({ to: '.', search: (was) => ({ ...was, q: next || undefined }) });
  const width = lengthText(t, range.bucket);

  return (
    <>
      <h1 className="vh">{t('overview.title')}</h1>
      {q && <FilterBar q={q} onChange={setQ} />}
      {summary.data && <Hints project={project} summary={summary.data} />}
      <Part query={summary} rows={1} height={62}>
        {summary.data && (
          <Figures project={project} now={summary.data} before={before.data} partial={much && earlier.data?.spans === 0} series={series.data} stale={summary.isPlaceholderData} />
        )}
      </Part>
      {summary.data && summary.data.spans === 0 ? (
        <Empty title={t('overview.nothing')}>{t('overview.nothingWhy')}</Empty>
      ) : (
        <>
          <Part query={series} rows={1} height={240}>
            {summary.data && series.data && (
              <ChartGroup
                times={times}
                bucketMs={BUCKET_MS[series.data.bucket]}
                filling={range.last !== null}
                onRange={setRange}
                bands={bands}
              >
                <Charts
                  project={project}
                  q={q}
                  summary={summary.data}
                  series={series.data}
                  byModel={byModel.data}
                  models={models.data?.rows ?? []}
                  colorOf={colorOf}
                  width={width}
                  stale={series.isPlaceholderData}
                />
              </ChartGroup>
            )}
          </Part>
          <div className="cols halves sheet">
            <Part query={pipelines} pane>
              {pipelines.data && <Pipelines project={project} q={q} rows={pipelines.data.rows} stale={pipelines.isPlaceholderData} />}
            </Part>
            <Part query={models} pane>
              {models.data && <Models project={project} q={q} rows={models.data.rows} colorOf={colorOf} stale={models.isPlaceholderData} />}
            </Part>
          </div>
          <Whose project={project} q={q} scope={scope} />
          <div className="cols halves sheet">
            <Part query={slowest} pane>
              {slowest.data && (
                <Extremes project={project} q={q} traces={slowest.data.traces} by="duration" stale={slowest.isPlaceholderData} />
              )}
            </Part>
            <Part query={dearest} pane>
              {dearest.data && (
                <Extremes project={project} q={q} traces={dearest.data.traces} by="cost" stale={dearest.isPlaceholderData} />
              )}
            </Part>
          </div>
        </>
      )}
    </>
  );
}

interface PartProps {
  query: { data: unknown; error: Error | null; refetch: () => unknown };
  rows?: number;
  height?: number;
  pane?: boolean;
  children: ReactNode;
}

/** One region: its rows, or the shape of them, or why they are missing; the others live on. */
function Part({ query, rows = 6, height = 30, pane = false, children }: PartProps) {
  if (query.error && query.data === undefined) {
    return (
      <div className={pane ? 'pane' : 'pane sheet'}>
        <ErrorPart error={query.error} onRetry={() => void query.refetch()} />
      </div>
    );
  }
  if (query.data === undefined) {
    return (
      <div className={pane ? 'pane' : 'pane sheet'}>
        <Skeleton rows={rows} height={height} />
      </div>
    );
  }
  return children;
}
