import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gridVariables, hiddenFrom, TRACE_LIST_COLUMNS, WIDTH_STEPS } from './columns';

/** Tracks of a template: `minmax(1px, 2fr)` is one. */
const tracks = (template = '') => template.replaceAll(/\([^)]*\)/g, '()').split(' ').length;

describe('the columns of the list', () => {
  it.each(['traces', 'spans'] as const)('of %s have a track wherever they are shown', (kind) => {
    const variables = gridVariables(kind);
    expect(tracks(variables['--traces-columns-wide'])).toBe(TRACE_LIST_COLUMNS.length);
    for (const step of WIDTH_STEPS) {
      const shown = TRACE_LIST_COLUMNS.filter((column) => (hiddenFrom(column) ?? 0) < step);
      expect(tracks(variables[`--traces-columns-${step}`])).toBe(shown.length);
    }
  });

  it('take a width from the step before where they give none', () => {
    const variables = gridVariables('spans');
    expect(variables['--traces-columns-1120']).toBe(
      '14px var(--time-width) minmax(118px, 0.4fr) 142px minmax(170px, 1fr) auto 62px 84px 58px 56px',
    );
    expect(variables['--traces-columns-1040']).toBe(
      '14px var(--time-width) minmax(110px, 0.4fr) 134px minmax(150px, 1fr) auto 60px 82px 58px',
    );
  });

  it('have each of their steps in the stylesheet', () => {
    const css = readFileSync(join(process.cwd(), 'src/routes/traces/list.css'), 'utf8');
    for (const step of WIDTH_STEPS) {
      expect(css).toContain(`@container trace-list (max-width: ${step}px)`);
      expect(css).toContain(`var(--traces-columns-${step})`);
      expect(css).toContain(`[data-hidden-from='${step}']`);
    }
  });
});
