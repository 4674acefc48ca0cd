import { describe, expect, it } from 'vitest';
import {
  joinFilters,
  selectedValues,
  appendToFilter,
  joinTerms,
  hasIdFilter,
  fieldTerm,
  parseTerms,
  quoteValue,
  textTerm,
  toggleValue,
  withoutField,
} from './filter-query';

describe('the query language', () => {
  it('reads fields, negation, lists, quotes and plain words', () => {
    const bare = parseTerms('model:gpt-4o,"a b" -pipeline:"review digest" "返金 したい" cost:>0.05 user:*').map(
      ({ field, values, operator, not }) => ({ field, values, operator, not }),
    );
    expect(bare).toEqual([
      { field: 'model', values: ['gpt-4o', 'a b'], operator: false, not: false },
      { field: 'pipeline', values: ['review digest'], operator: false, not: true },
      { field: null, values: ['返金 したい'], operator: false, not: false },
      { field: 'cost', values: ['>0.05'], operator: true, not: false },
      { field: 'user', values: ['*'], operator: true, not: false },
    ]);
  });

  it.each([
    'model:a,b',
    '-status:error',
    'cost:>=0.05',
    'user:*',
    'tag.team:x',
    '"two words"',
    'name:"a \\"b\\" c"',
    '"tag.a b":c',
    'x "open',
  ])('%s survives a round trip', (q) => expect(joinTerms(parseTerms(q))).toBe(q));

  it('reads a field in quotation marks, and quotation marks that are not closed', () => {
    expect(parseTerms('"tag.a b":c')[0]).toMatchObject({ field: 'tag.a b', values: ['c'] });
    expect(parseTerms('name:"chat gpt')[0]).toMatchObject({ field: 'name', values: ['chat gpt'] });
  });

  it('quotes values that would otherwise parse differently', () => {
    expect(quoteValue('GPT-3.5')).toBe('GPT-3.5');
    expect(quoteValue('GPT-3.5 Pipeline')).toBe('"GPT-3.5 Pipeline"');
    expect(quoteValue('a,b')).toBe('"a,b"');
    expect(quoteValue('>5')).toBe('">5"');
    expect(textTerm('say "hi"')).toBe('"say \\"hi\\""');
    expect(fieldTerm('user', null)).toBe('-user:*');
    expect(fieldTerm('tag.a b', 'c')).toBe('"tag.a b":c');
    expect(parseTerms(fieldTerm('tag.say "hi": x', 'c'))[0]).toMatchObject({ field: 'tag.say "hi": x', values: ['c'] });
    expect(toggleValue('"tag.a b":c', 'tag.a b', 'd')).toBe('"tag.a b":c,d');
    expect(joinFilters('a:b', undefined, '', 'c:d')).toBe('a:b c:d');
  });

  it('keeps alternatives and parentheses together', () => {
    const raws = (q: string) => parseTerms(q).map(({ raw, group }) => [raw, group]);
    expect(raws('user:u (status:error OR cost:>1)')).toEqual([
      ['user:u', false],
      ['(status:error OR cost:>1)', true],
    ]);
    expect(raws('-(a OR "b ) c") name:f(x)')).toEqual([
      ['-(a OR "b ) c")', true],
      ['name:f(x)', false],
    ]);
    expect(raws('a OR b c')).toEqual([['a OR b c', true]]);
    expect(raws('a AND b')).toEqual([
      ['a', false],
      ['b', false],
    ]);
    expect(joinFilters('a OR b', 'c')).toBe('(a OR b) c');
    expect(toggleValue('a OR b', 'model', 'o3')).toBe('(a OR b) model:o3');
    expect(appendToFilter('a', 'OR b')).toBe('a OR b');
    expect(appendToFilter('a', 'b OR c')).toBe('a (b OR c)');
    expect(quoteValue('OR')).toBe('"OR"');
  });

  it('adds and removes values of a field', () => {
    expect(toggleValue('', 'model', 'gpt-4o')).toBe('model:gpt-4o');
    expect(toggleValue('user:u model:gpt-4o', 'model', 'a b')).toBe('user:u model:gpt-4o,"a b"');
    expect(toggleValue('model:gpt-4o,"a b" user:u', 'model', 'gpt-4o')).toBe('model:"a b" user:u');
    expect(toggleValue('model:gpt-4o user:u', 'model', 'gpt-4o')).toBe('user:u');
    expect(toggleValue('model:* -model:o3', 'model', 'gpt-4o')).toBe('model:* -model:o3 model:gpt-4o');
    expect(toggleValue('-model:o3 user:u', 'model', 'o3')).toBe('user:u');
    expect(selectedValues('model:a,b -model:c cost:>1', 'model')).toEqual({ wanted: ['a', 'b'], unwanted: ['c'] });
    expect(withoutField('model:a user:u -model:b', 'model')).toBe('user:u');
  });

  it('detects when the filter searches for an ID', () => {
    expect(hasIdFilter('session:s_1 status:error')).toBe(true);
    expect(hasIdFilter('user:a,b')).toBe(true);
    for (const q of ['', 'model:gpt-4o', '-user:u', 'user:*', '"user:u"']) expect(hasIdFilter(q)).toBe(false);
  });
});
