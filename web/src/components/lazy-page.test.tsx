import { beforeEach, expect, test, vi } from 'vitest';
import { noteAnswer, noteNoAnswer } from '../api/connection';
import { PageLoadError, lazyPage } from './lazy-page';

const gone = () => Promise.reject(new TypeError('Failed to fetch'));

beforeEach(() => {
  noteAnswer();
  vi.stubGlobal('fetch', gone);
});

test('code that failed to load is loaded again on the next request', async () => {
  let there = false;
  const page = lazyPage(() => (there ? Promise.resolve({ default: () => null }) : Promise.reject(new TypeError('Failed to fetch'))));
  await expect(page.preload()).rejects.toBeInstanceOf(PageLoadError);
  there = true;
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('{}')));
  await expect(page.preload()).resolves.toBeUndefined();
});

test('nothing is requested from a server that is known to be unreachable', async () => {
  noteNoAnswer();
  const importer = vi.fn(() => Promise.resolve({ default: () => null }));
  await expect(lazyPage(importer).preload()).rejects.toBeInstanceOf(PageLoadError);
  expect(importer).not.toHaveBeenCalled();
});
