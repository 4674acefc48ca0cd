import { expect, test } from 'vitest';
import { changesOf, detailText, missingRanges, otherDetails } from './entry-facts';

test('changes have the values before and after', () => {
  const details = { role: 'admin', changes: { role: { before: 'viewer', after: 'admin' }, state: { before: null, after: 'active' } } };
  expect(changesOf({ details })).toEqual([
    { field: 'role', before: 'viewer', after: 'admin' },
    { field: 'state', before: null, after: 'active' },
  ]);
  expect(otherDetails({ details })).toEqual([['role', 'admin']]);
});

test('changes of another shape are a detail like any other', () => {
  for (const changes of [null, 'all', [1], {}, { role: 'admin' }]) {
    expect(changesOf({ details: { changes } })).toEqual([]);
    expect(otherDetails({ details: { changes } })).toEqual([['changes', changes]]);
  }
});

test('text is shown as it is, everything else as JSON', () => {
  expect([detailText('<b>'), detailText(3), detailText({ a: [1] }), detailText(null)]).toEqual(['<b>', '3', '{"a":[1]}', 'null']);
});

test('a gap between sequence numbers is found', () => {
  const entries = (...numbers: number[]) => numbers.map((sequence) => ({ sequence }));
  expect(missingRanges(entries(9, 8, 7))).toEqual([]);
  expect(missingRanges(entries(9, 6, 5, 3))).toEqual([
    [7, 8],
    [4, 4],
  ]);
  expect(missingRanges([])).toEqual([]);
});
