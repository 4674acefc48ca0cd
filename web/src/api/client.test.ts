import { afterEach, describe, expect, it, vi } from 'vitest';
import { api, ApiError, withParams } from './client';

const answer = (status: number, body: string) =>
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response(body || null, { status })),
  );

afterEach(() => vi.unstubAllGlobals());

describe('api', () => {
  it('keeps the message and the hint of the server', async () => {
    answer(400, '{"error":{"code":"unknown_field","message":"There is no field \\"foo\\"","hint":"Fields: model"}}');
    await expect(api.get('/api/v1/system')).rejects.toMatchObject({ status: 400, code: 'unknown_field', hint: 'Fields: model' });
  });

  it('handles responses that are not from this server', async () => {
    answer(413, '<html>Too large</html>');
    await expect(api.get('/api/v1/system')).rejects.toMatchObject({ status: 413, code: 'http' });
    answer(502, '<html>Bad gateway</html>');
    await expect(api.get('/api/v1/system')).rejects.toMatchObject({ code: 'offline' });
  });

  it('reports when the server does not respond', async () => {
    vi.stubGlobal(
      'fetch',
      vi.fn(async () => Promise.reject(new TypeError('failed'))),
    );
    const error = await api.get('/api/v1/system').catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 0, code: 'offline' });
  });

  it('adds the page header to changes only', async () => {
    answer(204, '');
    await expect(api.delete('/api/v1/session')).resolves.toBeUndefined();
    await api.post('/api/v1/session', { body: { token: 't' } });
    answer(200, '{}');
    const get = vi.mocked(fetch);
    await api.get('/api/v1/me');
    expect(get.mock.calls[0]?.[1]?.headers).not.toHaveProperty('x-hinomi-page');
  });
});

it('leaves out parameters that are not set', () => {
  expect(withParams('/a', { q: 'x y', from: undefined, to: null, limit: 0, sort: '' })).toBe('/a?q=x+y&limit=0');
});

/** Never called: `npm run check` fails if one of these passes the type check. */
export const refused = () => [
  // @ts-expect-error There is no such path.
  api.get('/api/v1/nothing'),
  // @ts-expect-error It cannot be deleted.
  api.delete('/api/v1/me'),
  // @ts-expect-error A part of the path is missing.
  api.get('/api/v1/projects/{project}/traces/{trace}', { path: { project: 1 } }),
  // @ts-expect-error There is no such parameter.
  api.get('/api/v1/projects/{project}/traces', { path: { project: 1 }, query: { query: 'model:gpt-4o' } }),
  // @ts-expect-error A parameter that must be there is missing.
  api.get('/api/v1/projects/{project}/facets', { path: { project: 1 } }),
  // @ts-expect-error There is no such field in the body.
  api.patch('/api/v1/projects/{project}', { path: { project: 1 }, body: { title: 'x' } }),
  // @ts-expect-error The body is missing.
  api.post('/api/v1/projects'),
];
