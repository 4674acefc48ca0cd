import type { ListedLogLine, LogLinePage } from '../../api/types';

export const NEWEST_FIRST = '-time';

/** How far before the newest line the live tail asks: lines of several programs do not arrive in the order of their times. */
const OVERLAP_MS = 10_000;

/** Compares two moments; times of equal precision within a millisecond are ordered by their text. */
function compareTimes(a: string, b: string): number {
  const difference = Date.parse(a) - Date.parse(b);
  return difference !== 0 ? difference : a < b ? -1 : a > b ? 1 : 0;
}

/** The lines of all pages. A line on two pages, because lines arrived in between, is listed once. */
export function linesOf(pages: readonly LogLinePage[]): ListedLogLine[] {
  const seen = new Set<string>();
  return pages.flatMap(({ logs }) => logs).filter(({ log_id: id }) => !seen.has(id) && seen.add(id));
}

/** How many pages at the end have no line: the server compares so many lines with the filter for a page, and none of them matched. */
export function emptyPagesAtEnd(pages: readonly LogLinePage[]): number {
  const last = pages.findLastIndex(({ logs }) => logs.length > 0);
  return pages.length - 1 - last;
}

/** From where on the live tail asks for new lines; null if there is no line yet. */
export function tailStart(known: readonly ListedLogLine[]): string | null {
  const newest = known.reduce<string | null>((last, { time }) => (last === null || compareTimes(time, last) > 0 ? time : last), null);
  return newest === null ? null : new Date(Date.parse(newest) - OVERLAP_MS).toISOString();
}

/** The lines of an answer that are not known yet. */
export function unknownLines(found: readonly ListedLogLine[], known: readonly ListedLogLine[]): ListedLogLine[] {
  const ids = new Set(known.map(({ log_id: id }) => id));
  return found.filter(({ log_id: id }) => !ids.has(id));
}

/** Whether there may be lines between an answer, the newest first, and those that are known: the answer is full and reaches none of them. */
export const leavesGap = ({ logs, next_cursor: next }: LogLinePage, known: readonly ListedLogLine[]) =>
  known.length > 0 && next !== null && unknownLines(logs, known).length === logs.length;

/** Lines, the newest first, with others in their places. What is new comes before what has the same time. */
export function mergeNewestFirst(lines: readonly ListedLogLine[], others: readonly ListedLogLine[]): ListedLogLine[] {
  const merged: ListedLogLine[] = [];
  let at = 0;
  for (const line of others) {
    for (; at < lines.length && compareTimes(lines[at]!.time, line.time) > 0; at += 1) merged.push(lines[at]!);
    merged.push(line);
  }
  return [...merged, ...lines.slice(at)];
}

/**
 * Pages, the newest line first, with new lines in their places. A line that is older than all pages is left out if there are more pages:
 * it comes with the next one.
 */
export function insertLines(pages: readonly LogLinePage[], fresh: readonly ListedLogLine[]): LogLinePage[] {
  let rest = [...fresh];
  return pages.map((page, at) => {
    const last = page.logs[page.logs.length - 1];
    const isEnd = at === pages.length - 1 && page.next_cursor === null;
    const isHere = ({ time }: ListedLogLine) => isEnd || (last ? compareTimes(time, last.time) >= 0 : at === 0);
    const here = rest.filter(isHere);
    rest = rest.filter((line) => !isHere(line));
    return here.length === 0 ? page : { ...page, logs: mergeNewestFirst(page.logs, here) };
  });
}

/** A line as text, for a message or a search elsewhere. */
export const lineText = ({ time, level, body }: Pick<ListedLogLine, 'time' | 'level' | 'body'>) =>
  [time, level?.toUpperCase(), body].filter(Boolean).join(' ');
