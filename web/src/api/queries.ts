import { infiniteQueryOptions, keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import type { TimeSpan as RangeSpan } from '../range';
import { api, withParams, type Params } from './client';
import type { Issue, IssueEvent } from './issue-types';
import type { Metric, MetricMeasure, MetricSeries } from './metric-types';
import { hasEnded, type Bill, type Imported, type NewPrice, type OwnPrice, type Prices, type RepriceJob, type Repriced, type UnpricedModel } from './money-types';
import type { Key, Me, Project, ProjectPatch, Receipt, Session, Token } from './project-types';
import type { Span, SpanDetail } from './span-types';
import type { Hint, LogLine, TraceDetail, TraceSummary } from './trace-types';
import type { BreakdownRow, Bucket, Facet, Measure, Outcome, Page, SeriesAnswer, Summary, System } from './types';

/** What narrows a query: a range, and the filter in the query language. */
export interface Scope extends RangeSpan {
  q?: string;
}

/** What the filter selects in sums: spans, or all spans of the traces that the list of traces shows. */
export type Select = 'spans' | 'traces';

const scoped = ({ from, to, q }: Partial<Scope>): Params => ({ from, to, q });

/** Without a filter both are everything. */
const selecting = (scope: Partial<Scope>, select: Select): Params => ({ ...scoped(scope), select: scope.q && select === 'traces' ? select : undefined });

/** Everything of a project hangs below this key, so that a live change can invalidate it at once. */
export const projectKey = (project: number) => ['project', project] as const;

function projectQuery<T>(project: number, name: string, path: string, params: Params) {
  return queryOptions({
    queryKey: [...projectKey(project), name, path, params],
    queryFn: ({ signal }) => api<T>(`/projects/${project}${path}`, { params, signal }),
    placeholderData: keepPreviousData,
  });
}

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => api<Me>('/me', { signal }),
  staleTime: 60_000,
});

export const summaryQuery = (project: number, scope: Partial<Scope>, select: Select = 'spans') =>
  projectQuery<Summary>(project, 'summary', '/summary', selecting(scope, select));

/** Always asks for a list of measures (with a comma), since the answer of a single one has another shape. */
export const seriesQuery = (
  project: number,
  scope: Scope,
  bucket: Bucket,
  measures: readonly Measure[],
  groupBy?: string,
  select: Select = 'spans',
) =>
  projectQuery<SeriesAnswer>(project, 'series', '/series', {
    ...selecting(scope, select),
    bucket,
    measure: measures.length > 1 ? measures.join(',') : measures[0] === 'calls' ? 'calls,failed' : `${measures[0]},calls`,
    group_by: groupBy,
  });

export const breakdownQuery = (project: number, scope: Scope, by: string, sort = '-cost', limit = 20) =>
  projectQuery<{ rows: BreakdownRow[] }>(project, 'breakdown', '/breakdown', { ...scoped(scope), by, sort, limit });

export const tracesQuery = (project: number, scope: Partial<Scope>, sort = '-start_time', limit = 100, cursor?: string) =>
  projectQuery<{ traces: TraceSummary[] } & Page>(project, 'traces', '/traces', { ...scoped(scope), sort, limit, cursor });

export const spansQuery = (project: number, scope: Scope, sort = '-start_time', limit = 100, cursor?: string) =>
  projectQuery<{ spans: Span[] } & Page>(project, 'spans', '/spans', { ...scoped(scope), sort, limit, cursor });

export const traceQuery = (project: number, trace: string, at?: string) =>
  projectQuery<TraceDetail>(project, 'trace', `/traces/${encodeURIComponent(trace)}`, { at });

export const spanQuery = (project: number, trace: string, span: string, at?: string) =>
  projectQuery<SpanDetail>(project, 'span', `/traces/${encodeURIComponent(trace)}/spans/${encodeURIComponent(span)}`, { at });

export const facetsQuery = (project: number, scope: Scope, field: string, prefix?: string, limit = 20) =>
  projectQuery<{ values: Facet[] }>(project, 'facets', '/facets', { ...scoped(scope), field, prefix, limit });

/** The most frequent values of a field, and the counts of those that are chosen. */
export const chosenFacetsQuery = (project: number, scope: Scope, select: Select, field: string, chosen: readonly string[], limit: number) =>
  projectQuery<{ values: Facet[] }>(project, 'facets', '/facets', {
    ...scoped(scope),
    select: select === 'traces' ? select : undefined,
    field,
    values: chosen.length > 0 ? JSON.stringify(chosen) : undefined,
    limit,
  });

/** The spans of a trace with a text in their names, prompts or answers. */
export const traceSearchQuery = (project: number, trace: string, text: string) =>
  projectQuery<{ span_ids: string[] }>(project, 'trace search', `/traces/${encodeURIComponent(trace)}/search`, { text });

