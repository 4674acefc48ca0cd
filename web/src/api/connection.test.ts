import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { api, ApiError, probe } from './client';
import { getConnection, noteAnswer, SLOW_MS } from './connection';

const answer = (status: number, body: string) => Promise.resolve(new Response(body, { status }));

beforeEach(() => noteAnswer());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a failed request marks the server as unreachable, and the next response as back', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  await expect(api.get('/api/v1/me')).rejects.toMatchObject({ code: 'offline' });
  expect(getConnection().state).toBe('lost');
  expect(await probe()).toBe(false);
  vi.stubGlobal('fetch', () => answer(200, '{}'));
  expect(await probe()).toBe(true);
  expect(getConnection().state).toBe('ok');
});

test('a proxy error is not a response of the server; an error of the server is one', async () => {
  vi.stubGlobal('fetch', () => answer(502, '<h1>Bad Gateway</h1>'));
  await expect(api.get('/api/v1/me')).rejects.toMatchObject({ code: 'offline' });
  expect(getConnection().state).toBe('lost');
  vi.stubGlobal('fetch', () => answer(503, '{"error":{"code":"busy","message":"40 questions wait already"}}'));
  await expect(api.get('/api/v1/me')).rejects.toMatchObject({ code: 'busy' });
  expect(getConnection().state).toBe('ok');
});

test('a request that waits without any response marks the server as slow', async () => {
  vi.useFakeTimers();
  let finish: (response: Response) => void = () => undefined;
  vi.stubGlobal('fetch', () => new Promise<Response>((resolve) => (finish = resolve)));
  const asked = api.get('/api/v1/me');
  vi.advanceTimersByTime(SLOW_MS - 1);
  expect(getConnection().state).toBe('ok');
  vi.advanceTimersByTime(1);
  expect(getConnection().state).toBe('slow');
  finish(new Response('{}'));
  await asked;
  expect(getConnection().state).toBe('ok');
});

test('a request that its page cancelled does not affect the server status', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new DOMException('aborted', 'AbortError')));
  await expect(api.get('/api/v1/me')).rejects.not.toBeInstanceOf(ApiError);
  expect(getConnection().state).toBe('ok');
});
