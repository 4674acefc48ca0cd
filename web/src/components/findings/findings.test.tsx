import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../api/types';
import { en } from '../../i18n/en';
import { translate, type T } from '../../i18n';
import { setPrefs } from '../../prefs';
import { FINDING_KINDS, findingName, foundKinds } from './labels';
import { FindingsChip } from './index';

const t: T = (key, vars) => translate('en', key, vars);
const found = (kind: Finding['kind'], severity: Finding['severity'], confidence = 0.9) => ({ kind, severity, confidence });

afterEach(() => {
  cleanup();
  setPrefs({ lang: 'en' });
});

describe('kinds of findings', () => {
  it('have a name and a meaning each', () => {
    expect(FINDING_KINDS).toHaveLength(13);
    for (const kind of FINDING_KINDS) expect([`finding.${kind}` in en, `finding.about.${kind}` in en], kind).toEqual([true, true]);
  });

  it('of a newer server keep their own name', () => {
    expect(findingName(t, 'tool_loop')).toBe('tool loop');
    expect(findingName(t, 'signal')).toBe('any signal');
    expect(findingName(t, 'prompt_leak')).toBe('prompt leak');
    expect(findingName(t, 'about.tool_loop')).toBe('about.tool loop');
    expect(findingName(t, 'constructor')).toBe('constructor');
  });

  it('are counted once each, the most severe first', () => {
    const kinds = foundKinds([
      found('refusal', 'info'),
      found('tool_loop', 'warning', 0.5),
      found('retry_storm', 'warning', 0.95),
      found('tool_loop', 'warning', 0.4),
      found('run_limit', 'critical', 0.1),
    ]);
    expect(kinds.map(({ kind, n }) => [kind, n])).toEqual([
      ['run_limit', 1],
      ['retry_storm', 1],
      ['tool_loop', 2],
      ['refusal', 1],
    ]);
  });
});

describe('the findings of a row', () => {
  it('are its most severe kind and the number of the others', () => {
    const { container } = render(<FindingsChip findings={[found('refusal', 'info'), found('run_limit', 'critical'), found('tool_loop', 'warning')]} />);
    expect(container.textContent).toBe('run limit+2');
    expect(container.querySelector('.chip-bad')?.getAttribute('title')).toBe('run limit (critical)\ntool loop (warning)\nrefusal (info)');
  });

  it('are named in the language of the reader', () => {
    setPrefs({ lang: 'ja' });
    render(<FindingsChip findings={[found('tool_loop', 'warning')]} />);
    expect(screen.getByText('ツールのループ')).toBeTruthy();
  });

  it('are nothing where there are none', () => {
    const { container } = render(<FindingsChip findings={[]} />);
    expect(container.childElementCount).toBe(0);
  });
});