/** So many rows at a time: more than a screen, less than a wait. */
export const PAGE = 100;

/**
 * Page after page of a list. Live changes leave it alone: its page decides when new rows may move, and coming back
 * to it finds it as it was left.
 */
function pagesQuery<Name extends 'traces' | 'spans', Row>(project: number, name: Name, scope: Scope, sort: string) {
  return infiniteQueryOptions({
    queryKey: [...projectKey(project), `${name} pages`, scope, sort],
    queryFn: ({ pageParam, signal }) =>
      api<Record<Name, Row[]> & Page>(`/projects/${project}/${name}`, {
        params: { ...scoped(scope), sort, limit: PAGE, cursor: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    meta: { live: false },
  });
}

export const tracesPagesQuery = (project: number, scope: Scope, sort: string) =>
  pagesQuery<'traces', TraceSummary>(project, 'traces', scope, sort);

export const spansPagesQuery = (project: number, scope: Scope, sort: string) => pagesQuery<'spans', Span>(project, 'spans', scope, sort);

/** Page after page, as the reader asks for more. */
export const issuesPagesQuery = (project: number, scope: Scope, sort = '-last_seen', limit = 100) =>
  infiniteQueryOptions({
    queryKey: [...projectKey(project), 'issues', scope, sort, limit],
    queryFn: ({ pageParam, signal }) =>
      api<{ issues: Issue[] } & Page>(`/projects/${project}/issues`, {
        params: { ...scoped(scope), sort, limit, cursor: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });

/** Without a range: over everything that is kept. */
export const issueQuery = (project: number, issue: string, scope: Partial<Scope>) =>
  projectQuery<{ issue: Issue; events: IssueEvent[] }>(project, 'issue', `/issues/${encodeURIComponent(issue)}`, scoped(scope));

/** One event of an issue, whenever it happened. */
export const issueEventQuery = (project: number, issue: string, event: string) =>
  projectQuery<IssueEvent>(project, 'issue event', `/issues/${encodeURIComponent(issue)}/events/${encodeURIComponent(event)}`, {});

/** More than most traces log. */
const LINES = 500;

/** `count` is what the trace says of itself: more lines are another question. */
export const logsPagesQuery = (project: number, trace: string, count: number) =>
  infiniteQueryOptions({
    queryKey: [...projectKey(project), 'logs', trace, count],
    queryFn: ({ pageParam, signal }) =>
      api<{ logs: LogLine[] } & Page>(`/projects/${project}/traces/${encodeURIComponent(trace)}/logs`, {
        params: { limit: LINES, cursor: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    meta: { live: false },
  });

export const metricsQuery = (project: number, range: RangeSpan) =>
  projectQuery<{ metrics: Metric[] }>(project, 'metrics', '/metrics', { from: range.from, to: range.to });

export const metricSeriesQuery = (
  project: number,
  range: RangeSpan,
  bucket: Bucket,
  { name, unit, kind }: Pick<Metric, 'name' | 'unit' | 'kind'>,
  measures: readonly MetricMeasure[],
  groupBy?: string,
) => {
  const params = { from: range.from, to: range.to, bucket, name, kind, measure: measures.join(','), group_by: groupBy };
  const path = `/projects/${project}/metrics/series`;
  return queryOptions({
    queryKey: [...projectKey(project), 'metric series', params, unit],
    // An empty unit is a unit too, where another metric of the name has one.
    queryFn: ({ signal }) => api<MetricSeries>(`${withParams(path, params)}&unit=${encodeURIComponent(unit)}`, { signal }),
    placeholderData: keepPreviousData,
  });
};

export const outcomesQuery = (project: number, range: RangeSpan) =>
  projectQuery<{ outcomes: Outcome[] }>(project, 'outcomes', '/outcomes', { from: range.from, to: range.to });

export const hintsQuery = (project: number) => projectQuery<{ hints: Hint[] }>(project, 'hints', '/hints', {});

export const keysQuery = (project: number) => projectQuery<{ keys: Key[] }>(project, 'keys', '/keys', {});

export const pricesQuery = (project: number) => projectQuery<Prices>(project, 'prices', '/prices', {});

export const unpricedQuery = (project: number, range: RangeSpan) =>
  projectQuery<{ models: UnpricedModel[]; count: number }>(project, 'unpriced', '/prices/unpriced', { from: range.from, to: range.to });

export const billQuery = (project: number, range: RangeSpan) =>
  projectQuery<Bill>(project, 'bill', '/bill', { from: range.from, to: range.to });

/** Takes in a file as it is. */
export function useImportBill(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (file: File) => api<Imported>(`/projects/${project}/bill`, { method: 'POST', file, params: { name: file.name } }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...projectKey(project), 'bill'] }),
  });
}

export const tokensQuery = queryOptions({
  queryKey: ['tokens'],
  queryFn: ({ signal }) => api<{ tokens: Token[] }>('/tokens', { signal }),
});

export const sessionsQuery = queryOptions({
  queryKey: ['sessions'],
  queryFn: ({ signal }) => api<{ sessions: Session[] }>('/sessions', { signal }),
});

/** Ends an API token or a session. */
export function useRevoke(what: 'tokens' | 'sessions') {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: number) => api<void>(`/${what}/${id}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: [what] }),
  });
}

export const systemQuery = queryOptions({
  queryKey: ['system'],
  queryFn: ({ signal }) => api<System>('/system', { signal }),
  refetchInterval: 10_000,
});

export function useCreateProject() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => api<Project>('/projects', { method: 'POST', body: { name } }),
    onSuccess: () => client.invalidateQueries({ queryKey: meQuery.queryKey }),
  });
}

export function useUpdateProject(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (patch: ProjectPatch) => api<Project>(`/projects/${project}`, { method: 'PATCH', body: patch }),
    onSuccess: () => client.invalidateQueries({ queryKey: meQuery.queryKey }),
  });
}

/** Marks a trace as one that stays, or takes the mark away. */
export function usePin(project: number, trace: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (pin: boolean) => api<void>(`/projects/${project}/traces/${trace}/pin`, { method: pin ? 'PUT' : 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: projectKey(project) }),
  });
}

/** Deletes a trace from every file. */
export function useDeleteTrace(project: number, trace: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => api<Receipt>(`/projects/${project}/traces/${trace}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: projectKey(project), refetchType: 'none' }),
  });
}

/** What was deleted before its time, the newest first. */
export const deletionsQuery = queryOptions({
  queryKey: ['deletions'],
  queryFn: ({ signal }) => api<{ deletions: Receipt[] }>('/deletions', { signal }),
});

export function useCreateKey(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => api<Key>(`/projects/${project}/keys`, { method: 'POST', body: { name } }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...projectKey(project), 'keys'] }),
  });
}

