import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { en } from './en';
import { ja } from './ja';
import { translate, type TextKey } from './index';

const keys = Object.keys(en) as TextKey[];
/** The keys of one file, in its order. */
const keysOf = (lang: string, area: string) =>
  [...readFileSync(join(process.cwd(), 'src/i18n', lang, area), 'utf8').matchAll(/^ {2}'([^']+)':/gm)].map(([, key = '']) => key);
const areas = readdirSync(join(process.cwd(), 'src/i18n/en')).filter((area) => area !== 'index.ts');
const names = (text: string) => [...new Set(text.match(/\{\w+\}/g))].toSorted();

describe('the tables', () => {
  it('have the same keys', () => expect(Object.keys(ja).toSorted()).toEqual(Object.keys(en).toSorted()));
  it.each(areas)('%s has the same keys in the same order in both languages', (area) => {
    expect(keysOf('en', area).length).toBeGreaterThan(0);
    expect(keysOf('ja', area)).toEqual(keysOf('en', area));
  });
  it('have no key in two files, where the later would hide the earlier', () => {
    const all = areas.flatMap((area) => keysOf('en', area));
    expect(all.filter((key, at) => all.indexOf(key) !== at)).toEqual([]);
    expect(all.toSorted()).toEqual(keys.toSorted());
  });
  it('have keys of whole words, below the name of a page or part', () => {
    const abbreviated = (key: string) => !/^[a-z]+(\.[a-z]\w+)+$/.test(key) || /\.[a-z][A-Z]/.test(key);
    expect(keys.filter(abbreviated)).toEqual([]);
  });
  it.each(keys)('%s has the same blanks in both languages', (key) => expect(names(ja[key])).toEqual(names(en[key])));
  it('have a text for every key', () => {
    for (const key of keys) expect(en[key].length * ja[key].length, key).toBeGreaterThan(0);
  });
});

describe('the Japanese texts', () => {
  // Code in backticks and names in quotation marks are those of other programs.
  const own = (key: TextKey) => ja[key].replace(/`[^`]*`/g, '`').replace(/「[^」]*」/g, '「」');
  const WORD = '[\\u3040-\\u30ff\\u3005\\u4e00-\\u9fff]';
  const BESIDE = new RegExp(`${WORD} [A-Za-z0-9({]|[A-Za-z0-9)}] ${WORD}`);

  it.each(keys)('%s is written in half-width digits, letters and signs', (key) => expect(ja[key]).not.toMatch(/[\uff01-\uff5e\u3000]/));
  it.each(keys)('%s has no space between Japanese and other letters or figures', (key) => expect(own(key)).not.toMatch(BESIDE));
  it.each(keys)('%s has a space before a percent sign', (key) => expect(ja[key]).not.toMatch(/[\d}]%/));
  it.each(keys)('%s has a space around code', (key) => {
    const pieces = ja[key].split('`').filter((_, at) => at % 2 === 0);
    for (const before of pieces.slice(0, -1)) expect(before).toMatch(/(^|[\s(「:、。])$/);
    for (const after of pieces.slice(1)) expect(after).toMatch(/^([\s)」:、。(]|$)/);
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
