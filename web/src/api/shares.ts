import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { addressOf, api } from './client';
import { projectKey } from './queries';

/* Share links: how members manage them, and what somebody without an account gets with one. */

const sharesKey = (project: number, trace: string) => [...projectKey(project), 'shares', trace] as const;

/** The links to a trace that work. */
export const sharesQuery = (project: number, trace: string) =>
  queryOptions({
    queryKey: sharesKey(project, trace),
    queryFn: ({ signal }) => api.get('/api/v1/projects/{project}/shares', { path: { project }, query: { trace }, signal }),
    meta: { live: false },
  });

export interface NewShare {
  messages: boolean;
  expires_in: string;
}

export function useCreateShare(project: number, trace: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (share: NewShare) =>
      api.post('/api/v1/projects/{project}/shares', { path: { project }, body: { target: 'trace', id: trace, ...share } }),
    onSuccess: () => client.invalidateQueries({ queryKey: sharesKey(project, trace) }),
  });
}

export function useRevokeShare(project: number, trace: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (share: number) => api.delete('/api/v1/projects/{project}/shares/{share}', { path: { project, share } }),
    onSettled: () => client.invalidateQueries({ queryKey: sharesKey(project, trace) }),
  });
}

/** The trace that a link opens. */
export const sharedTraceQuery = (token: string) =>
  queryOptions({
    queryKey: ['share', token],
    queryFn: ({ signal }) => api.get('/api/v1/share/{token}', { path: { token }, signal }),
    staleTime: 60_000,
    retry: false,
  });

export const sharedSpanQuery = (token: string, span: string) =>
  queryOptions({
    queryKey: ['share', token, 'span', span],
    queryFn: ({ signal }) => api.get('/api/v1/share/{token}/spans/{span}', { path: { token, span }, signal }),
    staleTime: 60_000,
    retry: false,
  });

export const sharedLogsQuery = (token: string) =>
  infiniteQueryOptions({
    queryKey: ['share', token, 'logs'],
    queryFn: ({ pageParam, signal }) =>
      api.get('/api/v1/share/{token}/logs', { path: { token }, query: { limit: 500, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    staleTime: 60_000,
    retry: false,
  });

export const sharedMediaAddress = (token: string, mediaId: string) =>
  addressOf('/api/v1/share/{token}/media/{media_id}', { token, media_id: mediaId });
