import { expect, it } from 'vitest';
import { safePath, tokenIn } from './index';

it('finds the token in a whole link', () => {
  expect(tokenIn('http://127.0.0.1:8119/login?token=abc123&x=1')).toBe('abc123');
  expect(tokenIn('  abc123 ')).toBe('abc123');
});

it('only redirects to this page', () => {
  expect(safePath('/p/1/traces?q=a')).toBe('/p/1/traces?q=a');
  for (const path of [undefined, '', 'https://evil.example', '//evil.example', '/\\evil.example', 'javascript:alert(1)'])
    expect(safePath(path)).toBe('/');
});
