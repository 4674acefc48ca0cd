import { describe, expect, it } from 'vitest';
import { makeFormat, plain } from './index';

const now = () => new Date('2026-11-23T08:42:10Z');
const en = makeFormat('en', 'Asia/Tokyo', now);
const ja = makeFormat('ja', 'Asia/Tokyo', now);

describe('durations', () => {
  it.each([
    [0, '0 ms'],
    [0.004, '0.004 ms'],
    [0.42, '0.42 ms'],
    [1.1, '1.10 ms'],
    [13.8, '13.8 ms'],
    [690, '690 ms'],
    [9.996, '10.0 ms'],
    [999.4, '999 ms'],
    [999.6, '1.00 s'],
    [2070, '2.07 s'],
    [9996, '10.0 s'],
    [31_400, '31.4 s'],
    [59_949, '59.9 s'],
    [59_960, '1 m 0 s'],
    [214_000, '3 m 34 s'],
    [3_599_600, '1 h 0 m'],
    [6_240_000, '1 h 44 m'],
    [190_800_000, '2 d 5 h'],
  ])('%d ms is %s', (ms, text) => expect(plain(en.duration(ms))).toBe(text));
});

describe('durations in Japanese', () => {
  it.each([
    [2070, '2.07 s'],
    [214_000, '3分34秒'],
    [6_240_000, '1時間44分'],
    [190_800_000, '2日5時間'],
  ])('%d ms is %s', (ms, text) => expect(plain(ja.duration(ms))).toBe(text));
});

describe('money', () => {
  it.each([
    [47.07, '$47.07'],
    [1060, '$1,060.00'],
    [1, '$1.00'],
    [0.99996, '$1.00'],
    [0.5646, '$0.5646'],
    [0.00533028, '$0.0053'],
    [0.0004, '$0.0004'],
    [0.0003385, '$0.00034'],
    [0.0000996, '$0.0001'],
    [0.00001, '$0.00001'],
    [0.000000304, '$0.0000003'],
    [0.00000035, '$0.00000035'],
    [1e-15, '< $0.000000000001'],
    [0, '$0.00'],
    [-0.5, '\u2212$0.5000'],
    [999_499.5, '$999,499.50'],
    [1_234_567.89, '$1.23 M'],
    [1.1e12, '$1,100 B'],
  ])('%d reads %s', (value, text) => expect(en.money(value)).toBe(text));

  it.each([
    [0.0003385, '$0.0003385'],
    [0.1 + 0.2, '$0.3000'],
    [0.00001, '$0.00001'],
    [2.5, '$2.50'],
    [0.0266, '$0.0266'],
    [0, '$0.00'],
  ])('%d is exactly %s', (value, text) => expect(en.moneyExact(value)).toBe(text));

  it('never shows zero for a nonzero amount', () => {
    for (let power = 6; power >= -12; power -= 1) expect(en.money(1.5 * 10 ** power), `1.5e${power}`).toMatch(/[1-9]/);
  });

  it.each([
    [0, '$0'],
    [0.05, '$0.05'],
    [0.002, '$0.002'],
    [1.5, '$1.50'],
    [2000, '$2,000'],
    [50_000, '$50 k'],
    [1_000_000, '$1 M'],
  ])('a scale marks %d as %s', (value, text) => expect(en.moneyMark(value)).toBe(text));

  it("shows the second currency at the owner's rate", () => {
    const yen = { code: 'JPY', rate: 150 };
    expect(en.secondCurrency(0.0003385, yen)).toBe('¥0.05');
    expect(en.secondCurrency(47.07, yen)).toBe('¥7,060');
    expect(en.secondCurrency(0.0000001, yen)).toBe('¥0.000015');
    expect(en.secondCurrency(1, { code: 'EUR', rate: 0.9 })).toBe('€0.90');
    expect(en.secondCurrency(1_990_000, yen)).toBe('¥299M');
    expect(en.secondCurrency(null, yen)).toBeNull();
    expect(en.secondCurrency(1, null)).toBeNull();
  });
});

