import { expect, it } from 'vitest';
import { breadcrumbData, breadcrumbText } from './breadcrumb-text';
import { sampleBreadcrumb } from './sample-event';

it('says what a breadcrumb without a message did', () => {
  const of = (data: unknown, message: string | null = null) => breadcrumbText(sampleBreadcrumb({ message, data: JSON.stringify(data) }));
  expect(of({ url: 'https://a.example/x', method: 'POST', status_code: 429 })).toBe('POST https://a.example/x [429]');
  expect(of({ from: '/a', to: '/b' })).toBe('/a → /b');
  expect(of({ to: '/b' })).toBe('→ /b');
  expect(of({ rows: 3, table: 'desks' })).toBe('rows: 3, table: desks');
  expect(of({ url: 'https://a.example' }, 'asked')).toBe('asked');
  expect(breadcrumbText(sampleBreadcrumb())).toBe('');
});

it('reads only objects as data', () => {
  expect(breadcrumbData({ data: '{"a":1}' })).toEqual({ a: 1 });
  for (const data of [null, '{}', '[1]', '3', 'not JSON']) expect(breadcrumbData({ data })).toBeNull();
});
