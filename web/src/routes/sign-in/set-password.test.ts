import { expect, it } from 'vitest';
import { tokenOfHash } from './set-password';

it('finds the token after the hash', () => {
  expect(tokenOfHash('#token=abc123')).toBe('abc123');
  expect(tokenOfHash('#x=1&token=abc123')).toBe('abc123');
  for (const hash of ['', '#', '#token=', '#abc123']) expect(tokenOfHash(hash)).toBe('');
});
