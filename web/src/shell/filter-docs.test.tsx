import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';
import en from '../../../docs/filters.md?raw';
import ja from '../../../docs/filters.ja.md?raw';
import { setPrefs } from '../prefs';
import FilterDocs from './filter-docs';

/** What does not depend on the language, by section: heading level, blocks and spans of code, rows of tables and lists. */
function shape(text: string) {
  const sections = text.split(/^(?=#+ )/m).filter(Boolean);
  return sections.map((section) => {
    const lines = section.split('\n');
    return {
      level: section.match(/^#+/)?.[0].length,
      blocks: lines.filter((line) => line.startsWith('    ')),
      spans: [...new Set(section.match(/`[^`]+`/g))].toSorted(),
      rows: lines.filter((line) => line.startsWith('|')).length,
      items: lines.filter((line) => line.startsWith('- ')).length,
    };
  });
}

describe('the description of the filter language', () => {
  afterEach(() => {
    cleanup();
    setPrefs({ lang: 'en' });
  });

  it('has the same sections, examples and rows in both languages', () => {
    expect(shape(en).length).toBeGreaterThan(5);
    expect(shape(ja)).toEqual(shape(en));
  });

  it('links the other language in the file, not on the page', () => {
    expect(en).toContain('(filters.ja.md)');
    expect(ja).toContain('(filters.md)');
    const { container } = render(<FilterDocs />);
    expect(container.textContent).not.toContain('日本語');
  });

  it('is shown in the language of the reader', () => {
    setPrefs({ lang: 'ja' });
    render(<FilterDocs />);
    expect(screen.getByRole('heading', { name: '文法' })).toBeTruthy();
    expect(screen.queryByText('English')).toBeNull();
  });
});
