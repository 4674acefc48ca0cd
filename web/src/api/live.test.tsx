import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, cleanup, renderHook } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { useLiveStream } from './live';
import { projectKey } from './queries';

class FakeSource extends EventTarget {
  static CLOSED = 2;
  static made: FakeSource[] = [];
  readyState = 0;
  constructor(readonly url: string) {
    super();
    FakeSource.made.push(this);
  }
  close() {
    this.readyState = FakeSource.CLOSED;
  }
}

const change = (data: string) => new MessageEvent('change', { data });

beforeEach(() => {
  FakeSource.made = [];
  vi.useFakeTimers();
  vi.stubGlobal('EventSource', FakeSource);
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function start() {
  const client = new QueryClient();
  client.setQueryData([...projectKey(1), 'summary'], {});
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>;
  const hook = renderHook(() => useLiveStream(1), { wrapper });
  const stale = () => client.getQueryState([...projectKey(1), 'summary'])?.isInvalidated;
  return { hook, stale, source: () => FakeSource.made[FakeSource.made.length - 1]! };
}

it('refetches visible data, once for many changes', () => {
  const { hook, stale, source } = start();
  const heard = vi.fn();
  hook.result.current.subscribe(heard);
  expect(source().url).toBe('/api/v1/projects/1/live');
  act(() => {
    source().dispatchEvent(change('{"traces":["a"],"spans":3,"errors":0}'));
    source().dispatchEvent(change('{"traces":["b"],"spans":1,"errors":0}'));
    source().dispatchEvent(change('not json'));
  });
  expect(heard).toHaveBeenCalledTimes(2);
  expect(hook.result.current.state).toBe('live');
  expect(stale()).toBe(false);
  act(() => void vi.advanceTimersByTime(3_000));
  expect(stale()).toBe(true);
});

it('shows an interruption, and reconnects after a response that ends the stream', () => {
  const { hook, source } = start();
  act(() => {
    source().readyState = FakeSource.CLOSED;
    source().dispatchEvent(new Event('error'));
  });
  expect(hook.result.current.state).toBe('paused');
  act(() => void vi.advanceTimersByTime(5_000));
  expect(FakeSource.made).toHaveLength(2);
  act(() => void source().dispatchEvent(new Event('open')));
  expect(hook.result.current.state).toBe('live');
});

it('closes when the reader pauses it', () => {
  const { hook, source } = start();
  const first = source();
  act(() => hook.result.current.toggle());
  expect(first.readyState).toBe(FakeSource.CLOSED);
  expect(hook.result.current).toMatchObject({ state: 'paused', stopped: true });
});

it('closes its connection while the page is hidden, and refetches when it is visible', () => {
  const { stale, source } = start();
  const first = source();
  act(() => void first.dispatchEvent(new Event('open')));
  const hide = (hidden: boolean) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    act(() => void document.dispatchEvent(new Event('visibilitychange')));
  };
  hide(true);
  expect(first.readyState).toBe(FakeSource.CLOSED);
  hide(false);
  expect(FakeSource.made).toHaveLength(2);
  act(() => void source().dispatchEvent(new Event('open')));
  act(() => void vi.advanceTimersByTime(3_000));
  expect(stale()).toBe(true);
});
