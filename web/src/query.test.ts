import { describe, expect, it } from 'vitest';
import { both, chosen, continued, joinTerms, namesOne, only, parseTerms, quote, said, toggled, without } from './query';

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

  it('quotes values that would read as something else', () => {
    expect(quote('GPT-3.5')).toBe('GPT-3.5');
    expect(quote('GPT-3.5 Pipeline')).toBe('"GPT-3.5 Pipeline"');
    expect(quote('a,b')).toBe('"a,b"');
    expect(quote('>5')).toBe('">5"');
    expect(said('say "hi"')).toBe('"say \\"hi\\""');
    expect(only('user', null)).toBe('-user:*');
    expect(both('a:b', undefined, '', 'c:d')).toBe('a:b c:d');
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
    expect(both('a OR b', 'c')).toBe('(a OR b) c');
    expect(toggled('a OR b', 'model', 'o3')).toBe('(a OR b) model:o3');
    expect(continued('a', 'OR b')).toBe('a OR b');
    expect(continued('a', 'b OR c')).toBe('a (b OR c)');
    expect(quote('OR')).toBe('"OR"');
  });

  it('adds and takes out values of a field', () => {
    expect(toggled('', 'model', 'gpt-4o')).toBe('model:gpt-4o');
    expect(toggled('user:u model:gpt-4o', 'model', 'a b')).toBe('user:u model:gpt-4o,"a b"');
    expect(toggled('model:gpt-4o,"a b" user:u', 'model', 'gpt-4o')).toBe('model:"a b" user:u');
    expect(toggled('model:gpt-4o user:u', 'model', 'gpt-4o')).toBe('user:u');
    expect(toggled('model:* -model:o3', 'model', 'gpt-4o')).toBe('model:* -model:o3 model:gpt-4o');
    expect(toggled('-model:o3 user:u', 'model', 'o3')).toBe('user:u');
    expect(chosen('model:a,b -model:c cost:>1', 'model')).toEqual({ wanted: ['a', 'b'], unwanted: ['c'] });
    expect(without('model:a user:u -model:b', 'model')).toBe('user:u');
  });

  it('knows when the filter asks for something by its id', () => {
    expect(namesOne('session:s_1 status:error')).toBe(true);
    expect(namesOne('user:a,b')).toBe(true);
    for (const q of ['', 'model:gpt-4o', '-user:u', 'user:*', '"user:u"']) expect(namesOne(q)).toBe(false);
  });
});
