import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api } from './client';
import { projectKey, type Scope } from './queries';
import type { FindingKind } from './types';

/* Findings: faults that the spans of runs show. */

const scoped = ({ from, to, q }: Scope) => ({ from, to, q });

/** Figures of findings by kind. */
export const findingSummaryQuery = (project: number, scope: Scope) =>
  queryOptions({
    queryKey: [...projectKey(project), 'findings', 'summary', scope],
    queryFn: ({ signal }) =>
      api.get('/api/v1/projects/{project}/findings/summary', { path: { project }, query: scoped(scope), signal }),
    placeholderData: keepPreviousData,
  });

const PAGE_SIZE = 50;

/** The findings of one kind, the newest first, page after page. */
export const findingPagesQuery = (project: number, scope: Scope, kind: FindingKind) =>
  infiniteQueryOptions({
    queryKey: [...projectKey(project), 'findings', 'pages', scope, kind],
    queryFn: ({ pageParam, signal }) =>
      api.get('/api/v1/projects/{project}/findings', {
        path: { project },
        query: { ...scoped(scope), kind, limit: PAGE_SIZE, cursor: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
