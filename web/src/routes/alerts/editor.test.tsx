import { describe, expect, it } from 'vitest';
import { chooseTarget, withMade } from './editor';
import { EMPTY_BUDGET } from './budget-draft';

describe('a target that is made on the way of a form', () => {
  it('is chosen in that form, and in no other', () => {
    chooseTarget(7, 'budgets/new', 3);
    chooseTarget(7, 'budgets/new', 3);
    const typed = { ...EMPTY_BUDGET, name: 'Day', telling: { ...EMPTY_BUDGET.telling, targets: [1] } };
    expect(withMade(typed, '7/budgets/new')).toMatchObject({ name: 'Day', telling: { targets: [1, 3] } });
    expect(withMade(typed, '7/budgets/4').telling.targets).toEqual([1]);
  });
});
