import { expect, it } from 'vitest';
import { colorOf, family } from './colors';

it('gives dated versions of a model its colour', () => {
  expect(family('openai/gpt-4o-2024-08-06')).toBe('gpt-4o');
  expect(colorOf('gpt-3.5-turbo-0125')).toBe(colorOf('gpt-3.5-turbo'));
  expect(colorOf('claude-sonnet-4-5-20250929')).toBe('var(--c7)');
});

it('stays the same and within the eight', () => {
  expect(colorOf('swallow-70b-instruct')).toBe(colorOf('swallow-70b-instruct'));
  for (const name of ['a', 'b', '漢字', 'x'.repeat(400)]) expect(colorOf(name)).toMatch(/^var\(--c[1-8]\)$/);
  expect(colorOf(null)).toBe('var(--c-other)');
});
