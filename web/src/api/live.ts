import { useQueryClient } from '@tanstack/react-query';
import { createContext, useContext, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { addressOf, probe } from './client';
import { meQuery, projectKey } from './queries';
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

const subscribeVisible = (listener: () => void) => {
  document.addEventListener('visibilitychange', listener);
  return () => document.removeEventListener('visibilitychange', listener);
};

/** Holds the project's live stream, and refetches what is shown, at most once in REFRESH_MS. */
export function useLiveStream(project: number | null): Live {
  const client = useQueryClient();
  const listeners = useRef(new Set<Listener>());
  const [state, setState] = useState<LiveState>('connecting');
  const [stopped, setStopped] = useState(false);
  // Whether a stream was closed before this one.
  const earlier = useRef(false);
  // A browser opens only six connections to one server: tabs that nobody looks at give theirs back.
  const visible = useSyncExternalStore(subscribeVisible, () => !document.hidden);

  useEffect(() => {
    if (project === null || stopped || !visible || typeof EventSource === 'undefined') return;
    let source: EventSource | null = null;
    let opened = earlier.current;
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
      source = new EventSource(addressOf('/api/v1/projects/{project}/live', { project }));
      source.addEventListener('open', () => {
        setState('live');
        // What came while the stream was away is found by asking once.
        if (opened) refresh();
        opened = true;
      });
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
        // A proxy may have cut the stream off, the session has ended, or the server is gone: that is seen by asking.
        void probe().then((isThere) => {
          if (isThere) void client.invalidateQueries({ queryKey: meQuery.queryKey });
        });
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
      earlier.current = true;
    };
  }, [client, project, stopped, visible]);

  const [subscribe] = useState(() => (listener: Listener) => {
    listeners.current.add(listener);
    return () => void listeners.current.delete(listener);
  });
  return { state: stopped ? 'paused' : state, stopped, toggle: () => setStopped((was) => !was), subscribe };
}
