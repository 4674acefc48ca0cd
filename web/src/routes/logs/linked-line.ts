import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { api } from '../../api/client';
import { projectLogsQuery } from '../../api/queries';
import type { ListedLogLine } from '../../api/types';
import type { RangeSearch } from '../../range';
import { NEWEST_FIRST } from './log-pages';

/** So many lines are loaded to find the linked one in the list; further down it is shown above the list. */
const MAX_SEARCHED = 1_000;
/** As many lines as a millisecond may have. */
const MAX_OF_MILLISECOND = 1_000;
const SURROUNDING_MS = 5 * 60_000;
/** So many lines after a line belong to its surroundings. */
const LATER_LINES = 50;

/**
 * The range of the lines around a line: 5 minutes before and after it, or as long as `later` lasts if these are as many as were asked for.
 * The line is then on the first page.
 */
export function rangeOfSurroundings(time: string, later: readonly Pick<ListedLogLine, 'time'>[] = []): RangeSearch {
  const at = Date.parse(time);
  const last = later.length >= LATER_LINES ? Date.parse(later[later.length - 1]!.time) + 1 : Infinity;
  return {
    last: undefined,
    from: new Date(at - SURROUNDING_MS).toISOString(),
    to: new Date(Math.min(last, at + SURROUNDING_MS)).toISOString(),
  };
}

/** Asks how many lines follow a line, and returns the range of those around it. */
export async function findSurroundings(project: number, time: string): Promise<RangeSearch> {
  const query = { from: time, sort: 'time', limit: LATER_LINES };
  // If the answer fails, the list says why.
  const later = await api.get('/api/v1/projects/{project}/logs', { path: { project }, query }).catch(() => undefined);
  return rangeOfSurroundings(time, later?.logs);
}

/** Whether a line of this time may be on a page that is not loaded yet. */
export function mayFollow(lines: readonly ListedLogLine[], time: string, sort: string): boolean {
  const last = lines[lines.length - 1];
  if (!last || lines.length >= MAX_SEARCHED) return false;
  const [loaded, wanted] = [Date.parse(last.time), Date.parse(time)];
  return sort === NEWEST_FIRST ? wanted <= loaded : wanted >= loaded;
}

interface LinkedLineOptions {
  project: number;
  /** The ID and the time of the line, as the address names them. */
  line: string | undefined;
  at: string | undefined;
  sort: string;
  lines: readonly ListedLogLine[];
  /** Whether the first page is there, and which can be loaded. */
  isLoaded: boolean;
  hasMore: boolean;
  onMore: () => void;
}

/** The line that the address names: its place in the list, or the line itself if filter and range leave it out. */
export function useLinkedLine({ project, line, at, sort, lines, isLoaded, hasMore, onMore }: LinkedLineOptions) {
  const index = line === undefined ? -1 : lines.findIndex(({ log_id: id }) => id === line);
  const isKnown = line !== undefined && at !== undefined && !Number.isNaN(Date.parse(at));
  const isSearching = isKnown && index < 0 && isLoaded && hasMore && mayFollow(lines, at, sort);
  const loaded = lines.length;
  useEffect(() => {
    if (isSearching) onMore();
  }, [isSearching, loaded, onMore]);
  const scope = isKnown ? { from: at, to: new Date(Date.parse(at) + 1).toISOString() } : {};
  const { data, isSuccess } = useQuery({
    ...projectLogsQuery(project, scope, MAX_OF_MILLISECOND),
    enabled: isKnown && index < 0 && isLoaded && !isSearching,
    placeholderData: undefined,
    staleTime: Infinity,
    meta: { live: false },
  });
  const elsewhere = index < 0 ? data?.logs.find(({ log_id: id }) => id === line) : undefined;
  return { index, elsewhere, isMissing: line !== undefined && index < 0 && isSuccess && elsewhere === undefined };
}
