import { expect, it } from 'vitest';
import { otherRequestParts, requestLine, requestPairs } from './request-parts';

it('reads headers, cookies and parameters in every form that clients send', () => {
  expect(requestPairs({ Accept: '*/*' })).toEqual([['Accept', '*/*']]);
  expect(requestPairs([['Accept', '*/*'], ['Accept', 'text/html']])).toHaveLength(2);
  expect(requestPairs('?a=1&b=%E9%87%91')).toEqual([['a', '1'], ['b', '金']]);
  expect(requestPairs('a=1; b=2')).toBeNull();
  expect(requestPairs([1, 2])).toBeNull();
  for (const nothing of [null, undefined, '']) expect(requestPairs(nothing)).toEqual([]);
});

it('writes the address once', () => {
  expect(requestLine({ method: 'GET', url: 'https://a.example/x', query_string: 'b=1', fragment: 'top' })).toBe('GET https://a.example/x?b=1#top');
  expect(requestLine({ url: 'https://a.example/x?b=1', query_string: 'b=1' })).toBe('https://a.example/x?b=1');
  expect(requestLine({ url: 'https://a.example', query_string: { b: 1 } })).toBe('https://a.example');
});

it('keeps what has no place of its own', () => {
  expect(otherRequestParts({ url: 'x', api_target: 'graphql' })).toEqual([['api_target', 'graphql']]);
});
