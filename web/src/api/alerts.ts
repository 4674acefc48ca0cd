import { infiniteQueryOptions, keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from './client';
import { projectKey } from './queries';
import type { BudgetDraft, DeliveryState, Rule, RuleDraft, ChannelDraft } from './types';

/** What rings changes by the clock too, so that these are asked again without a change of the project. */
const AGAIN_MS = 15_000;

const key = (project: number, ...rest: unknown[]) => [...projectKey(project), 'alerts', ...rest];

/** What of a rule was written, without how it stands. */
export function draftOf(rule: Rule): RuleDraft {
  const {
    id: _i,
    project_id: _p,
    muted_until: _m,
    created_at: _c,
    updated_at: _u,
    now: _n,
    severity: _s,
    open_incidents: _o,
    ...draft
  } = rule;
  return draft;
}

export const rulesQuery = (project: number) =>
  queryOptions({
    queryKey: key(project, 'rules'),
    queryFn: ({ signal }) => api.get('/api/v1/projects/{project}/alerts/rules', { path: { project }, signal }),
    refetchInterval: AGAIN_MS,
  });

/** A rule tried on what is stored. Live changes leave it alone: it is about the past, and takes a moment. */
export const triedQuery = (project: number, rule: RuleDraft, back: string) =>
  queryOptions({
    queryKey: key(project, 'tried', rule, back),
    queryFn: ({ signal }) => api.post('/api/v1/projects/{project}/alerts/preview', { path: { project }, body: { rule, back }, signal }),
    staleTime: 60_000,
    placeholderData: keepPreviousData,
    retry: false,
    meta: { live: false },
  });

export const budgetsQuery = (project: number) =>
  queryOptions({
    queryKey: key(project, 'budgets'),
    queryFn: ({ signal }) => api.get('/api/v1/projects/{project}/alerts/budgets', { path: { project }, signal }),
    refetchInterval: AGAIN_MS,
  });

/** What is open now: few, and shown on every page. */
export const openIncidentsQuery = (project: number) =>
  queryOptions({
    queryKey: key(project, 'incidents', 'open'),
    queryFn: ({ signal }) => api.get('/api/v1/projects/{project}/alerts/incidents', { path: { project }, query: { state: 'open', limit: 50 }, signal }),
    refetchInterval: AGAIN_MS,
    retry: false,
  });

export const incidentsPagesQuery = (project: number, state?: 'open' | 'resolved', rule?: number) =>
  infiniteQueryOptions({
    queryKey: key(project, 'incidents', 'pages', state, rule),
    queryFn: ({ pageParam, signal }) =>
      api.get('/api/v1/projects/{project}/alerts/incidents', { path: { project }, query: { state, rule, before: pageParam, limit: 50 }, signal }),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => last.next_before ?? undefined,
    placeholderData: keepPreviousData,
  });

export const incidentQuery = (project: number, incident: string) =>
  queryOptions({
    queryKey: key(project, 'incidents', incident),
    queryFn: ({ signal }) =>
      api.get('/api/v1/projects/{project}/alerts/incidents/{incident}', { path: { project, incident: Number(incident) }, signal }),
    refetchInterval: AGAIN_MS,
  });

export const incidentChartQuery = (project: number, incident: number) =>
  queryOptions({
    queryKey: key(project, 'incidents', incident, 'chart'),
    queryFn: ({ signal }) => api.get('/api/v1/projects/{project}/alerts/incidents/{incident}/chart', { path: { project, incident }, signal }),
    staleTime: 30_000,
    retry: false,
    meta: { live: false },
  });

export const channelsQuery = (project: number) =>
  queryOptions({
    queryKey: key(project, 'targets'),
    queryFn: ({ signal }) => api.get('/api/v1/projects/{project}/alerts/targets', { path: { project }, signal }),
  });

export interface DeliveriesAsked {
  incident?: number;
  target?: number;
  state?: DeliveryState;
}

export const deliveriesPagesQuery = (project: number, asked: DeliveriesAsked = {}, limit = 50) =>
  infiniteQueryOptions({
    queryKey: key(project, 'deliveries', asked, limit),
    queryFn: ({ pageParam, signal }) =>
      api.get('/api/v1/projects/{project}/alerts/deliveries', {
        path: { project },
        query: { ...asked, cursor: pageParam, limit },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: AGAIN_MS,
  });

/** A change of something of alerts; all that is shown of them is asked again after it. */
function useChange<Input, Output>(project: number, change: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSettled: () => client.invalidateQueries({ queryKey: key(project) }),
  });
}

interface Saved<Draft> {
  /** Null makes a new one. */
  id: number | null;
  draft: Draft;
}

export const useSaveRule = (project: number) =>
  useChange(project, ({ id, draft: body }: Saved<RuleDraft>) =>
    id === null
      ? api.post('/api/v1/projects/{project}/alerts/rules', { path: { project }, body })
      : api.put('/api/v1/projects/{project}/alerts/rules/{id}', { path: { project, id }, body }),
  );

export const useSaveBudget = (project: number) =>
  useChange(project, ({ id, draft: body }: Saved<BudgetDraft>) =>
    id === null
      ? api.post('/api/v1/projects/{project}/alerts/budgets', { path: { project }, body })
      : api.put('/api/v1/projects/{project}/alerts/budgets/{id}', { path: { project, id }, body }),
  );

export const useSaveChannel = (project: number) =>
  useChange(project, ({ id, draft: body }: Saved<ChannelDraft>) =>
    id === null
      ? api.post('/api/v1/projects/{project}/alerts/targets', { path: { project }, body })
      : api.put('/api/v1/projects/{project}/alerts/targets/{target}', { path: { project, target: id }, body }),
  );

export const useRemove = (project: number, what: 'rules' | 'budgets' | 'targets') =>
  useChange(project, (id: number) =>
    what === 'targets'
      ? api.delete('/api/v1/projects/{project}/alerts/targets/{target}', { path: { project, target: id } })
      : api.delete(`/api/v1/projects/{project}/alerts/${what}/{id}`, { path: { project, id } }),
  );

export const useTestChannel = (project: number) =>
  useChange(project, (id: number) => api.post('/api/v1/projects/{project}/alerts/targets/{target}/test', { path: { project, target: id } }));

/** For so long nobody is told; null ends that. */
export const useMute = (project: number, what: 'rules' | 'budgets') =>
  useChange(project, ({ id, length }: { id: number; length: string | null }) =>
    length === null
      ? api.delete(`/api/v1/projects/{project}/alerts/${what}/{id}/mute`, { path: { project, id } })
      : api.post(`/api/v1/projects/{project}/alerts/${what}/{id}/mute`, { path: { project, id }, body: { for: length } }),
  );

export type Deed = { deed: 'acknowledge' | 'resolve' } | { deed: 'notes'; text: string } | { deed: 'snooze'; length: string | null };

export const useDeed = (project: number, incident: number) =>
  useChange(project, (deed: Deed) => {
    const path = { project, incident };
    switch (deed.deed) {
      case 'notes':
        return api.post('/api/v1/projects/{project}/alerts/incidents/{incident}/notes', { path, body: { text: deed.text } });
      case 'snooze':
        return deed.length === null
          ? api.delete('/api/v1/projects/{project}/alerts/incidents/{incident}/snooze', { path })
          : api.post('/api/v1/projects/{project}/alerts/incidents/{incident}/snooze', { path, body: { for: deed.length } });
      default:
        return api.post(`/api/v1/projects/{project}/alerts/incidents/{incident}/${deed.deed}`, { path, body: {} });
    }
  });
