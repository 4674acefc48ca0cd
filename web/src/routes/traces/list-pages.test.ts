import { describe, expect, it } from 'vitest';
import type { TraceSummary } from '../../api/types';
import { logarithmicShare } from './cells';
import { withSelectedValues } from './facets';
import { mergePages, withoutRepeats, type ListRow } from './list-pages';

const row = (id: string, start: string, cost: number | null = null): ListRow => ({
  of: 'traces',
  id,
  trace: { trace_id: id, start_time: `2026-11-23T10:00:${start}.000000Z`, cost } as TraceSummary,
});

describe('new rows', () => {
  it('are distinguished from changed ones, which replace the old ones', () => {
    const shown = [row('b', '02'), row('a', '01')];
    const { rows, fresh } = mergePages(shown, [row('c', '03'), row('b', '02', 0.5)]);
    expect(rows.map(({ id }) => id)).toEqual(['b', 'a']);
    expect(rows[0]).toMatchObject({ trace: { cost: 0.5 } });
    expect(fresh.map(({ id }) => id)).toEqual(['c']);
  });

  it('are listed once, at their first position', () => {
    expect(
      withoutRepeats([row('a', '03'), row('b', '02'), row('a', '01')])
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(['a', 'b']);
    expect(withoutRepeats([row('a', '03'), row('b', '02'), row('a', '01')])[0]!.id).toBe('a');
  });

  it('exclude rows older than the first one', () => {
    expect(mergePages([row('b', '05')], [row('b', '05'), row('late', '01')]).fresh).toEqual([]);
    expect(mergePages([], [row('a', '01')]).fresh).toHaveLength(1);
  });
});

it('a chosen value stays among the facets where nothing has it', () => {
  expect(withSelectedValues([{ value: 'a', count: 3 }], ['a', 'gone'])).toEqual([
    { value: 'a', count: 3 },
    { value: 'gone', count: 0 },
  ]);
});

it('duration bars are logarithmic, and never empty', () => {
  expect(logarithmicShare(0)).toBe(0.02);
  expect(logarithmicShare(300_000)).toBe(1);
  expect(logarithmicShare(9e9)).toBe(1);
  expect(logarithmicShare(5477)).toBeCloseTo(0.5, 2);
});
