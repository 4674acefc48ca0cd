import { afterEach, describe, expect, it, vi } from 'vitest';
import { api, ApiError, withParams } from './client';

const answer = (status: number, body: string) =>
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response(body || null, { status })),
  );

afterEach(() => vi.unstubAllGlobals());

describe('api', () => {
  it('keeps the words and the hint of the server', async () => {
    answer(400, '{"error":{"code":"unknown_field","message":"There is no field \\"foo\\"","hint":"Fields: model"}}');
    await expect(api('/x')).rejects.toMatchObject({ status: 400, code: 'unknown_field', hint: 'Fields: model' });
  });

  it('survives what is not ours', async () => {
    answer(413, '<html>Too large</html>');
    await expect(api('/x')).rejects.toMatchObject({ status: 413, code: 'http' });
    answer(502, '<html>Bad gateway</html>');
    await expect(api('/x')).rejects.toMatchObject({ code: 'offline' });
  });

  it('says when nobody answers', async () => {
    vi.stubGlobal(
      'fetch',
      vi.fn(async () => Promise.reject(new TypeError('failed'))),
    );
    const error = await api('/x').catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 0, code: 'offline' });
  });

  it('guards what changes something, and nothing else', async () => {
    answer(204, '');
    await expect(api('/session', { method: 'DELETE' })).resolves.toBeUndefined();
    await api('/session', { method: 'POST', body: { token: 't' } });
    answer(200, '{}');
    const get = vi.mocked(fetch);
    await api('/me');
    expect(get.mock.calls[0]?.[1]?.headers).not.toHaveProperty('x-hinomi-page');
  });
});

it('leaves out parameters that are not set', () => {
  expect(withParams('/a', { q: 'x y', from: undefined, to: null, limit: 0, sort: '' })).toBe('/a?q=x+y&limit=0');
});
