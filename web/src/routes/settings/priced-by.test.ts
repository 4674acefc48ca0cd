import { expect, test } from 'vitest';
import type { OwnPrice, UnpricedModel } from '../../api/money-types';
import type { Hint } from '../../api/trace-types';
import { pricedBy, settle } from './settled';

const hint = (subject: string, name: Hint['hint'] = 'unpriced_model'): Hint => ({
  hint: name,
  sdk: null,
  subject,
  value: null,
  count: 3,
  first_at: null,
  last_at: null,
  trace_id: null,
  span_id: null,
});
const price = (model: string, patch: Partial<OwnPrice> = {}) => ({ model, provider: null, until: null, ...patch }) as OwnPrice;
const unpriced = (model: string) => ({ model, provider: 'local', calls: 3 }) as UnpricedModel;
const today = '2026-11-29';

test('an own price is for its model, its beginning, its provider, until it ends', () => {
  expect(pricedBy(price('swallow-70b'), 'Swallow-70B', null, today)).toBe(true);
  expect(pricedBy(price('swallow-*'), 'swallow-70b', 'local', today)).toBe(true);
  expect(pricedBy(price('swallow'), 'swallow-70b', null, today)).toBe(false);
  expect(pricedBy(price('swallow-70b', { provider: 'azure' }), 'swallow-70b', 'local', today)).toBe(false);
  expect(pricedBy(price('swallow-70b', { until: today }), 'swallow-70b', null, today)).toBe(false);
});

test('a hint about a price changes when the price is set, and goes when stored calls have it', () => {
  const hints = [hint('swallow-70b'), hint('x', 'no_response_model')];
  const waiting = { prices: [], unpriced: [unpriced('swallow-70b')], complete: true, today };
  expect(settle(hints, null)).toEqual(hints);
  expect(settle(hints, waiting)).toEqual(hints);
  const set = { ...waiting, prices: [price('swallow-70b')] };
  expect(settle(hints, set).map(({ priced }) => priced)).toEqual([true, undefined]);
  expect(settle(hints, { ...set, unpriced: [] }).map(({ hint: name }) => name)).toEqual(['no_response_model']);
});
