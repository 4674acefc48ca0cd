import { describe, expect, it } from 'vitest';
import { en } from './en';
import { ja } from './ja';
import { translate, type TextKey } from './index';

const keys = Object.keys(en) as TextKey[];
const names = (text: string) => [...new Set(text.match(/\{\w+\}/g))].toSorted();

describe('the tables', () => {
  it('have the same keys', () => expect(Object.keys(ja).toSorted()).toEqual(Object.keys(en).toSorted()));
  it.each(keys)('%s has the same blanks in both languages', (key) => expect(names(ja[key])).toEqual(names(en[key])));
  it('have a text for every key', () => {
    for (const key of keys) expect(en[key].length * ja[key].length, key).toBeGreaterThan(0);
  });
});

describe('translate', () => {
  it('chooses between one and many', () => {
    expect(translate('en', 'common.calls', { n: 1 })).toBe('1 call');
    expect(translate('en', 'common.calls', { n: '2,152' })).toBe('2,152 calls');
  });
  it('writes numbers with thousands', () => {
    expect(translate('en', 'common.calls', { n: 2000 })).toBe('2,000 calls');
    expect(translate('ja', 'common.calls', { n: 1_234_567 })).toContain('1,234,567');
    expect(translate('en', 'common.of', { n: 0.25, total: '1000+' })).toBe('0.25 of 1000+');
  });
  it('leaves what is in a value alone', () => {
    expect(translate('en', 'common.calls', { n: '{n}|<b>' })).toBe('{n}|<b> calls');
  });
});
