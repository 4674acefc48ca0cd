import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, expect, it, vi } from 'vitest';
import { mergedNumbers, useMergeIssues, useUndoMerge } from './issue-merges';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** A server with these groups of each issue; answers what it was asked to change. */
function serve(groups: Record<number, { group_id: string; issue_id: number | null }[]>) {
  const changes: [string, unknown][] = [];
  vi.stubGlobal('fetch', async (address: string | URL | Request, options?: RequestInit) => {
    const { pathname } = new URL(String(address), 'http://page');
    const [, issue = '', what = ''] = /issues\/(\d+)\/(\w+)$/.exec(pathname) ?? [];
    if (what === 'groups') return new Response(JSON.stringify({ groups: groups[Number(issue)] }));
    changes.push([`${issue} ${what}`, JSON.parse(String(options?.body))]);
    return new Response(JSON.stringify(what === 'merge' ? { issue_id: Number(issue) } : { issue_ids: [] }));
  });
  return changes;
}

const rendered = <Result,>(hook: () => Result) => {
  const client = new QueryClient();
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>;
  return renderHook(hook, { wrapper }).result;
};

it('names each merged issue once', () => {
  expect(mergedNumbers([{ issue_id: null }, { issue_id: 9 }, { issue_id: 4 }, { issue_id: 9 }])).toEqual([9, 4]);
});

it('undoes a merge, and leaves earlier merges as they were', async () => {
  const groups = {
    6: [{ group_id: 'f6', issue_id: null }, { group_id: 'f2', issue_id: 2 }],
    9: [{ group_id: 'f9', issue_id: null }, { group_id: 'f4', issue_id: 4 }],
  };
  const changes = serve(groups);
  const merge = rendered(() => useMergeIssues(1));
  const done = await merge.current.mutateAsync({ into: 6, issues: [9] });
  expect(changes).toEqual([['6 merge', { issues: [9] }]]);

  groups[6] = [...groups[6], { group_id: 'f9', issue_id: 9 }, { group_id: 'f4', issue_id: 4 }];
  const undo = rendered(() => useUndoMerge(1));
  undo.current.mutate(done);
  await waitFor(() => expect(undo.current.isSuccess).toBe(true));
  expect(changes.slice(1)).toEqual([
    ['6 split', { groups: ['f9', 'f4'] }],
    ['9 merge', { issues: [4] }],
  ]);
});
