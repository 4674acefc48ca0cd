import { infiniteQueryOptions, keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import type { TimeSpan as RangeSpan } from '../range';
import { addressOf, api, getText } from './client';
import type { AnswerOf, PathParametersOf, PathsWith, QueryOf } from './operation';
import { hasEnded } from './status';
import type {
  Bucket,
  ForwardDraft,
  KeyPatch,
  MappingPreview,
  Measure,
  Metric,
  MetricMeasure,
  NewPrice,
  ProjectPatch,
  RepriceJob,
  Repriced,
} from './types';

/** What narrows a query: a range, and the filter in the query language. */
export interface Scope extends RangeSpan {
  q?: string;
}

/** What the filter selects in sums: spans, or all spans of the traces that the list of traces shows. */
export type Select = 'spans' | 'traces';

const scoped = ({ from, to, q }: Partial<Scope>) => ({ from, to, q });

/** Without a filter both are everything. */
const selecting = (scope: Partial<Scope>, select: Select) => ({ ...scoped(scope), select: scope.q && select === 'traces' ? select : undefined });

/** Everything of a project hangs below this key, so that a live change can invalidate it at once. */
export const projectKey = (project: number) => ['project', project] as const;

type ProjectPath = Extract<PathsWith<'get'>, `/api/v1/projects/{project}/${string}`>;

/** The path parameters except the project. */
type Within<P extends ProjectPath> = Omit<PathParametersOf<P, 'get'>, 'project'>;

function projectQuery<P extends ProjectPath>(
  project: number,
  name: string,
  path: P,
  query: QueryOf<P, 'get'> | undefined,
  ...[within]: keyof Within<P> extends never ? [] : [Within<P>]
) {
  // The compiler cannot resolve the types of a path that is a type parameter.
  const get = api.get as (path: P, options: { path: object; query?: object; signal: AbortSignal }) => Promise<AnswerOf<P, 'get'>>;
  return queryOptions({
    queryKey: [...projectKey(project), name, path, within, query],
    queryFn: ({ signal }) => get(path, { path: { ...within, project }, query, signal }),
    placeholderData: keepPreviousData,
  });
}

export const signInOptionsQuery = queryOptions({
  queryKey: ['sign-in'],
  queryFn: ({ signal }) => api.get('/api/v1/sign-in', { signal }),
  staleTime: 60_000,
});

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => api.get('/api/v1/me', { signal }),
  staleTime: 60_000,
});

export const summaryQuery = (project: number, scope: Partial<Scope>, select: Select = 'spans') =>
  projectQuery(project, 'summary', '/api/v1/projects/{project}/summary', selecting(scope, select));

export const seriesQuery = (
  project: number,
  scope: Scope,
  bucket: Bucket,
  measures: readonly Measure[],
  groupBy?: string,
  select: Select = 'spans',
) =>
  projectQuery(project, 'series', '/api/v1/projects/{project}/series', {
    ...selecting(scope, select),
    bucket,
    measure: measures.join(','),
    group_by: groupBy,
  });

export const breakdownQuery = (project: number, scope: Scope, by: string, sort = '-cost', limit = 20) =>
  projectQuery(project, 'breakdown', '/api/v1/projects/{project}/breakdown', { ...scoped(scope), by, sort, limit });

export const tracesQuery = (project: number, scope: Partial<Scope>, sort = '-start_time', limit = 100, cursor?: string) =>
  projectQuery(project, 'traces', '/api/v1/projects/{project}/traces', { ...scoped(scope), sort, limit, cursor });

export const spansQuery = (project: number, scope: Scope, sort = '-start_time', limit = 100, cursor?: string) =>
  projectQuery(project, 'spans', '/api/v1/projects/{project}/spans', { ...scoped(scope), sort, limit, cursor });

export const traceQuery = (project: number, trace: string, at?: string) =>
  projectQuery(project, 'trace', '/api/v1/projects/{project}/traces/{trace}', { at }, { trace });

export const spanQuery = (project: number, trace: string, span: string, at?: string) =>
  projectQuery(project, 'span', '/api/v1/projects/{project}/traces/{trace}/spans/{span}', { at }, { trace, span });

export const facetsQuery = (project: number, scope: Scope, field: string, prefix?: string, limit = 20) =>
  projectQuery(project, 'facets', '/api/v1/projects/{project}/facets', { ...scoped(scope), field, prefix, limit });

/** The most frequent values of a field, and the counts of those that are chosen. */
export const chosenFacetsQuery = (project: number, scope: Scope, select: Select, field: string, chosen: readonly string[], limit: number) =>
  projectQuery(project, 'facets', '/api/v1/projects/{project}/facets', {
    ...scoped(scope),
    select: select === 'traces' ? select : undefined,
    field,
    values: chosen.length > 0 ? JSON.stringify(chosen) : undefined,
    limit,
  });

