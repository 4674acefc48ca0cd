import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, expect, it, vi } from 'vitest';
import { useLinkedEvent } from './linked-event';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** A server whose issue has these events. */
function serve(events: string[]) {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (address: string) => {
    const { pathname, search } = new URL(address, 'http://page');
    asked.push(pathname + search);
    const id = pathname.split('/').at(-1)!;
    if (events.includes(id)) return new Response(JSON.stringify({ event_id: id }), { status: 200 });
    return new Response('{"error":{"code":"not_found","message":"no such event"}}', { status: 404 });
  });
  return asked;
}

function look(event: string | undefined, enabled = true) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>;
  return renderHook(() => useLinkedEvent(1, '6', event, enabled), { wrapper }).result;
}

it('finds an event by its id, whenever it happened', async () => {
  const asked = serve(['newest', 'old']);
  const result = look('old');
  expect(result.current.pending).toBe(true);
  await waitFor(() => expect(result.current.event?.event_id).toBe('old'));
  expect(asked).toEqual(['/api/v1/projects/1/issues/6/events/old']);
});

it('says that an event is missing instead of showing another', async () => {
  serve(['newest']);
  const result = look('gone');
  await waitFor(() => expect(result.current.missing).toBe(true));
  expect(result.current).toMatchObject({ event: undefined, error: null });
});

it('does not report an event as missing if the request failed', async () => {
  vi.stubGlobal('fetch', async () => new Response('{"error":{"code":"busy","message":"busy"}}', { status: 503 }));
  const result = look('old');
  await waitFor(() => expect(result.current.error?.message).toBe('busy'));
  expect(result.current.missing).toBe(false);
});

it('requests nothing if the list contains the event', () => {
  const asked = serve(['newest']);
  expect(look('newest', false).current).toMatchObject({ event: undefined, pending: false, missing: false });
  expect(asked).toEqual([]);
});
