import { describe, expect, it } from 'vitest';
import { selectTargetInForm, withCreatedTargets } from './editor';
import { EMPTY_BUDGET } from './budget-draft';

describe('a target that is made on the way of a form', () => {
  it('is selected in that form only', () => {
    selectTargetInForm(7, 'budgets/new', 3);
    selectTargetInForm(7, 'budgets/new', 3);
    const typed = { ...EMPTY_BUDGET, name: 'Day', notification: { ...EMPTY_BUDGET.notification, targets: [1] } };
    expect(withCreatedTargets(typed, '7/budgets/new')).toMatchObject({ name: 'Day', notification: { targets: [1, 3] } });
    expect(withCreatedTargets(typed, '7/budgets/4').notification.targets).toEqual([1]);
  });
});
