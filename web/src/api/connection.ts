import { useSyncExternalStore } from 'react';

/**
 * Whether the server answers, as the last requests show: `lost` when a request could not be made, `slow` when one has waited for
 * `SLOW_MS` and none was answered meanwhile.
 */
export interface Connection {
  state: 'ok' | 'slow' | 'lost';
  /** When the last request was answered, in milliseconds of the epoch; null before the first answer. */
  lastAnswer: number | null;
}

export const SLOW_MS = 8_000;

let connection: Connection = { state: 'ok', lastAnswer: null };
const listeners = new Set<() => void>();

function set(next: Connection) {
  const changed = next.state !== connection.state;
  connection = next;
  // Who watches is told of a change of state, not of each answer.
  if (changed) for (const listener of listeners) listener();
}

export const getConnection = () => connection;

/** A request was answered, whatever the answer. */
export const noteAnswer = () => set({ state: 'ok', lastAnswer: Date.now() });

/** A request got no answer: refused, cut off, or a proxy answered in the server's place. */
export const noteNoAnswer = () => set({ ...connection, state: 'lost' });

/** Watches one request; call what it returns when the request has ended. */
export function watchRequest(): () => void {
  const started = Date.now();
  const timer = window.setTimeout(() => {
    if (connection.state === 'ok' && (connection.lastAnswer ?? 0) <= started) set({ ...connection, state: 'slow' });
  }, SLOW_MS);
  return () => window.clearTimeout(timer);
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export const useConnection = () => useSyncExternalStore(subscribe, () => connection.state);
