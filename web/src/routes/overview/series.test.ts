import { describe, expect, it } from 'vitest';
import type { BreakdownRow } from '../../api/types';
import { paletteOf } from '../../colors';
import { modelsInOrder, OTHER, stackSeries, bucketTimes, seriesValues } from './series';

const group = (key: string, ...values: (number | null)[]) => ({
  key,
  points: values.map((value, at): [string, number | null] => [`2026-11-23T0${at}:00:00Z`, value]),
});

const gray = () => 'gray';

describe('stackOf', () => {
  it('puts the steadiest series at the bottom', () => {
    expect(stackSeries([group('burst', 0, 0, 90), group('steady', 10, 10, 11)], gray).map(({ key }) => key)).toEqual(['steady', 'burst']);
  });
  it('merges series that cannot be distinguished, and omits those without cost', () => {
    const many = Array.from({ length: 9 }, (_, at) => group(`m${at}`, 10 - at, 1));
    const stack = stackSeries([...many, group('free', 0, 0)], gray);
    expect(stack).toHaveLength(8);
    expect(stack[0]).toMatchObject({ key: OTHER, values: [3 + 2, 2] });
  });
  it('adds what the server does not name to the rest', () => {
    const stack = stackSeries([group('named', 1, 2, 3)], gray, {
      groups: 9,
      points: [
        ['a', 4],
        ['b', 0],
        ['c', 6],
      ],
    });
    expect(stack.map(({ key, values }) => [key, values])).toEqual([
      [OTHER, [4, 0, 6]],
      ['named', [1, 2, 3]],
    ]);
  });
  it('gives colours to the models that it names before all others', () => {
    const groups = [group('little', 1), group('much', 9)];
    const rows = ['free', 'much', 'little'].map((key) => ({ key }) as BreakdownRow);
    const color = paletteOf([]).among(modelsInOrder(groups, rows));
    expect(modelsInOrder(groups, rows).slice(0, 2)).toEqual(['much', 'little']);
    expect(new Set(stackSeries(groups, color).map((one) => one.color)).size).toBe(2);
  });
  it('is empty without a response', () => expect(stackSeries(undefined, gray)).toEqual([]));
});

it('reads times and values, gaps among them', () => {
  const lines = [group('', 5, null)];
  const answer = { bucket: '1h' as const, groups: lines, measures: { duration_p95: lines }, others: {} };
  expect(seriesValues(answer, 'duration_p95')).toEqual([5, null]);
  expect(seriesValues(answer, 'cost')).toEqual([]);
  expect(bucketTimes(answer)).toEqual([Date.parse('2026-11-23T00:00:00Z'), Date.parse('2026-11-23T01:00:00Z')]);
});
