import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { RepriceJob } from '../../api/types';
import { RepriceSection } from './reprice';

vi.mock('../../locale', () => ({
  useLocale: () => ({ format: { count: String, moneyExact: (usd: number) => `$${usd}`, moment: (at: string) => at } }),
}));

vi.mock('../../project', () => ({ useMe: () => ({ role: 'owner', project_roles: {} }) }));

const changed = { calls: 1000, changed: 1000, newly_priced: 0, no_longer_priced: 0, cost_before: null, cost_after: 2, models: [] };
const job = (more: Partial<RepriceJob>): RepriceJob => ({
  id: 7,
  project_id: 1,
  kind: 'reprice',
  evaluator_id: null,
  outcomes: {},
  created_at: '11:59',
  started_at: '11:59',
  state: 'running',
  done: 250,
  total: 1000,
  reason: null,
  ended_at: null,
  from: null,
  to: '2026-11-30',
  reached: '2026-11-23',
  result: { ...changed, changed: 250 },
  ...more,
});

let current: RepriceJob | null = null;
const asked: [string, string, unknown][] = [];

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('fetch', (url: string, { method, body }: { method: string; body?: string }) => {
    asked.push([method, url, body && JSON.parse(body)]);
    if (method === 'DELETE') current = job({ state: 'cancelled', ended_at: '12:00' });
    if (method === 'POST') current = job({ done: 0 });
    const answer = method === 'GET' ? { jobs: current ? [current] : [], next_cursor: null } : current;
    return Promise.resolve(new Response(JSON.stringify(answer)));
  });
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  asked.length = 0;
});

const wait = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

async function opened(first: RepriceJob | null) {
  current = first;
  const client = new QueryClient();
  const view = render(
    <QueryClientProvider client={client}>
      <RepriceSection project={1} />
    </QueryClientProvider>,
  );
  await wait(10);
  return view;
}

it('shows the progress of the server, also to later visitors, and its end', async () => {
  await opened(job({}));
  expect(screen.getByText(/Recalculated 250 of 1000 calls/)).toBeTruthy();
  expect(screen.getByRole('progressbar').getAttribute('value')).toBe('250');
  current = job({ state: 'done', done: 1000, ended_at: '12:00', result: changed });
  await wait(1100);
  expect(screen.getByText('Recalculation finished: 12:00')).toBeTruthy();
  expect(screen.getByText(/1000 of 1000 calls changed: unknown → \$2/)).toBeTruthy();
  const before = asked.length;
  await wait(5000);
  expect(asked.length).toBe(before);
});

it('reports mixed old and new prices, and continues on request', async () => {
  await opened(job({}));
  await act(async () => void fireEvent.click(screen.getByText('Cancel')));
  await wait(10);
  expect(asked.some(([method, url]) => method === 'DELETE' && url === '/api/v1/jobs/7')).toBe(true);
  expect(screen.getByRole('alert').textContent).toContain('250 costs were recalculated. Calls that started before 2026-11-23');
  await act(async () => void fireEvent.click(screen.getByText('Recalculate again')));
  await wait(10);
  expect(asked.find(([method]) => method === 'POST')).toEqual([
    'POST',
    '/api/v1/projects/1/reprice',
    { from: null, to: '2026-11-30', wait: false },
  ]);
  expect(screen.getByRole('progressbar')).toBeTruthy();
});

it('shows nothing if no job ever ran', async () => {
  await opened(null);
  expect(screen.queryByRole('alert')).toBeNull();
  expect(screen.queryByRole('progressbar')).toBeNull();
});
