import { useMutation, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { api } from './client';
import { projectKey } from './queries';
import type { IssueGroup } from './types';

/** After issues were merged or split, their numbers lead to other issues than before. */
function forgetIssues(client: QueryClient, project: number) {
  client.removeQueries({ queryKey: [...projectKey(project), 'issue'], type: 'inactive' });
  return client.invalidateQueries({ queryKey: projectKey(project) });
}

const mergeIssues = (project: number, into: number, issues: number[]) =>
  api.post('/api/v1/projects/{project}/issues/{issue}/merge', { path: { project, issue: into }, body: { issues } });

const splitIssue = (project: number, issue: number, groups: string[]) =>
  api.post('/api/v1/projects/{project}/issues/{issue}/split', { path: { project, issue }, body: { groups } });

const groupsOf = (project: number, issue: number) =>
  api.get('/api/v1/projects/{project}/issues/{issue}/groups', { path: { project, issue } });

/** A merge, as it has to be known to undo it. */
export interface IssueMerge {
  into: number;
  /** The issues that became part of it, each with the issues that were part of it before. */
  merged: { issue: number; parts: number[] }[];
}

/** The issues that were merged into one, as its groups name them. */
export const mergedNumbers = (groups: readonly Pick<IssueGroup, 'issue_id'>[]) => [
  ...new Set(groups.flatMap(({ issue_id: issue }) => (issue === null ? [] : [issue]))),
];

/** Makes issues part of another one. */
export function useMergeIssues(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ into, issues }: { into: number; issues: number[] }): Promise<IssueMerge> => {
      const merged = await Promise.all(
        issues.map(async (issue) => ({ issue, parts: mergedNumbers((await groupsOf(project, issue)).groups) })),
      );
      await mergeIssues(project, into, issues);
      return { into, merged };
    },
    onSuccess: () => forgetIssues(client, project),
  });
}

/** Makes the issues of a merge issues of their own again. */
export function useUndoMerge(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ into, merged }: IssueMerge) => {
      const moved = new Set(merged.flatMap(({ issue, parts }) => [issue, ...parts]));
      const { groups } = await groupsOf(project, into);
      const own = groups.filter(({ issue_id: issue }) => issue !== null && moved.has(issue));
      // Nothing is left to undo if somebody split them off meanwhile.
      if (own.length === 0) return;
      await splitIssue(project, into, own.map(({ group_id: group }) => group));
      // What was merged into one of them before is part of it again.
      for (const { issue, parts } of merged) if (parts.length > 0) await mergeIssues(project, issue, parts);
    },
    onSettled: () => forgetIssues(client, project),
  });
}

/** Makes groups of events issues of their own again; `onDone` runs even if the group is no longer on the page. */
export function useSplitIssue(project: number, issue: number, onDone: (answer: { issue_ids: number[] }) => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (groups: string[]) => splitIssue(project, issue, groups),
    onSuccess: (answer) => {
      onDone(answer);
      return forgetIssues(client, project);
    },
  });
}
