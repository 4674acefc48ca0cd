import { infiniteQueryOptions, keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import type {
  Budget,
  BudgetDraft,
  Delivery,
  DeliveryState,
  Entry,
  Incident,
  IncidentChart,
  Incidents,
  Rule,
  RuleDraft,
  Target,
  TargetDraft,
  Tried,
} from './alert-types';
import { api } from './client';
import { projectKey } from './queries';

/** What rings changes by the clock too, so that these are asked again without a change of the project. */
const AGAIN_MS = 15_000;

const at = (project: number) => `/projects/${project}/alerts`;
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

/** What a rule does not say comes as null; here it is left out, as in a rule that is written. */
function asWritten(rule: Rule): Rule {
  const { now, severity, muted_until, ...said } = rule;
  const written = Object.entries(said).filter(([, value]) => value !== null);
  return { ...(Object.fromEntries(written) as typeof said), now, severity, muted_until };
}

export const rulesQuery = (project: number) =>
  queryOptions({
    queryKey: key(project, 'rules'),
    queryFn: async ({ signal }) => {
      const { rules } = await api<{ rules: Rule[] }>(`${at(project)}/rules`, { signal });
      return { rules: rules.map(asWritten) };
    },
    refetchInterval: AGAIN_MS,
  });

/** A rule tried on what is stored. Live changes leave it alone: it is about the past, and takes a moment. */
export const triedQuery = (project: number, rule: RuleDraft, back: string) =>
  queryOptions({
    queryKey: key(project, 'tried', rule, back),
    queryFn: ({ signal }) => api<Tried>(`${at(project)}/preview`, { method: 'POST', body: { rule, back }, signal }),
    staleTime: 60_000,
    placeholderData: keepPreviousData,
    retry: false,
    meta: { live: false },
  });

export const budgetsQuery = (project: number) =>
  queryOptions({
    queryKey: key(project, 'budgets'),
    queryFn: ({ signal }) => api<{ budgets: Budget[] }>(`${at(project)}/budgets`, { signal }),
    refetchInterval: AGAIN_MS,
  });

/** What is open now: few, and shown on every page. */
export const openIncidentsQuery = (project: number) =>
  queryOptions({
    queryKey: key(project, 'incidents', 'open'),
    queryFn: ({ signal }) => api<Incidents>(`${at(project)}/incidents`, { params: { state: 'open', limit: 50 }, signal }),
    refetchInterval: AGAIN_MS,
    retry: false,
  });

export const incidentsPagesQuery = (project: number, state?: 'open' | 'resolved', rule?: number) =>
  infiniteQueryOptions({
    queryKey: key(project, 'incidents', 'pages', state, rule),
    queryFn: ({ pageParam, signal }) =>
      api<Incidents>(`${at(project)}/incidents`, { params: { state, rule, before: pageParam, limit: 50 }, signal }),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => last.next_before ?? undefined,
    placeholderData: keepPreviousData,
  });

export const incidentQuery = (project: number, incident: string) =>
  queryOptions({
    queryKey: key(project, 'incidents', incident),
    queryFn: ({ signal }) =>
      api<{ incident: Incident; timeline: Entry[] }>(`${at(project)}/incidents/${encodeURIComponent(incident)}`, { signal }),
    refetchInterval: AGAIN_MS,
  });

export const incidentChartQuery = (project: number, incident: number) =>
  queryOptions({
    queryKey: key(project, 'incidents', incident, 'chart'),
    queryFn: ({ signal }) => api<IncidentChart>(`${at(project)}/incidents/${incident}/chart`, { signal }),
    staleTime: 30_000,
    retry: false,
    meta: { live: false },
  });

export const targetsQuery = (project: number) =>
  queryOptions({
    queryKey: key(project, 'targets'),
    queryFn: ({ signal }) => api<{ targets: Target[] }>(`${at(project)}/targets`, { signal }),
  });

export interface DeliveriesAsked {
  incident?: string;
  target?: string;
  state?: DeliveryState;
}

export const deliveriesPagesQuery = (project: number, asked: DeliveriesAsked = {}, limit = 50) =>
  infiniteQueryOptions({
    queryKey: key(project, 'deliveries', asked, limit),
    queryFn: ({ pageParam, signal }) =>
      api<{ deliveries: Delivery[]; next_cursor: string | null }>(`${at(project)}/deliveries`, {
        params: { ...asked, cursor: pageParam, limit },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
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

function saver<Draft, Kept>(project: number, what: string) {
  return ({ id, draft }: Saved<Draft>) =>
    id === null
      ? api<Kept>(`${at(project)}/${what}`, { method: 'POST', body: draft })
      : api<Kept>(`${at(project)}/${what}/${id}`, { method: 'PUT', body: draft });
}

export const useSaveRule = (project: number) => useChange(project, saver<RuleDraft, Rule>(project, 'rules'));
export const useSaveBudget = (project: number) => useChange(project, saver<BudgetDraft, Budget>(project, 'budgets'));
export const useSaveTarget = (project: number) => useChange(project, saver<TargetDraft, Target>(project, 'targets'));

export const useRemove = (project: number, what: 'rules' | 'budgets' | 'targets') =>
  useChange(project, (id: number) => api<void>(`${at(project)}/${what}/${id}`, { method: 'DELETE' }));

export const useTestTarget = (project: number) =>
  useChange(project, (id: number) => api<Delivery>(`${at(project)}/targets/${id}/test`, { method: 'POST' }));

/** For so long nobody is told; null ends that. */
export const useMute = (project: number, what: 'rules' | 'budgets') =>
  useChange(project, ({ id, length }: { id: number; length: string | null }) =>
    length === null
      ? api<void>(`${at(project)}/${what}/${id}/mute`, { method: 'DELETE' })
      : api<void>(`${at(project)}/${what}/${id}/mute`, { method: 'POST', body: { for: length } }),
  );

export type Deed = { deed: 'acknowledge' | 'resolve' } | { deed: 'notes'; text: string } | { deed: 'snooze'; length: string | null };

export const useDeed = (project: number, incident: number) =>
  useChange(project, (deed: Deed) => {
    const path = `${at(project)}/incidents/${incident}`;
    if (deed.deed === 'notes') return api<Incident>(`${path}/notes`, { method: 'POST', body: { text: deed.text } });
    if (deed.deed === 'snooze') {
      return deed.length === null
        ? api<Incident>(`${path}/snooze`, { method: 'DELETE' })
        : api<Incident>(`${path}/snooze`, { method: 'POST', body: { for: deed.length } });
    }
    return api<Incident>(`${path}/${deed.deed}`, { method: 'POST', body: {} });
  });
