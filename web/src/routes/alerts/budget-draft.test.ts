import { describe, expect, it } from 'vitest';
import type { Budget } from '../../api/types';
import { budgetOf, EMPTY_BUDGET, formOf } from './budget-draft';

const budget: Budget = {
  id: 2,
  project_id: 1,
  muted_until: null,
  created_at: '',
  updated_at: '',
  state: null,
  name: 'Day',
  enabled: true,
  measure: 'cost',
  amount: 50.5,
  period: 'day',
  time_zone: 'Asia/Tokyo',
  week_starts: 'sunday',
  filter: 'environment:production',
  group_by: null,
  max_groups: 1000,
  steps: [50, 80, 99.5],
  critical_from: 80,
  alert_on_forecast: true,
  owner: 'me',
  notify: { targets: [1] },
};

describe('a budget in its form', () => {
  it('round-trips', () => {
    const { id, project_id, muted_until, created_at, updated_at, state, ...draft } = budget;
    expect([id, project_id, muted_until, created_at, updated_at, state]).toHaveLength(6);
    expect(budgetOf(formOf(budget), budget)).toEqual(draft);
  });

  it('has no forecast for groups', () => {
    expect(budgetOf({ ...formOf(budget), groupBy: 'user' })).toMatchObject({ group_by: 'user', alert_on_forecast: false });
  });

  it('says what is wrong', () => {
    expect(budgetOf(EMPTY_BUDGET)).toBe('amount');
    expect(budgetOf({ ...EMPTY_BUDGET, amount: '-1' })).toBe('amount');
    expect(budgetOf({ ...EMPTY_BUDGET, amount: '1', steps: '50 or so' })).toBe('steps');
    expect(budgetOf({ ...EMPTY_BUDGET, amount: '1', steps: '50% 80%' })).toMatchObject({ steps: [50, 80] });
  });
});
