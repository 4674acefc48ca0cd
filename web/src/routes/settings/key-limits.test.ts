import { expect, test } from 'vitest';
import { limitsOf } from './key-limits';

test('empty fields are no limits', () => {
  expect(limitsOf('', ' ', '')).toEqual({ items_per_minute: null, bytes_per_day: null, allowed_origins: [] });
});

test('megabytes become bytes, and origins are separated by lines or commas', () => {
  expect(limitsOf('100', '1.5', 'https://a.example.com,\n https://*.b.example.com')).toEqual({
    items_per_minute: 100,
    bytes_per_day: 1_500_000,
    allowed_origins: ['https://a.example.com', 'https://*.b.example.com'],
  });
});

test('numbers that are no limit are not sent', () => {
  for (const [items, megabytes] of [['0', ''], ['-1', ''], ['1.5', ''], ['x', ''], ['', '0'], ['', 'many']] as const)
    expect(limitsOf(items, megabytes, ''), `${items} ${megabytes}`).toBeNull();
});