/** The spans of a trace with a text in their names, prompts or answers. */
export const traceSearchQuery = (project: number, trace: string, text: string) =>
  projectQuery(project, 'trace search', '/api/v1/projects/{project}/traces/{trace}/search', { text }, { trace });

/** So many rows at a time: more than a screen, less than a wait. */
export const PAGE = 100;

/**
 * Page after page of a list. Live changes leave it alone: its page decides when new rows may move, and coming back
 * to it finds it as it was left.
 */
const pages = <Answer extends { next_cursor: string | null }>(
  project: number,
  name: string,
  scope: Scope,
  sort: string,
  page: (query: { sort: string; limit: number; cursor: string | undefined } & Partial<Scope>, signal: AbortSignal) => Promise<Answer>,
) =>
  infiniteQueryOptions({
    queryKey: [...projectKey(project), `${name} pages`, scope, sort],
    queryFn: ({ pageParam, signal }) => page({ ...scoped(scope), sort, limit: PAGE, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    meta: { live: false },
  });

export const tracesPagesQuery = (project: number, scope: Scope, sort: string) =>
  pages(project, 'traces', scope, sort, (query, signal) =>
    api.get('/api/v1/projects/{project}/traces', { path: { project }, query, signal }),
  );

export const spansPagesQuery = (project: number, scope: Scope, sort: string) =>
  pages(project, 'spans', scope, sort, (query, signal) =>
    api.get('/api/v1/projects/{project}/spans', { path: { project }, query, signal }),
  );

export const projectLogsPagesQuery = (project: number, scope: Scope, sort: string) =>
  pages(project, 'project logs', scope, sort, (query, signal) =>
    api.get('/api/v1/projects/{project}/logs', { path: { project }, query, signal }),
  );

/** Log lines without paging. */
export const projectLogsQuery = (project: number, scope: Partial<Scope>, limit: number) =>
  projectQuery(project, 'project logs', '/api/v1/projects/{project}/logs', { ...scoped(scope), limit });

/** Page after page, as the reader asks for more. */
export const issuesPagesQuery = (project: number, scope: Scope, sort = '-last_seen', limit = 100) =>
  infiniteQueryOptions({
    queryKey: [...projectKey(project), 'issues', scope, sort, limit],
    queryFn: ({ pageParam, signal }) =>
      api.get('/api/v1/projects/{project}/issues', {
        path: { project },
        query: { ...scoped(scope), sort, limit, cursor: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });

/** Without a range: over everything that is kept. */
export const issueQuery = (project: number, issue: string, scope: Partial<Scope>) =>
  projectQuery(project, 'issue', '/api/v1/projects/{project}/issues/{issue}', scoped(scope), { issue: Number(issue) });

/** One event of an issue, whenever it happened. */
export const issueEventQuery = (project: number, issue: string, event: string) =>
  projectQuery(project, 'issue event', '/api/v1/projects/{project}/issues/{issue}/events/{event}', undefined, { issue: Number(issue), event });

/** One event of an issue as the API returns it, to the letter: no digit of a long number is lost. */
export const rawEventQuery = (project: number, issue: number, event: string) =>
  queryOptions({
    queryKey: [...projectKey(project), 'raw event', issue, event],
    queryFn: ({ signal }) => getText(rawEventAddress(project, issue, event), signal),
    meta: { live: false },
  });

export const rawEventAddress = (project: number, issue: number, event: string) =>
  addressOf('/api/v1/projects/{project}/issues/{issue}/events/{event}', { project, issue, event });

export const issueTagsQuery = (project: number, issue: number, scope: Partial<Scope>) =>
  projectQuery(project, 'issue tags', '/api/v1/projects/{project}/issues/{issue}/tags', scoped(scope), { issue });

export const issueGroupsQuery = (project: number, issue: number) =>
  projectQuery(project, 'issue groups', '/api/v1/projects/{project}/issues/{issue}/groups', undefined, { issue });

/** More than most traces log. */
const LINES = 500;

/** `count` is what the trace says of itself: more lines are another question. */
export const logsPagesQuery = (project: number, trace: string, count: number) =>
  infiniteQueryOptions({
    queryKey: [...projectKey(project), 'logs', trace, count],
    queryFn: ({ pageParam, signal }) =>
      api.get('/api/v1/projects/{project}/traces/{trace}/logs', {
        path: { project, trace },
        query: { limit: LINES, cursor: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    meta: { live: false },
  });

export const metricsQuery = (project: number, range: RangeSpan) =>
  projectQuery(project, 'metrics', '/api/v1/projects/{project}/metrics', { from: range.from, to: range.to });

export const metricSeriesQuery = (
  project: number,
  range: RangeSpan,
  bucket: Bucket,
  { name, unit, kind }: Pick<Metric, 'name' | 'unit' | 'kind'>,
  measures: readonly MetricMeasure[],
  groupBy?: string,
) => {
  const query = { from: range.from, to: range.to, bucket, name, unit, kind, measure: measures.join(','), group_by: groupBy };
  return queryOptions({
    queryKey: [...projectKey(project), 'metric series', query],
    // An empty unit is a unit too, where another metric of the name has one.
    queryFn: ({ signal }) =>
      api.get('/api/v1/projects/{project}/metrics/series', { path: { project }, query, evenEmpty: ['unit'], signal }),
    placeholderData: keepPreviousData,
  });
};

export const outcomesQuery = (project: number, range: RangeSpan) =>
  projectQuery(project, 'outcomes', '/api/v1/projects/{project}/outcomes', { from: range.from, to: range.to });

export const hintsQuery = (project: number) => projectQuery(project, 'hints', '/api/v1/projects/{project}/hints', undefined);

export const keysQuery = (project: number) => projectQuery(project, 'keys', '/api/v1/projects/{project}/keys', undefined);

export const pricesQuery = (project: number) => projectQuery(project, 'prices', '/api/v1/projects/{project}/prices', undefined);

export const unpricedQuery = (project: number, range: RangeSpan) =>
  projectQuery(project, 'unpriced', '/api/v1/projects/{project}/prices/unpriced', { from: range.from, to: range.to });

export const billQuery = (project: number, range: RangeSpan) =>
  projectQuery(project, 'bill', '/api/v1/projects/{project}/bill', { from: range.from, to: range.to });

/** Takes in a file as it is. */
export function useImportBill(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (file: File) => api.post('/api/v1/projects/{project}/bill', { path: { project }, query: { name: file.name }, file }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...projectKey(project), 'bill'] }),
  });
}

export const tokensQuery = queryOptions({
  queryKey: ['tokens'],
  queryFn: ({ signal }) => api.get('/api/v1/tokens', { signal }),
});

export const sessionsQuery = queryOptions({
  queryKey: ['sessions'],
  queryFn: ({ signal }) => api.get('/api/v1/sessions', { signal }),
});

/** Ends an API token or a session. */
export function useRevoke(what: 'tokens' | 'sessions') {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: number) =>
      what === 'tokens'
        ? api.delete('/api/v1/tokens/{token}', { path: { token: id } })
        : api.delete('/api/v1/sessions/{session}', { path: { session: id } }),
    onSuccess: () => client.invalidateQueries({ queryKey: [what] }),
  });
}

export const systemQuery = queryOptions({
  queryKey: ['system'],
  queryFn: ({ signal }) => api.get('/api/v1/system', { signal }),
  refetchInterval: 10_000,
});

export function useCreateProject() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => api.post('/api/v1/projects', { body: { name } }),
    onSuccess: () => client.invalidateQueries({ queryKey: meQuery.queryKey }),
  });
}

