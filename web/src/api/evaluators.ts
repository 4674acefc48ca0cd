import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { api } from './client';
import { projectKey } from './queries';
import type { EvaluatorDraft } from './types';

/* Evaluators: what scores answers in the background. */

/** How often a running job is asked for, in milliseconds. */
const JOB_MS = 1000;

const key = (project: number, ...rest: unknown[]) => [...projectKey(project), 'evaluators', ...rest];

export const evaluatorsQuery = (project: number) =>
  queryOptions({
    queryKey: key(project, 'list'),
    queryFn: ({ signal }) => api.get('/api/v1/projects/{project}/evaluators', { path: { project }, signal }),
  });

/** What an evaluator would select and say of stored data. Live changes leave it alone. */
export const evaluatorPreviewQuery = (project: number, draft: EvaluatorDraft, range: { from: string; to: string }) =>
  queryOptions({
    queryKey: key(project, 'preview', draft, range),
    queryFn: ({ signal }) =>
      api.post('/api/v1/projects/{project}/evaluators/preview', { path: { project }, query: range, body: draft, signal }),
    staleTime: 60_000,
    placeholderData: keepPreviousData,
    retry: false,
    meta: { live: false },
  });

/** The job that last evaluated stored data of a project, asked for once a second while it runs. */
export const evaluationJobQuery = (project: number) =>
  queryOptions({
    queryKey: key(project, 'job'),
    queryFn: ({ signal }) => api.get('/api/v1/jobs', { query: { project, kind: 'evaluate', limit: 1 }, signal }),
    refetchInterval: ({ state }) => (state.data?.jobs[0]?.ended_at === null ? JOB_MS : false),
    select: ({ jobs }) => jobs[0] ?? null,
  });

function useChange<Input, Output>(project: number, change: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSettled: () => {
      // Not awaited: what follows a change, such as leaving the page of what was deleted, comes first.
      void client.invalidateQueries({ queryKey: key(project) });
    },
  });
}

export const useSaveEvaluator = (project: number) =>
  useChange(project, ({ id, draft }: { id: number | null; draft: EvaluatorDraft }) =>
    id === null
      ? api.post('/api/v1/projects/{project}/evaluators', { path: { project }, body: draft })
      : api.put('/api/v1/projects/{project}/evaluators/{evaluator}', { path: { project, evaluator: id }, body: draft }),
  );

export const useDeleteEvaluator = (project: number) =>
  useChange(project, (evaluator: number) =>
    api.delete('/api/v1/projects/{project}/evaluators/{evaluator}', { path: { project, evaluator } }),
  );

export const useBackfill = (project: number, evaluator: number) =>
  useChange(project, (range: { from: string; to: string }) =>
    api.post('/api/v1/projects/{project}/evaluators/{evaluator}/backfill', { path: { project, evaluator }, body: range }),
  );

export const useCancelEvaluation = (project: number) =>
  useChange(project, (job: number) => api.delete('/api/v1/jobs/{job}', { path: { job } }));
