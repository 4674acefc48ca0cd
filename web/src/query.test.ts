import { describe, expect, it } from 'vitest';
import { both, only, parseTerms, quote, termText } from './query';

describe('the query language', () => {
  it('reads fields, negation, quotes and plain words', () => {
    expect(parseTerms('model:gpt-4o -pipeline:"review digest" "返金 したい" cost:>0.05')).toEqual([
      { field: 'model', value: 'gpt-4o', not: false },
      { field: 'pipeline', value: 'review digest', not: true },
      { field: null, value: '返金 したい', not: false },
      { field: 'cost', value: '>0.05', not: false },
    ]);
  });

  it.each(['model:a,b', '-status:error', 'cost:>=0.05', 'user:*', 'model:gpt*', 'tag.team:x', '"two words"', 'name:"a \\"b\\" c"'])(
    '%s survives a round trip',
    (q) => expect(parseTerms(q).map(termText).join(' ')).toBe(q),
  );

  it('quotes values that would read as something else', () => {
    expect(quote('GPT-3.5')).toBe('GPT-3.5');
    expect(quote('GPT-3.5 Pipeline')).toBe('"GPT-3.5 Pipeline"');
    expect(quote('a,b')).toBe('"a,b"');
    expect(quote('>5')).toBe('">5"');
    expect(only('user', null)).toBe('-user:*');
    expect(both('a:b', undefined, '', 'c:d')).toBe('a:b c:d');
  });
});
