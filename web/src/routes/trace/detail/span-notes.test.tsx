import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';
import type { Exclusion } from '../../../api/types';
import { aSpan } from '../model/fixtures';
import { buildTree } from '../model/tree';
import { ExcludedNote } from './span-notes';

const select = vi.fn();

vi.mock('../context', () => ({
  useTraceView: () => ({ project: { id: 7 }, tree: buildTree([aSpan('outer', null, 0, 9), aSpan('inner', 'outer', 0, 4)], []), select }),
}));
vi.mock('@tanstack/react-router', () => ({
  Link: ({ params, search, children }: { params: { project: string; trace: string }; search: { span: string }; children: string }) => (
    <a href={`/p/${params.project}/traces/${params.trace}?span=${search.span}`}>{children}</a>
  ),
}));

const show = (exclusion: Exclusion | null) => render(<ExcludedNote exclusion={exclusion} />).container.textContent;

afterEach(cleanup);

it('selects the span of this trace that is counted instead', () => {
  expect(show({ kind: 'wraps_call', span_id: 'inner', trace_id: null })).toContain('tokens and cost of the call below it');
  fireEvent.click(screen.getByRole('button'));
  expect(select).toHaveBeenCalledWith('inner');
});

it('links to the span of another trace', () => {
  expect(show({ kind: 'reported_elsewhere', span_id: 'aa', trace_id: 'bb' })).toContain('Another trace');
  expect(screen.getByRole('link').getAttribute('href')).toBe('/p/7/traces/bb?span=aa');
});

it.each<Exclusion | null>([
  { kind: 'sum_of_calls', span_id: null, trace_id: null },
  { kind: 'duplicate_report', span_id: 'of a part that is not shown', trace_id: null },
  null,
])('names no span where none is known: %o', (exclusion) => {
  expect(show(exclusion)).toContain('Excluded from totals.');
  expect(screen.queryByRole('button')).toBeNull();
  expect(screen.queryByRole('link')).toBeNull();
});