export function useUpdateProject(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (patch: ProjectPatch) => api.patch('/api/v1/projects/{project}', { path: { project }, body: patch }),
    onSuccess: () => client.invalidateQueries({ queryKey: meQuery.queryKey }),
  });
}

/** Marks a trace as one that stays, or takes the mark away. */
export function usePin(project: number, trace: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (pin: boolean) => (pin ? api.put : api.delete)('/api/v1/projects/{project}/traces/{trace}/pin', { path: { project, trace } }),
    onSuccess: () => client.invalidateQueries({ queryKey: projectKey(project) }),
  });
}

/** Deletes a trace from every file. */
export function useDeleteTrace(project: number, trace: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => api.delete('/api/v1/projects/{project}/traces/{trace}', { path: { project, trace } }),
    onSuccess: () => client.invalidateQueries({ queryKey: projectKey(project), refetchType: 'none' }),
  });
}

/** What was deleted before its time, the newest first. */
export const deletionsQuery = queryOptions({
  queryKey: ['deletions'],
  queryFn: ({ signal }) => api.get('/api/v1/deletions', { signal }),
});

export function useCreateKey(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => api.post('/api/v1/projects/{project}/keys', { path: { project }, body: { name } }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...projectKey(project), 'keys'] }),
  });
}

export function useUpdateKey(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ key, patch }: { key: number; patch: KeyPatch }) =>
      api.patch('/api/v1/projects/{project}/keys/{key}', { path: { project, key }, body: patch }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...projectKey(project), 'keys'] }),
  });
}

