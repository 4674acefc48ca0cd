import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, cleanup, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LiveContext, type Live } from '../../api/live';
import type { Change, ListedLogLine } from '../../api/types';
import { useLogLines } from './use-log-lines';

const SECOND = Date.parse('2026-11-30T12:00:00Z');
const line = (n: number): ListedLogLine => ({
  log_id: String(n),
  trace_id: null,
  span_id: null,
  time: new Date(SECOND + n * 1000).toISOString(),
  level: 'info',
  body: `line ${n}`,
  attributes: {},
  issue_id: null,
});

/** The newest line that the server has; each second has one. */
let newest: number;
let asked: URLSearchParams[];
let listeners: Set<(change: Change) => void>;
beforeEach(() => {
  newest = 3;
  asked = [];
  listeners = new Set();
  vi.stubGlobal('fetch', async (address: string) => {
    const { searchParams } = new URL(address, 'http://page');
    asked.push(searchParams);
    const from = searchParams.get('from')!.startsWith('-') ? 1 : Math.max(1, (Date.parse(searchParams.get('from')!) - SECOND) / 1000);
    const limit = Number(searchParams.get('limit'));
    const logs = Array.from({ length: newest - from + 1 }, (_, at) => line(newest - at));
    return new Response(JSON.stringify({ logs: logs.slice(0, limit), next_cursor: logs.length > limit ? 'more' : null }));
  });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function list({ free = true, to = 'now', sort = '-time' } = {}) {
  const live: Live = {
    state: 'live',
    stopped: false,
    toggle: () => undefined,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>
      <LiveContext value={live}>{children}</LiveContext>
    </QueryClientProvider>
  );
  const state = { free };
  const scope = { from: '-1h', to };
  const { result } = renderHook(() => useLogLines({ project: 1, scope, sort, free: () => state.free }), { wrapper });
  const ids = () => result.current.lines.map(({ log_id: id }) => Number(id));
  return { result, state, ids };
}

/** Lines arrive at the server, and the stream reports it. */
const arrive = (count: number, logs = count, spans = 0) => {
  newest += count;
  act(() => listeners.forEach((listener) => listener({ traces: [], spans, errors: 0, logs })));
};

/** The hook waits a moment before it asks; a busy machine takes longer. */
const soon = (check: () => void) => waitFor(check, { timeout: 10_000 });

describe('the live tail', { timeout: 30_000 }, () => {
  it('lets new lines in at the top, and asks only for what is new', async () => {
    const { ids } = list();
    await soon(() => expect(ids()).toEqual([3, 2, 1]));
    arrive(20);
    await soon(() => expect(ids()[0]).toBe(23));
    arrive(2);
    await soon(() => expect(ids().length).toBe(25));
    expect(ids()).toEqual(Array.from({ length: 25 }, (_, at) => 25 - at));
    expect(asked.at(-1)!.get('from')).toBe(new Date(SECOND + 13_000).toISOString());
  });

  it('holds new lines while the reader looks elsewhere, until they are asked for', async () => {
    const { result, ids } = list({ free: false });
    await soon(() => expect(ids()).toEqual([3, 2, 1]));
    arrive(1);
    await soon(() => expect(result.current.waiting).toBe(1));
    arrive(2);
    await soon(() => expect(result.current.waiting).toBe(3));
    expect(ids()).toEqual([3, 2, 1]);
    act(() => result.current.show());
    await soon(() => expect(ids()).toEqual([6, 5, 4, 3, 2, 1]));
    expect(result.current.waiting).toBe(0);
  });

  it('loads the list again if more arrived than one answer holds', async () => {
    const { result, state, ids } = list({ free: false });
    await soon(() => expect(ids()).toEqual([3, 2, 1]));
    arrive(500);
    await soon(() => expect(result.current.gap).toBe(true));
    state.free = true;
    arrive(1);
    await soon(() => expect(ids()[0]).toBe(504));
    expect(ids()).toEqual(Array.from({ length: 100 }, (_, at) => 504 - at));
    expect([result.current.waiting, result.current.gap, result.current.query.hasNextPage]).toEqual([0, false, true]);
  });

  it('asks for nothing if no log line arrived, or the list takes in no new lines', async () => {
    for (const options of [{}, { to: '2026-11-30T13:00:00Z' }, { sort: 'time' }]) {
      const { ids } = list(options);
      await soon(() => expect(ids().length).toBe(newest));
      await act(() => new Promise((resolve) => setTimeout(resolve, 50)));
      const before = asked.length;
      if ('to' in options || 'sort' in options) arrive(0, 1);
      else arrive(0, 0, 5);
      await act(() => new Promise((resolve) => setTimeout(resolve, 900)));
      expect(asked.length).toBe(before);
      cleanup();
    }
  });
});
