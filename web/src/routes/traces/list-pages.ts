import { useInfiniteQuery, useQueryClient, type InfiniteData } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { api } from '../../api/client';
import { useLiveChange } from '../../api/live';
import { PAGE, spansPagesQuery, tracesPagesQuery, type Scope } from '../../api/queries';
import type { Span, SpanPage, TracePage, TraceSummary } from '../../api/types';

export const NEWEST = '-start_time';

/** A row of either list. */
export type ListRow = { of: 'traces'; id: string; trace: TraceSummary } | { of: 'spans'; id: string; span: Span };

export type RowKind = ListRow['of'];

type RowPage = Omit<TracePage & SpanPage, RowKind> & Partial<Pick<TracePage & SpanPage, RowKind>>;

function listRowsOf({ traces, spans }: RowPage): ListRow[] {
  return [
    ...(traces ?? []).map((trace): ListRow => ({ of: 'traces', id: trace.trace_id, trace })),
    ...(spans ?? []).map((span): ListRow => ({ of: 'spans', id: `${span.trace_id} ${span.span_id}`, span })),
  ];
}

/** A row that stands on two pages, since it moved between them, is one row. */
export function withoutRepeats(rows: ListRow[]): ListRow[] {
  const seen = new Set<string>();
  return rows.filter(({ id }) => !seen.has(id) && seen.add(id));
}

const rowStart = (row: ListRow) => (row.of === 'traces' ? row.trace.start_time : row.span.start_time);

export interface MergedPage {
  /** The page with what has changed of it. */
  rows: ListRow[];
  /** What is not in any page yet, newest first. */
  fresh: ListRow[];
}

/** The newest rows against those that are shown: changed ones take their place, new ones are told apart. */
export function mergePages(shown: ListRow[], newest: ListRow[]): MergedPage {
  const byId = new Map(newest.map((row) => [row.id, row]));
  const known = new Set(shown.map(({ id }) => id));
  const top = shown[0];
  return {
    rows: shown.map((row) => byId.get(row.id) ?? row),
    // What is older than the top row and not shown fell off the end of a page, or came late: it is found where it belongs.
    fresh: newest.filter((row) => !known.has(row.id) && (!top || rowStart(row) >= rowStart(top))),
  };
}

const pageFromRows = (of: RowKind, rows: ListRow[], page: RowPage): RowPage => ({
  ...page,
  ...(of === 'traces'
    ? { traces: rows.flatMap((row) => (row.of === 'traces' ? [row.trace] : [])) }
    : { spans: rows.flatMap((row) => (row.of === 'spans' ? [row.span] : [])) }),
});

const LIVE_MS = 1_500;

interface Paging {
  project: number;
  of: RowKind;
  scope: Scope;
  sort: string;
  /** Whether rows may move just now: nobody points at one, and the top of the list is in sight. */
  free: () => boolean;
}

/** The pages of a list, and what has arrived since: new rows are let in where nobody looks, else they wait. */
export function usePages({ project, of, scope, sort, free }: Paging) {
  const client = useQueryClient();
  const options = of === 'traces' ? tracesPagesQuery(project, scope, sort) : spansPagesQuery(project, scope, sort);
  const query = useInfiniteQuery(options as ReturnType<typeof tracesPagesQuery>);
  const key = options.queryKey as readonly unknown[];
  const keyText = JSON.stringify(key);
  const [waiting, setWaiting] = useState<{ key: string; rows: ListRow[]; gap: boolean }>({ key: keyText, rows: [], gap: false });
  const held = waiting.key === keyText ? waiting.rows : [];

  const pages = (query.data as InfiniteData<RowPage> | undefined)?.pages;
  const rows = useMemo(() => withoutRepeats(pages?.flatMap(listRowsOf) ?? []), [pages]);

  const timer = useRef<number | undefined>(undefined);
  useEffect(
    () => () => {
      window.clearTimeout(timer.current);
      timer.current = undefined;
    },
    [keyText],
  );

  const letIn = (fresh: ListRow[]) =>
    client.setQueryData<InfiniteData<RowPage>>(key, (was) => {
      const first = was?.pages[0];
      if (!was || !first) return was;
      return { ...was, pages: [pageFromRows(of, [...fresh, ...listRowsOf(first)], first), ...was.pages.slice(1)] };
    });

  const look = async () => {
    const newest: RowPage = await api.get(`/api/v1/projects/{project}/${of}`, {
      path: { project },
      query: { from: scope.from, to: scope.to, q: scope.q, sort: NEWEST, limit: PAGE },
    });
    const found = listRowsOf(newest);
    const now = client.getQueryData<InfiniteData<RowPage>>(key);
    if (!now) return;
    const { fresh } = mergePages(now.pages.flatMap(listRowsOf), found);
    client.setQueryData<InfiniteData<RowPage>>(
      key,
      (was) => was && { ...was, pages: was.pages.map((page) => pageFromRows(of, mergePages(listRowsOf(page), found).rows, page)) },
    );
    // In another order nobody can say where a new row belongs: it comes with the next look at the list.
    if (sort !== NEWEST) return;
    // Where a whole page is new there may be more between it and what is shown.
    const gap = fresh.length >= PAGE;
    const enter = !gap && free();
    if (enter) letIn(fresh);
    setWaiting({ key: keyText, rows: enter ? [] : fresh, gap });
  };

  // A range that ended in the past takes in nothing new.
  const open = scope.to === 'now';
  useLiveChange(() => {
    if (!open) return;
    timer.current ??= window.setTimeout(() => {
      timer.current = undefined;
      // What fails here is asked for again with the next change.
      look().catch(() => undefined);
    }, LIVE_MS);
  });

  // Coming back to a list finds it as it was left; what came meanwhile is looked for once.
  const latest = useRef(look);
  useEffect(() => {
    latest.current = look;
  });
  const returned = useRef(query.data !== undefined);
  useEffect(() => {
    if (returned.current && open) latest.current().catch(() => undefined);
    returned.current = true;
  }, [keyText, open]);

  const show = () => {
    if (waiting.gap) void client.resetQueries({ queryKey: key, exact: true });
    else letIn(held);
    setWaiting({ key: keyText, rows: [], gap: false });
  };
  return { query, rows, waiting: held.length, gap: waiting.gap, show };
}
