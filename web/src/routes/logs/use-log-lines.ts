import { useInfiniteQuery, useQueryClient, type InfiniteData } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { api } from '../../api/client';
import { useLive, useLiveChange } from '../../api/live';
import { PAGE, projectLogsPagesQuery, type Scope } from '../../api/queries';
import type { ListedLogLine, LogLinePage } from '../../api/types';
import { useEvent } from '../../components/use-event';
import { insertLines, leavesGap, linesOf, mergeNewestFirst, NEWEST_FIRST, tailStart, unknownLines } from './log-pages';

const LIVE_MS = 700;
/** A list that was loaded longer ago than this may lack lines. */
const FRESH_MS = 2_000;
/** More lines than these are not held while they wait: the list is loaded again instead. */
const MAX_WAITING = 500;
/** So many lines a live tail holds; then it begins again with the newest page. */
const MAX_HELD = 2_000;

const NO_LINES: ListedLogLine[] = [];
const NOTHING_WAITS = { lines: NO_LINES, gap: false };

interface LogLinesOptions {
  project: number;
  scope: Scope;
  sort: string;
  /** Whether rows may move just now: nobody points at one or reads one, and the top of the list is in sight. */
  free: () => boolean;
}

/** The log lines of a list, and what has arrived since: new lines are let in where nobody looks, else they wait. */
export function useLogLines({ project, scope, sort, free }: LogLinesOptions) {
  const client = useQueryClient();
  const { state } = useLive();
  const options = projectLogsPagesQuery(project, scope, sort);
  const query = useInfiniteQuery(options);
  const key = options.queryKey;
  const keyText = JSON.stringify(key);
  const [held, setHeld] = useState({ key: keyText, ...NOTHING_WAITS });
  const waiting = held.key === keyText ? held : NOTHING_WAITS;
  const lines = useMemo(() => linesOf(query.data?.pages ?? []), [query.data]);
  // A range that ended in the past takes in nothing new. In the other order new lines belong behind pages that are not loaded.
  const isTail = scope.to === 'now' && sort === NEWEST_FIRST;

  const pagesNow = () => client.getQueryData<InfiniteData<LogLinePage, string | undefined>>(key)?.pages;
  const ask = (from: string): Promise<LogLinePage> =>
    api.get('/api/v1/projects/{project}/logs', {
      path: { project },
      query: { from, to: scope.to, q: scope.q, sort: NEWEST_FIRST, limit: PAGE },
    });
  const setPages = (pages: LogLinePage[]) =>
    client.setQueryData<InfiniteData<LogLinePage, string | undefined>>(key, (was) => ({
      pages,
      pageParams: pages.map((_, at) => was?.pageParams[at]),
    }));
  const hold = (next: typeof NOTHING_WAITS) => setHeld({ key: keyText, ...next });
  const beginAgain = async () => {
    const first = await ask(scope.from);
    setPages([first]);
    hold(NOTHING_WAITS);
  };

  const look = useEvent(async () => {
    const before = pagesNow();
    if (!isTail || !before) return;
    if (waiting.gap) {
      if (free()) await beginAgain();
      return;
    }
    const page = await ask(tailStart([...linesOf(before), ...waiting.lines]) ?? scope.from);
    const pages = pagesNow();
    if (!pages) return;
    const shown = linesOf(pages);
    const fresh = mergeNewestFirst(waiting.lines, unknownLines(page.logs, [...shown, ...waiting.lines]));
    if (fresh.length === 0) return;
    const gap = leavesGap(page, [...shown, ...waiting.lines]) || fresh.length > MAX_WAITING;
    if (!free()) hold({ lines: fresh.slice(0, MAX_WAITING), gap });
    else if (gap || shown.length + fresh.length > MAX_HELD) await beginAgain();
    else {
      setPages(insertLines(pages, fresh));
      hold(NOTHING_WAITS);
    }
  });
  // What fails here is asked for again with the next change.
  const tryLook = useEvent(() => void look().catch(() => undefined));

  useArrivals(keyText, tryLook);
  // What came while the stream was away is looked for once, and so is what came while another page was shown.
  useEffect(() => {
    if (state === 'live') tryLook();
  }, [state, tryLook]);
  const lookIfOld = useEvent(() => {
    if (Date.now() - query.dataUpdatedAt > FRESH_MS) tryLook();
  });
  useEffect(() => lookIfOld(), [keyText, lookIfOld]);

  const show = () => {
    const pages = pagesNow();
    if (waiting.gap || !pages) void beginAgain().catch(() => undefined);
    else {
      setPages(insertLines(pages, unknownLines(waiting.lines, linesOf(pages))));
      hold(NOTHING_WAITS);
    }
  };
  return { query, lines, waiting: waiting.lines.length, gap: waiting.gap, isTail, show };
}

/** Calls back a moment after log lines were stored. `list` is what is shown: what arrived for another list is forgotten. */
function useArrivals(list: string, onArrival: () => void) {
  const timer = useRef<number | undefined>(undefined);
  useEffect(
    () => () => {
      window.clearTimeout(timer.current);
      timer.current = undefined;
    },
    [list],
  );
  useLiveChange(({ spans, errors, logs }) => {
    // A change that counts nothing says that some were missed.
    if (logs === 0 && spans + errors > 0) return;
    timer.current ??= window.setTimeout(() => {
      timer.current = undefined;
      onArrival();
    }, LIVE_MS);
  });
}
