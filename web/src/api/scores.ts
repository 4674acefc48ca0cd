import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from './client';
import { projectKey } from './queries';
import type { ScoreDefinitionDraft } from './types';

/* Scores: what people, programs and models say of answers. */

/** A score that the person who is signed in gives. */
export interface OwnScore {
  trace: string;
  /** Null for the whole trace. */
  span: string | null;
  name: string;
  value?: boolean | number;
  /** The text of a note. */
  comment?: string;
}

const bodyOf = ({ trace, span, name, value, comment }: OwnScore) => ({
  trace_id: trace,
  span_id: span,
  name,
  source: 'annotation',
  ...(value === undefined ? { data_type: 'text', comment } : { value }),
});

export function useScore(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (score: OwnScore) => api.post('/api/v1/projects/{project}/scores', { path: { project }, body: bodyOf(score) }),
    onSuccess: () => client.invalidateQueries({ queryKey: projectKey(project) }),
  });
}

export function useDeleteScore(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (score: string) =>
      api.delete('/api/v1/projects/{project}/scores/{score}', { path: { project, score } }),
    onSuccess: () => client.invalidateQueries({ queryKey: projectKey(project) }),
  });
}

export const scoreSummaryQuery = (project: number, range: { from: string; to: string }) =>
  queryOptions({
    queryKey: [...projectKey(project), 'scores', 'summary', range],
    queryFn: ({ signal }) => api.get('/api/v1/projects/{project}/scores/summary', { path: { project }, query: range, signal }),
  });

/** The mean of the scores with a name over time. */
export const scoreSeriesQuery = (project: number, range: { from: string; to: string }, bucket: string, name: string) =>
  queryOptions({
    queryKey: [...projectKey(project), 'scores', 'series', range, bucket, name],
    queryFn: ({ signal }) =>
      api.get('/api/v1/projects/{project}/series', { path: { project }, query: { ...range, bucket, measure: 'score', name }, signal }),
  });

const definitionsKey = (project: number) => [...projectKey(project), 'score definitions'] as const;

export const definitionsQuery = (project: number) =>
  queryOptions({
    queryKey: definitionsKey(project),
    queryFn: ({ signal }) => api.get('/api/v1/projects/{project}/score-definitions', { path: { project }, signal }),
    meta: { live: false },
  });

export function useCreateDefinition(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: ScoreDefinitionDraft) => api.post('/api/v1/projects/{project}/score-definitions', { path: { project }, body }),
    onSuccess: () => client.invalidateQueries({ queryKey: projectKey(project) }),
  });
}

export function useDeleteDefinition(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (definition: string) =>
      api.delete('/api/v1/projects/{project}/score-definitions/{definition}', { path: { project, definition } }),
    onSuccess: () => client.invalidateQueries({ queryKey: projectKey(project) }),
  });
}
