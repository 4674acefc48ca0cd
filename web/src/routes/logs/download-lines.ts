import { api } from '../../api/client';
import type { Scope } from '../../api/queries';
import type { LogLinePage } from '../../api/types';

/** As many as the server gives at once. */
const DOWNLOAD_PAGE = 1_000;
/** What a browser can hold as one file without trouble. */
export const MAX_DOWNLOADED = 100_000;

type PageRequest = (cursor: string | undefined) => Promise<LogLinePage>;

/** Collects page after page as JSON Lines, up to `max` lines. `onProgress` gets the number of lines so far. */
export async function collectJsonLines(ask: PageRequest, max: number, onProgress: (count: number) => void) {
  const parts: string[] = [];
  let count = 0;
  let cursor: string | undefined;
  do {
    const { logs, next_cursor: next } = await ask(cursor);
    const taken = logs.slice(0, max - count);
    parts.push(taken.map((line) => `${JSON.stringify(line)}\n`).join(''));
    count += taken.length;
    cursor = next ?? undefined;
    onProgress(count);
  } while (cursor !== undefined && count < max);
  return { parts, count, isComplete: cursor === undefined };
}

/** A request for pages of what a list shows. */
export const pagesOf =
  (project: number, scope: Scope, sort: string, signal: AbortSignal): PageRequest =>
  (cursor) =>
    api.get('/api/v1/projects/{project}/logs', {
      path: { project },
      query: { from: scope.from, to: scope.to, q: scope.q, sort, limit: DOWNLOAD_PAGE, cursor },
      signal,
    });

/** Hands a text to the browser as a file. */
export function saveFile(name: string, parts: string[]) {
  const address = URL.createObjectURL(new Blob(parts, { type: 'application/jsonl' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
