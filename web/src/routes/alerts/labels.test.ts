import { describe, expect, it } from 'vitest';
import { makeFormat } from '../../format';
import { translate } from '../../i18n';
import type { T } from '../../i18n';
import { incidentValueText } from './labels';

const en: T = (key, vars) => translate('en', key, vars);
const ja: T = (key, vars) => translate('ja', key, vars);

describe('where a figure stands', () => {
  const format = makeFormat('en', 'UTC');

  it('is the figure itself, unless it is a change', () => {
    expect(incidentValueText(en, format, { value: 12.5, unit: 'usd', compare: null })).toBe('$12.50');
    expect(incidentValueText(en, format, { value: null, unit: 'ratio', compare: 'previous' })).toBe(en('alerts.noData'));
  });

  it('shows the direction, and the baseline', () => {
    expect(incidentValueText(en, format, { value: 0.62, unit: 'ratio', compare: 'previous' })).toMatch(
      /^up 62\.0\s% vs\. previous window$/,
    );
    expect(incidentValueText(en, format, { value: -0.4, unit: 'ratio', compare: 'last_week' })).toMatch(
      /^down 40\.0\s% vs\. same window last week$/,
    );
    expect(incidentValueText(ja, makeFormat('ja', 'UTC'), { value: 0.62, unit: 'ratio', compare: 'previous' })).toMatch(
      /^直前のウィンドウ比62\.0\s?%増$/,
    );
  });
});