describe('tokens, rates and changes', () => {
  it.each([
    [0, '0'],
    [196, '196'],
    [999, '999'],
    [1450, '1.45 k'],
    [23_857, '23.9 k'],
    [281_000, '281 k'],
    [999_499, '999 k'],
    [999_600, '1.00 M'],
    [5_140_000, '5.14 M'],
    [46_200_000, '46.2 M'],
    [2_500_000_000, '2.50 B'],
    [1_100_000_000_000, '1.10 T'],
  ])('%d tokens read %s', (value, text) => expect(plain(en.tokens(value))).toBe(text));

  it.each([
    [0, '0 %'],
    [1, '100 %'],
    [0.0062, '0.62 %'],
    [0.984, '98.4 %'],
    [0.00001, '< 0.01 %'],
    [0.99999, '> 99.9 %'],
    [0.1, '10.0 %'],
  ])('a rate of %d is %s', (rate, text) => expect(plain(en.percent(rate))).toBe(text));

  it('uses a minus sign for a change and highlights it only above five percent', () => {
    expect(en.change(14_851, 14_415)).toEqual({ text: { n: '+3.0', u: '%' }, notable: false, grew: true });
    expect(en.change(47.07, 40.29)).toMatchObject({ text: { n: '+16.8' }, notable: true });
    expect(en.change(50, 100)).toMatchObject({ text: { n: '\u221250.0' }, grew: false });
    expect(en.change(100, 100)?.text?.n).toBe('±0.0');
    expect(en.change(300, 100)?.text?.n).toBe('+200');
    expect(en.change(26_490, 52)).toEqual({ text: null, notable: true, grew: true });
    expect(en.change(5, 0)).toBeNull();
    expect(en.change(null, 4)).toBeNull();
  });

  it('compares rates in points', () => {
    expect(en.pointsChange(0.0062, 0.006)).toEqual({ text: { n: '+0.02' }, notable: false, grew: true });
    expect(en.pointsChange(0.01, 0.02)).toMatchObject({ text: { n: '\u22121.00' }, notable: true });
  });

  it('counts bytes', () => {
    expect(plain(en.bytes(512))).toBe('512 B');
    expect(plain(en.bytes(48_230_000))).toBe('48.2 MB');
  });
});

describe('times', () => {
  it('drops the day today and the year this year', () => {
    expect(en.moment('2026-11-23T08:41:02Z')).toBe('17:41:02');
    expect(en.moment('2026-11-22T12:14:07Z')).toBe('22 Nov, 21:14:07');
    expect(en.moment('2025-12-31T15:00:00Z')).toBe('1 Jan, 00:00:00');
    expect(en.moment('2025-12-31T14:59:59Z')).toBe('31 Dec 2025, 23:59:59');
    expect(ja.moment('2026-11-22T12:14:07Z')).toBe('11月22日 21:14:07');
  });

  it('tells the milliseconds of log lines', () => {
    expect(en.preciseMoment('2026-11-23T08:41:02.007417Z')).toBe('17:41:02.007');
    expect(en.preciseMoment('2026-11-22T12:14:07.120Z')).toBe('22 Nov, 21:14:07.120');
    expect(ja.preciseMoment('2026-11-22T12:14:07.120Z')).toBe('11月22日 21:14:07.120');
  });

  it('tells milliseconds on a trace, from microseconds sent', () => {
    expect(en.exact('2026-11-23T08:41:02.000417Z')).toBe('23 Nov 2026, 17:41:02.000');
    expect(ja.exact('2026-11-23T08:41:02.120000Z')).toBe('2026年11月23日 17:41:02.120');
  });

  it('follows the zone', () => {
    expect(makeFormat('en', 'UTC', now).moment('2026-11-23T08:41:02Z')).toBe('08:41:02');
  });

  it('says how long ago', () => {
    expect(plain(en.age('2026-11-23T06:58:10Z'))).toBe('1 h 44 m');
    expect(plain(en.age(now().getTime() - 43_200))).toBe('43 s');
    expect(plain(en.age(now().getTime() - 59_700))).toBe('1 m 0 s');
  });
});
