import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, expect, it, vi } from 'vitest';
import type { IssueEvent } from '../../api/types';
import { useNeighbourEvents } from './neighbour-events';
import { sampleEvent } from './sample-event';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const START = Date.UTC(2026, 10, 1);
const NOW = Date.UTC(2026, 10, 30);

/** Events a second apart, then a gap, the newest first: as many as the API would list 50 of. */
const EVENTS: IssueEvent[] = Array.from({ length: 300 }, (_, at) => {
  const time = at < 150 ? NOW - at * 1000 : START + (300 - at) * 1000;
  return sampleEvent({ event_id: `event-${at}`, time: new Date(time).toISOString() });
});

/** A server that lists the newest 50 events of a time range, and counts all of it in 24 parts. */
function serve() {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (address: string) => {
    const { searchParams } = new URL(address, 'http://page');
    asked.push(String(searchParams));
    const from = Date.parse(searchParams.get('from') ?? new Date(START).toISOString());
    const to = searchParams.get('to') === 'now' ? NOW + 1000 : Date.parse(searchParams.get('to')!);
    const found = EVENTS.filter(({ time }) => Date.parse(time) >= from && Date.parse(time) < to);
    const points = Array.from({ length: 24 }, (_, part) => {
      const [start, end] = [from + ((to - from) / 24) * part, from + ((to - from) / 24) * (part + 1)];
      return [new Date(start).toISOString(), found.filter(({ time }) => Date.parse(time) >= start && Date.parse(time) < end).length];
    });
    return new Response(JSON.stringify({ issue: { count: found.length, points }, events: found.slice(0, 50) }), { status: 200 });
  });
  return asked;
}

function neighbours(shown: IssueEvent | undefined, listed: IssueEvent[]) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>;
  return renderHook(() => useNeighbourEvents(1, '7', listed, shown), { wrapper }).result;
}

it('knows the neighbours within the list without a request', () => {
  const asked = serve();
  const { newer, older } = neighbours(EVENTS[10], EVENTS.slice(0, 50)).current;
  expect([newer?.event_id, older?.event_id]).toEqual(['event-9', 'event-11']);
  expect(asked).toEqual([]);
});

it('goes on behind the end of the list', async () => {
  serve();
  const result = neighbours(EVENTS[49], EVENTS.slice(0, 50));
  await waitFor(() => expect(result.current.older?.event_id).toBe('event-50'));
  expect(result.current.newer?.event_id).toBe('event-48');
});

it.each([100, 149, 150, 151, 299])('finds the neighbours of event %i, which is far from the newest', async (at) => {
  const asked = serve();
  const result = neighbours(EVENTS[at], EVENTS.slice(0, 50));
  await waitFor(() => expect(result.current.newer?.event_id).toBe(`event-${at - 1}`));
  await waitFor(() => expect(result.current.older?.event_id).toBe(at === 299 ? undefined : `event-${at + 1}`));
  expect(asked.length).toBeLessThan(8);
});

it('has none without an event', () => {
  serve();
  expect(neighbours(undefined, []).current).toEqual({ newer: undefined, older: undefined });
});
