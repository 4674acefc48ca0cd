import { describe, expect, it } from 'vitest';
import type { FindingKind, FindingKindSummary } from '../../api/types';
import { makeFormat } from '../../format';
import { changeOfKind, sortKinds } from './finding-figures';

const format = makeFormat('en', 'UTC');
const row = (kind: FindingKind, traces: number, cost: number, before: number | null = null): FindingKindSummary => ({
  detector: 'signal',
  kind,
  severity: 'warning',
  findings: traces * 2,
  traces,
  previous_traces: before,
  wasted_cost: cost,
  trend: [],
  examples: [],
});
const names = (kinds: FindingKindSummary[]) => kinds.map(({ kind }) => kind);

describe('kinds in a table', () => {
  const kinds = [row('refusal', 40, 0), row('tool_loop', 3, 0.5), row('wrong_language', 90, 0), row('run_limit', 7, 0), row('retry_storm', 2, 2)];

  it('begin with the most expensive one, and with most traces for the same cost', () => {
    expect(names(sortKinds(kinds))).toEqual(['retry_storm', 'tool_loop', 'wrong_language', 'refusal', 'run_limit']);
    expect(names(sortKinds(kinds, 'wasted_cost'))).toEqual(['wrong_language', 'refusal', 'run_limit', 'tool_loop', 'retry_storm']);
  });

  it('are sorted by another figure if asked, and by cost if the figure is unknown', () => {
    expect(names(sortKinds(kinds, '-traces'))[0]).toBe('wrong_language');
    expect(names(sortKinds(kinds, 'findings'))[0]).toBe('retry_storm');
    expect(names(sortKinds(kinds, '-toString'))).toEqual(names(sortKinds(kinds)));
  });
});

describe('the change of a kind', () => {
  it('is unknown without a period before, and new after one without such traces', () => {
    expect(changeOfKind(format, row('refusal', 4, 0, null))).toBeNull();
    expect(changeOfKind(format, row('refusal', 4, 0, 0))).toBe('new');
  });

  it('is a percentage that says whether it is worse', () => {
    expect(changeOfKind(format, row('refusal', 6, 0, 4))).toMatchObject({ text: { n: '+50.0', u: '%' }, notable: true, grew: true });
    expect(changeOfKind(format, row('refusal', 2, 0, 4))).toMatchObject({ notable: true, grew: false });
    // Of almost nothing, a percentage says nothing.
    expect(changeOfKind(format, row('refusal', 400, 0, 1))).toMatchObject({ text: null });
  });
});
