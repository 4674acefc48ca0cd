import { expect, it } from 'vitest';
import type { MetricKind, MetricMeasure } from '../../api/types';
import { makeFormat, plain } from '../../format';
import { unitText, valueFormatter } from './units';

const format = makeFormat('en', 'UTC');
const write = (unit: string, measure: MetricMeasure, value: number, kind: MetricKind = 'histogram') =>
  plain(valueFormatter({ unit, kind }, measure, format)(value)).trim();

it('writes values in their unit', () => {
  expect(write('s', 'p95', 2.07)).toBe('2.07 s');
  expect(write('ms', 'mean', 13.8)).toBe('13.8 ms');
  expect(write('By', 'sum', 2_000_000)).toBe('2.00 MB');
  expect(write('{USD}', 'increase', 0.5)).toBe('$0.5000');
  expect(write('{token}', 'increase', 12_345)).toBe('12.3 k');
  expect(write('', 'mean', 0.25)).toBe('0.25');
});

it('counts values, whatever their unit', () => {
  expect(write('s', 'count', 3)).toBe('3');
  expect(write('s', 'rate', 0.0001)).toBe('< 0.001  /s');
  expect(write('USD', 'rate', 2, 'counter')).toBe('$2.00  /s');
});

it('keeps the sign', () => expect(write('1', 'value', -3)).toBe('\u22123'));

it('says a unit as a word', () => expect(['{token}', '1', 'ms', ''].map(unitText)).toEqual(['token', '', 'ms', '']));
