import { describe, expect, it } from 'vitest';
import { parseRelativeRange, rangeAround, resolveRange } from './range';
import { appSearchOf, parseSearch, stringifySearch, textParams } from './search-params';

describe('resolveRange', () => {
  it('selects the last day by default', () => {
    expect(resolveRange({})).toEqual({
      span: { from: '-24h', to: 'now' },
      before: { from: '-48h', to: '-24h' },
      ms: 86_400_000,
      bucket: '30m',
      last: '24h',
    });
  });

  it.each([
    ['15m', '1m'],
    ['1h', '1m'],
    ['6h', '5m'],
    ['24h', '30m'],
    ['7d', '6h'],
    ['30d', '12h'],
    ['365d', '1d'],
  ])('draws %s in buckets of %s', (last, bucket) => expect(resolveRange({ last }).bucket).toBe(bucket));

  it('compares an absolute range with the one just before', () => {
    const range = resolveRange({ from: '2026-11-23T00:00:00Z', to: '2026-11-23T06:00:00Z' });
    expect(range.before).toEqual({ from: '2026-11-22T18:00:00.000Z', to: '2026-11-23T00:00:00.000Z' });
    expect(range.last).toBeNull();
  });

  it('falls back when the URL is invalid', () => {
    expect(resolveRange({ last: '7 days' }).last).toBe('24h');
    expect(resolveRange({ from: 'x', to: 'y' }).last).toBe('24h');
    expect(resolveRange({ from: '2026-11-24T00:00:00Z', to: '2026-11-23T00:00:00Z' }).last).toBe('24h');
    expect(parseRelativeRange('0h')).toBeNull();
  });
});

describe('the range of a link to something that happened', () => {
  const now = Date.parse('2026-11-29T12:00:00Z');
  const at = (time: string) => Date.parse(time);
  it('stays if it contains the linked item', () => {
    expect(rangeAround(resolveRange({ last: '24h' }), at('2026-11-29T11:00:00Z'), at('2026-11-29T11:05:00Z'), now)).toEqual({});
    const absolute = resolveRange({ from: '2026-11-01T00:00:00Z', to: '2026-11-02T00:00:00Z' });
    expect(rangeAround(absolute, at('2026-11-01T05:00:00Z'), undefined, now)).toEqual({});
  });
  it('becomes the days around the item otherwise', () => {
    const around = rangeAround(resolveRange({ last: '24h' }), at('2026-11-24T10:00:00Z'), at('2026-11-24T10:30:00Z'), now);
    expect(around).toEqual({ last: undefined, from: '2026-11-23T10:00:00.000Z', to: '2026-11-25T10:30:00.000Z' });
    expect('last' in around).toBe(true);
    const begun = rangeAround(resolveRange({ last: '1h' }), at('2026-11-29T10:50:00Z'), at('2026-11-29T11:50:00Z'), now);
    expect(begun.from).toBe('2026-11-28T10:50:00.000Z');
  });
  it('is left alone where the time is not known', () => {
    expect(rangeAround(resolveRange({}), NaN, NaN, now)).toEqual({});
  });
});

describe('the address bar', () => {
  it('keeps texts as they are', () => {
    const search = { q: 'model:"a b" cost:>5', last: '24h', trace: '12' };
    expect(parseSearch(stringifySearch(search))).toEqual(search);
    expect(stringifySearch({ q: '', sort: undefined })).toBe('');
  });
  it('accepts only known parameters', () => {
    expect(textParams({ q: 'x', other: 'y', n: 5 }, 'q', 'sort')).toEqual({ q: 'x' });
    expect(appSearchOf({ last: '24h', tz: 'utc', evil: '1' })).toEqual({ last: '24h', tz: 'utc' });
    expect(appSearchOf({ last: 'never', tz: 'Mars' })).toEqual({});
    expect(appSearchOf({ last: '24h', from: '2026-11-23T00:00:00Z', to: '2026-11-23T06:00:00Z' })).toEqual({
      from: '2026-11-23T00:00:00Z',
      to: '2026-11-23T06:00:00Z',
    });
  });
});