/** Replaces a key. The DSN of the project has the new one. */
export function useRotateKey(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ key, ...body }: { key: number; old_key_expires_in: string }) =>
      api.post('/api/v1/projects/{project}/keys/{key}/rotate', { path: { project, key }, body }),
    onSuccess: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: [...projectKey(project), 'keys'] }),
        client.invalidateQueries({ queryKey: meQuery.queryKey }),
      ]),
  });
}

export function useDeleteKey(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (key: number) => api.delete('/api/v1/projects/{project}/keys/{key}', { path: { project, key } }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...projectKey(project), 'keys'] }),
  });
}

export const forwardsQuery = (project: number) =>
  projectQuery(project, 'forwards', '/api/v1/projects/{project}/forwards', undefined);

export function useSaveForward(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, draft }: { id: number | null; draft: ForwardDraft }) =>
      id === null
        ? api.post('/api/v1/projects/{project}/forwards', { path: { project }, body: draft })
        : api.put('/api/v1/projects/{project}/forwards/{forward}', { path: { project, forward: id }, body: draft }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...projectKey(project), 'forwards'] }),
  });
}

export function useDeleteForward(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (forward: number) => api.delete('/api/v1/projects/{project}/forwards/{forward}', { path: { project, forward } }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...projectKey(project), 'forwards'] }),
  });
}

export const mappingQuery = (project: number) => projectQuery(project, 'mapping', '/api/v1/projects/{project}/mapping', undefined);

export function useSaveMapping(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (text: string) => api.put('/api/v1/projects/{project}/mapping', { path: { project }, body: { text } }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...projectKey(project), 'mapping'] }),
  });
}

export function usePreviewMapping(project: number) {
  return useMutation({
    mutationFn: (body: MappingPreview) => api.post('/api/v1/projects/{project}/mapping/preview', { path: { project }, body }),
  });
}

/** Prices changed: the list, what has none, and from now on the costs of what comes in. */
function usePriceChange<In, Out>(project: number, mutationFn: (value: In) => Promise<Out>) {
  const client = useQueryClient();
  return useMutation({ mutationFn, onSuccess: () => client.invalidateQueries({ queryKey: projectKey(project) }) });
}

export const useSetPrice = (project: number) =>
  usePriceChange(project, (price: NewPrice) => api.post('/api/v1/projects/{project}/prices', { path: { project }, body: price }));

export const useEndPrice = (project: number) =>
  usePriceChange(project, ({ id, until }: { id: number; until: string }) =>
    api.patch('/api/v1/projects/{project}/prices/{price}', { path: { project, price: id }, body: { until } }),
  );

export const useDeletePrice = (project: number) =>
  usePriceChange(project, (price: number) => api.delete('/api/v1/projects/{project}/prices/{price}', { path: { project, price } }));

// Repricing returns what changed, or the job if the request does not wait for it.

/** What pricing again would change. */
export const useTryReprice = (project: number) =>
  useMutation({
    mutationFn: (range: RepriceRange) =>
      api.post('/api/v1/projects/{project}/reprice', { path: { project }, body: { ...range, dry_run: true } }) as Promise<Repriced>,
  });

/** Which calls: days, or moments; null for an open end. */
export type RepriceRange = { from: string | null; to: string | null };

/** The job that last priced calls of a project again; asked for once a second while it runs. */
export const repriceJobQuery = (project: number) =>
  queryOptions({
    queryKey: [...projectKey(project), 'reprice job'],
    queryFn: ({ signal }) => api.get('/api/v1/jobs', { query: { project, kind: 'reprice', limit: 1 }, signal }),
    refetchInterval: ({ state }) => (state.data?.jobs[0] && !hasEnded(state.data.jobs[0]) ? 1000 : false),
    select: ({ jobs }) => jobs[0] ?? null,
  });

function useRepriceJob<In>(project: number, mutationFn: (value: In) => Promise<RepriceJob>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn,
    onSuccess: (job) => client.setQueryData(repriceJobQuery(project).queryKey, { jobs: [job], next_cursor: null }),
  });
}

/** Has the server price calls again; it goes on when the page is left. */
export const useReprice = (project: number) =>
  useRepriceJob(project, (range: RepriceRange) =>
    api.post('/api/v1/projects/{project}/reprice', { path: { project }, body: { ...range, wait: false } }) as Promise<RepriceJob>,
  );

export const useCancelJob = (project: number) =>
  useRepriceJob(project, (job: number) => api.delete('/api/v1/jobs/{job}', { path: { job } }));
