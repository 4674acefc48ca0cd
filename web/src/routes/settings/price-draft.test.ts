import { expect, it } from 'vitest';
import { emptyPriceDraft, priceOf, today } from './price-draft';

const draft = { ...emptyPriceDraft(' llama-3.3-70b* ', 'vllm'), prices: { input: '0.2', output: ' 0.6 ', cache_read: '' } };

it('sends trimmed, typed values, and nothing for what was left empty', () => {
  expect(priceOf(draft)).toEqual({ model: 'llama-3.3-70b*', provider: 'vllm', prices: { input: 0.2, output: 0.6 } });
  expect(priceOf({ ...draft, from: '2026-11-01', above: '200000', tier: 'batch' })).toMatchObject({
    from: '2026-11-01',
    input_above: 200_000,
    service_tier: 'batch',
  });
});

it('accepts a price of zero, and a price per hour alone', () => {
  expect(priceOf({ ...draft, prices: { input: '0', output: '0' } })).toMatchObject({ prices: { input: 0, output: 0 } });
  expect(priceOf({ ...draft, prices: { hour: '2.5' } })).toMatchObject({ prices: { hour: 2.5 } });
});

it.each([
  [{ model: '  ' }, 'prices.needsModel'],
  [{ prices: { output: '1' } }, 'prices.needsPrice'],
  [{ prices: { input: '-1' } }, 'prices.invalidNumber'],
  [{ prices: { input: 'free' } }, 'prices.invalidNumber'],
  [{ prices: { input: 'Infinity' } }, 'prices.invalidNumber'],
  [{ from: 'May' }, 'prices.invalidDay'],
  [{ from: '2026-13-01' }, 'prices.invalidDay'],
  [{ above: '-5' }, 'prices.invalidTokenCount'],
])('refuses %o', (wrong, key) => expect(priceOf({ ...draft, ...wrong })).toMatchObject({ key }));

it('counts days in UTC', () => expect(today(new Date('2026-11-23T23:30:00-05:00'))).toBe('2026-11-24'));