export function useDeleteKey(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (key: number) => api<void>(`/projects/${project}/keys/${key}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...projectKey(project), 'keys'] }),
  });
}

/** Prices changed: the list, what has none, and from now on the costs of what comes in. */
function usePriceChange<In, Out>(project: number, mutationFn: (value: In) => Promise<Out>) {
  const client = useQueryClient();
  return useMutation({ mutationFn, onSuccess: () => client.invalidateQueries({ queryKey: projectKey(project) }) });
}

export const useSetPrice = (project: number) =>
  usePriceChange(project, (price: NewPrice) => api<OwnPrice>(`/projects/${project}/prices`, { method: 'POST', body: price }));

export const useEndPrice = (project: number) =>
  usePriceChange(project, ({ id, until }: { id: number; until: string }) =>
    api<OwnPrice>(`/projects/${project}/prices/${id}`, { method: 'PATCH', body: { until } }),
  );

export const useDeletePrice = (project: number) =>
  usePriceChange(project, (id: number) => api<void>(`/projects/${project}/prices/${id}`, { method: 'DELETE' }));

/** What pricing again would change. */
export const useTryReprice = (project: number) =>
  useMutation({
    mutationFn: (range: RepriceRange) =>
      api<Repriced>(`/projects/${project}/reprice`, { method: 'POST', body: { ...range, dry_run: true } }),
  });

/** Which calls: days, or moments; null for an open end. */
export type RepriceRange = { from: string | null; to: string | null };

type Jobs = { jobs: RepriceJob[] };

/** The job that last priced calls of a project again; asked for once a second while it runs. */
export const repriceJobQuery = (project: number) =>
  queryOptions({
    queryKey: [...projectKey(project), 'reprice job'],
    queryFn: ({ signal }) => api<Jobs>('/jobs', { params: { project, kind: 'reprice', limit: 1 }, signal }),
    refetchInterval: ({ state }) => (state.data?.jobs[0] && !hasEnded(state.data.jobs[0]) ? 1000 : false),
    select: ({ jobs }: Jobs) => jobs[0] ?? null,
  });

function useRepriceJob<In>(project: number, mutationFn: (value: In) => Promise<RepriceJob>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn,
    onSuccess: (job) => client.setQueryData(repriceJobQuery(project).queryKey, { jobs: [job] }),
  });
}

/** Has the server price calls again; it goes on when the page is left. */
export const useReprice = (project: number) =>
  useRepriceJob(project, (range: RepriceRange) =>
    api<RepriceJob>(`/projects/${project}/reprice`, { method: 'POST', body: { ...range, wait: false } }),
  );

export const useCancelJob = (project: number) =>
  useRepriceJob(project, (job: number) => api<RepriceJob>(`/jobs/${job}`, { method: 'DELETE' }));
