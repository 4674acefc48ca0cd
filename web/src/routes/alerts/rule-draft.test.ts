import { describe, expect, it } from 'vitest';
import type { Rule, RuleDraft } from '../../api/types';
import { EMPTY_RULE, formOf, ruleOf } from './rule-draft';

/** What a rule does not say comes as null. */
const kept: Omit<Rule, keyof RuleDraft> & Partial<Rule> = {
  id: 1,
  project_id: 1,
  muted_until: null,
  created_at: '',
  updated_at: '',
  now: null,
  severity: null,
  open_incidents: 0,
};
const UNSAID = { score: null, filter: '', group_by: null, warning: null, critical: null, resolve: null, compare: null, min_samples: null, no_data: null, owner: null };

describe('a rule in its form', () => {
  it.each<RuleDraft>([
    {
      name: 'Cost',
      enabled: true,
      measure: 'cost',
      window: '1d',
      direction: 'above',
      warning: 40,
      critical: 50.5,
      time_zone: 'Asia/Tokyo',
      notify: {},
    },
    {
      name: 'Slow',
      enabled: false,
      measure: 'duration_p95',
      filter: 'model:gpt-4o',
      group_by: 'pipeline',
      max_groups: 20,
      window: '15m',
      direction: 'above',
      critical: 8000,
      resolve: 7500,
      min_samples: 50,
      no_data: 'resolve',
      owner: 'me',
      time_zone: 'UTC',
      notify: { targets: [1, 2], escalate_to: [3], escalate_after: '1h', repeat_every: '30m', language: 'ja' },
    },
    {
      name: 'Failing',
      enabled: true,
      measure: 'error_rate',
      window: '15m',
      direction: 'above',
      warning: 0.023,
      time_zone: 'UTC',
      notify: {},
    },
    {
      name: 'Twice',
      enabled: true,
      measure: 'cost',
      window: '1h',
      direction: 'below',
      compare: 'last_week',
      warning: -0.5,
      time_zone: 'UTC',
      notify: {},
    },
  ])('$name comes out as it went in', (rule) => {
    const was = { ...UNSAID, ...rule, ...kept } as Rule;
    expect(ruleOf(formOf(was), was)).toEqual(rule);
  });

  it('uses seconds and percent', () => {
    expect(ruleOf({ ...EMPTY_RULE, measure: 'duration_p95', warning: '8.5' })).toMatchObject({ warning: 8500 });
    expect(ruleOf({ ...EMPTY_RULE, measure: 'error_rate', warning: '2.3' })).toMatchObject({ warning: 0.023 });
    expect(ruleOf({ ...EMPTY_RULE, measure: 'total_tokens', warning: '1,000,000' })).toMatchObject({ warning: 1_000_000 });
  });

  it('says what is wrong', () => {
    expect(ruleOf(EMPTY_RULE)).toBe('thresholds');
    expect(ruleOf({ ...EMPTY_RULE, warning: 'much' })).toBe('warning');
    expect(ruleOf({ ...EMPTY_RULE, critical: '1', minSamples: '1.5' })).toBe('minSamples');
  });
});
