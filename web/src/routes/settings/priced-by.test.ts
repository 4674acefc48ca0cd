import { expect, test } from 'vitest';
import type { OwnPrice } from '../../api/types';
import { pricedBy } from './priced-by';

const price = (model: string, patch: Partial<OwnPrice> = {}) => ({ model, provider: null, until: null, ...patch }) as OwnPrice;
const today = '2026-11-29';

test('a custom price applies to its model, prefix and provider until it ends', () => {
  expect(pricedBy(price('swallow-70b'), 'Swallow-70B', null, today)).toBe(true);
  expect(pricedBy(price('swallow-*'), 'swallow-70b', 'local', today)).toBe(true);
  expect(pricedBy(price('swallow'), 'swallow-70b', null, today)).toBe(false);
  expect(pricedBy(price('swallow-70b', { provider: 'azure' }), 'swallow-70b', 'local', today)).toBe(false);
  expect(pricedBy(price('swallow-70b', { until: today }), 'swallow-70b', null, today)).toBe(false);
});
