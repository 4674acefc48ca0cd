import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, expect, it, vi } from 'vitest';
import { useNamedEvent } from './named-event';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** A server that has these events, by the time at which each happened. */
function serve(events: Record<string, string>) {
  const asked: URLSearchParams[] = [];
  vi.stubGlobal('fetch', async (address: string) => {
    const { searchParams } = new URL(address, 'http://page');
    asked.push(searchParams);
    const [from, to] = [searchParams.get('from') ?? '0000', searchParams.get('to') ?? '9999'];
    const found = Object.entries(events).filter(([, time]) => from <= time && time <= to);
    return new Response(JSON.stringify({ issue: {}, events: found.map(([id, time]) => ({ event_id: id, time })) }), { status: 200 });
  });
  return asked;
}

function look(event: string | undefined, time: string | undefined, enabled = true) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>;
  return renderHook(() => useNamedEvent(1, '6', event, time, enabled), { wrapper }).result;
}

const EVENTS = { newest: '2026-11-29T12:00:00.000Z', old: '2026-11-24T10:00:00.500Z' };

it('finds an event at its moment, however many came after it', async () => {
  const asked = serve(EVENTS);
  const result = look('old', EVENTS.old);
  expect(result.current.pending).toBe(true);
  await waitFor(() => expect(result.current.event?.event_id).toBe('old'));
  expect(asked.map((params) => [params.get('from'), params.get('to')])).toEqual([['2026-11-24T09:59:59.500Z', '2026-11-24T10:00:01.500Z']]);
});

it('looks among all that is kept where the address has no time', async () => {
  const asked = serve(EVENTS);
  const result = look('old', undefined);
  await waitFor(() => expect(result.current.event?.event_id).toBe('old'));
  expect([...asked[0]!.keys()]).toEqual([]);
});

it('says that an event is missing instead of showing another', async () => {
  serve(EVENTS);
  const result = look('gone', EVENTS.newest);
  await waitFor(() => expect(result.current.missing).toBe(true));
  expect(result.current.event).toBeUndefined();
});

it('does not call missing what could not be asked for', async () => {
  vi.stubGlobal('fetch', async () => new Response('{"error":{"code":"busy","message":"busy"}}', { status: 503 }));
  const result = look('old', EVENTS.old);
  await waitFor(() => expect(result.current.error?.message).toBe('busy'));
  expect(result.current.missing).toBe(false);
});

it('asks nothing where the list has the event', () => {
  const asked = serve(EVENTS);
  expect(look('newest', EVENTS.newest, false).current).toMatchObject({ event: undefined, pending: false, missing: false });
  expect(asked).toEqual([]);
});
