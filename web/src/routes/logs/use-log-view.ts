import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { Scope } from '../../api/queries';
import type { ListedLogLine } from '../../api/types';
import { joinFilters } from '../../filter-query';
import { useRange } from '../../locale';
import type { RangeSearch } from '../../range';
import { findSurroundings } from './linked-line';
import { NEWEST_FIRST } from './log-pages';

interface ViewChange extends RangeSearch {
  q?: string;
  sort?: string;
  line?: string;
  at?: string;
}

/** What the page shows, as the address bar has it: filter, order, range, and the line that was opened last. More lines may be open. */
export function useLogView(project: number) {
  const navigate = useNavigate();
  const range = useRange();
  const { q = '', sort: chosenSort, line: linked, at } = useSearch({ from: '/app/p/$project/logs' });
  const sort = chosenSort === 'time' ? 'time' : NEWEST_FIRST;
  const scope = useMemo<Scope>(() => ({ ...range.span, q: q || undefined }), [range, q]);
  const [opened, setOpened] = useState<ReadonlySet<string>>(() => new Set(linked === undefined ? [] : [linked]));

  /** Shows another list. */
  const narrow = (change: ViewChange) => {
    setOpened(new Set(change.line === undefined ? [] : [change.line]));
    void navigate({ to: '.', search: (was) => ({ ...was, line: undefined, at: undefined, ...change }) });
  };
  const setQ = (next: string) => narrow({ q: next || undefined });
  const toggle = (line: ListedLogLine) => {
    const next = new Set(opened);
    const isOpen = !next.delete(line.log_id);
    if (isOpen) next.add(line.log_id);
    setOpened(next);
    const change = isOpen ? { line: line.log_id, at: line.time } : linked === line.log_id ? { line: undefined, at: undefined } : null;
    if (change) void navigate({ to: '.', search: (was) => ({ ...was, ...change }), replace: true, resetScroll: false });
  };
  return {
    q,
    sort,
    scope,
    linked,
    at,
    opened,
    narrow,
    setQ,
    toggle,
    addTerm: (term: string) => setQ(joinFilters(q, term)),
    /** Shows the newest lines, and follows them. */
    follow: () => narrow({ last: range.last ?? '1h', from: undefined, to: undefined, sort: undefined }),
    showSurroundings: async ({ log_id: id, time }: ListedLogLine) =>
      narrow({ ...(await findSurroundings(project, time)), q: undefined, sort: undefined, line: id, at: time }),
  };
}

export type LogView = ReturnType<typeof useLogView>;
