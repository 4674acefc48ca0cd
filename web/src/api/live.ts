import { useQueryClient } from '@tanstack/react-query';
import { createContext, useContext, useEffect, useRef, useState } from 'react';
import { projectKey } from './queries';
import type { Change } from './types';

export type LiveState = 'connecting' | 'live' | 'paused';

/** Queries with `meta: { live: false }` are left alone: their page decides when new rows may move. */
const REFRESH_MS = 3_000;
const RETRY_MS = 5_000;

type Listener = (change: Change) => void;

export interface Live {
  state: LiveState;
  /** Whether the reader has stopped it. */
  stopped: boolean;
  toggle: () => void;
  subscribe: (listener: Listener) => () => void;
}

export const LiveContext = createContext<Live>({
  state: 'connecting',
  stopped: false,
  toggle: () => undefined,
  subscribe: () => () => undefined,
});

export const useLive = () => useContext(LiveContext);

/** Calls back for each change of the project, as it is stored. */
export function useLiveChange(listener: Listener) {
  const { subscribe } = useLive();
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => subscribe((change) => latest.current(change)), [subscribe]);
}

/** Holds the project's live stream, and refetches what is shown, at most once in REFRESH_MS. */
export function useLiveStream(project: number | null): Live {
  const client = useQueryClient();
  const listeners = useRef(new Set<Listener>());
  const [state, setState] = useState<LiveState>('connecting');
  const [stopped, setStopped] = useState(false);

  useEffect(() => {
    if (project === null || stopped || typeof EventSource === 'undefined') return;
    let source: EventSource | null = null;
    let retry: number | undefined;
    let pending: number | undefined;

    const refresh = () => {
      pending ??= window.setTimeout(() => {
        pending = undefined;
        void client.invalidateQueries({
          queryKey: projectKey(project),
          predicate: (query) => query.meta?.live !== false,
        });
      }, REFRESH_MS);
    };
    const connect = () => {
      source = new EventSource(`/api/v1/projects/${project}/live`);
      source.addEventListener('open', () => setState('live'));
      source.addEventListener('change', (event) => {
        setState('live');
        let change: Change;
        try {
          change = JSON.parse((event as MessageEvent<string>).data) as Change;
        } catch {
          return;
        }
        for (const listener of listeners.current) listener(change);
        refresh();
      });
      source.addEventListener('error', () => {
        setState('paused');
        // The browser reconnects a dropped stream by itself, but gives up on one that was answered with an error.
        if (source?.readyState === EventSource.CLOSED) retry = window.setTimeout(connect, RETRY_MS);
      });
    };
    connect();
    return () => {
      source?.close();
      window.clearTimeout(retry);
      window.clearTimeout(pending);
      setState('connecting');
    };
  }, [client, project, stopped]);

  const [subscribe] = useState(() => (listener: Listener) => {
    listeners.current.add(listener);
    return () => void listeners.current.delete(listener);
  });
  return { state: stopped ? 'paused' : state, stopped, toggle: () => setStopped((was) => !was), subscribe };
}
