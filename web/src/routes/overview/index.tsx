import { useQuery } from '@tanstack/react-query';
import { Navigate, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo, type ReactNode } from 'react';
import { breakdownQuery, seriesQuery, summaryQuery, tracesQuery, type Scope } from '../../api/queries';
import type { Measure } from '../../api/types';
import { ChartGroup } from '../../charts';
import { useT } from '../../i18n';
import { useModelColors } from '../../model-colors';
import { FilterBar } from '../../components/filter-bar';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { useProject } from '../../project';
import { BUCKET_MS } from '../../range';
import { useRange } from '../../locale';
import { timeLengthText } from '../../shell/time-length';
import { useOpenIncidents } from '../../shell/incident-banner';
import { usePageTitle } from '../../shell/page-title';
import { OverviewCharts } from './charts';
import { TopTraces } from './top-traces';
import { KeyFigures } from './key-figures';
import { ModelTable, PipelineTable } from './breakdown-tables';
import { OverviewHints } from './hints';
import { byCost, modelsInOrder, bucketTimes } from './series';
import { CostBy } from './cost-by';
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
const REFETCH_MS = 60_000;

export default function Overview() {
  const project = useProject();
  if (project.first_span_at === null) return <Navigate to="/p/$project/setup" params={{ project: String(project.id) }} replace />;
  return <OverviewContent />;
}

function OverviewContent() {
  const t = useT();
  usePageTitle(t('overview.title'));
  const project = useProject();
  const navigate = useNavigate();
  const range = useRange();
  const { q } = useSearch({ from: '/app/p/$project/' });
  const { id } = project;
  const scope = useMemo<Scope>(() => ({ ...range.span, q }), [range, q]);
  const beforeScope = useMemo<Scope>(() => ({ ...range.before, q }), [range, q]);

  const summary = useQuery({ ...summaryQuery(id, scope), refetchInterval: REFETCH_MS });
  const before = useQuery({ ...summaryQuery(id, beforeScope), refetchInterval: REFETCH_MS });
  // Where there is much less before, it is asked whether there was anything earlier still: else the period before is not a whole one.
  const much = before.data !== undefined && before.data.llm_calls > 0 && (summary.data?.llm_calls ?? 0) > 2 * before.data.llm_calls;
  const earlier = useQuery({
    ...summaryQuery(id, { to: range.before.from, q }),
    enabled: much,
    staleTime: Infinity,
    placeholderData: undefined,
    meta: { live: false },
  });
  const series = useQuery({ ...seriesQuery(id, scope, range.bucket, MEASURES), refetchInterval: REFETCH_MS });
  const byModel = useQuery({ ...seriesQuery(id, scope, range.bucket, ['cost', 'calls'], 'model'), refetchInterval: REFETCH_MS });
  const models = useQuery(breakdownQuery(id, scope, 'model'));
  const pipelines = useQuery(breakdownQuery(id, scope, 'pipeline'));
  const slowest = useQuery(tracesQuery(id, scope, '-duration_ms', CANDIDATES));
  const mostExpensive = useQuery(tracesQuery(id, scope, '-cost', CANDIDATES));

  const palette = useModelColors(id);
  const colorOf = useMemo(
    () => palette.among(modelsInOrder(byModel.data?.measures.cost, byCost(models.data?.rows ?? []))),
    [palette, byModel.data, models.data],
  );
  const times = useMemo(() => bucketTimes(series.data), [series.data]);
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
  const width = timeLengthText(t, range.bucket);

  return (
    <>
      <h1 className="visually-hidden">{t('overview.title')}</h1>
      {q && <FilterBar q={q} onChange={setQ} error={summary.error} />}
      {summary.data && <OverviewHints project={project} summary={summary.data} />}
      <OverviewSection query={summary} rows={1} height={62}>
        {summary.data && (
          <KeyFigures
            project={project}
            q={q}
            now={summary.data}
            before={before.data}
            partial={much && earlier.data?.spans === 0}
            series={series.data}
            stale={summary.isPlaceholderData}
          />
        )}
      </OverviewSection>
      {summary.data && summary.data.spans === 0 ? (
        <EmptyState title={t('overview.nothing')}>{t('overview.nothingWhy')}</EmptyState>
      ) : (
        <>
          <OverviewSection query={series} rows={1} height={240}>
            {summary.data && series.data && (
              <ChartGroup
                times={times}
                bucketMs={BUCKET_MS[series.data.bucket]}
                filling={range.last !== null}
                onRange={setRange}
                bands={bands}
              >
                <OverviewCharts
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
          </OverviewSection>
          <div className="columns half-columns sheet">
            <OverviewSection query={pipelines} pane>
              {pipelines.data && <PipelineTable project={project} q={q} rows={pipelines.data.rows} stale={pipelines.isPlaceholderData} />}
            </OverviewSection>
            <OverviewSection query={models} pane>
              {models.data && (
                <ModelTable project={project} q={q} rows={models.data.rows} colorOf={colorOf} stale={models.isPlaceholderData} />
              )}
            </OverviewSection>
          </div>
          <CostBy project={project} q={q} scope={scope} />
          <div className="columns half-columns sheet">
            <OverviewSection query={slowest} pane>
              {slowest.data && (
                <TopTraces project={project} q={q} traces={slowest.data.traces} by="duration" stale={slowest.isPlaceholderData} />
              )}
            </OverviewSection>
            <OverviewSection query={mostExpensive} pane>
              {mostExpensive.data && (
                <TopTraces project={project} q={q} traces={mostExpensive.data.traces} by="cost" stale={mostExpensive.isPlaceholderData} />
              )}
            </OverviewSection>
          </div>
        </>
      )}
    </>
  );
}

interface OverviewSectionProps {
  query: { data: unknown; error: Error | null; refetch: () => unknown };
  rows?: number;
  height?: number;
  pane?: boolean;
  children: ReactNode;
}

/** One region: its rows, or the shape of them, or why they are missing; the others live on. */
function OverviewSection({ query, rows = 6, height = 30, pane = false, children }: OverviewSectionProps) {
  if (query.error && query.data === undefined) {
    return (
      <div className={pane ? 'pane' : 'pane sheet'}>
        <ErrorMessage error={query.error} onRetry={() => void query.refetch()} />
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
