import { describe, expect, it } from 'vitest';
import { suggestCompletions, parseTypedTerm, valuesNeededFor } from './completion';
import { ISSUE_VOCABULARY, LOG_VOCABULARY, SPAN_VOCABULARY } from './filter-vocabulary';

const drafts = (draft: string, known: { value: string; count: number }[] = []) => suggestCompletions(draft, known).map((one) => one.draft);

describe('what is being typed', () => {
  it.each([
    ['', { field: null, word: '' }],
    ['mod', { field: null, word: 'mod' }],
    ['user:u_1 model:gp', { before: 'user:u_1 ', field: 'model', word: 'gp' }],
    ['-model:gpt-4o,o', { not: true, field: 'model', done: 'gpt-4o,', word: 'o' }],
    ['name:"chat gp', { field: 'name', word: 'chat gp', quoted: true }],
    ['model:"a,b",c', { done: '"a,b",', word: 'c' }],
    ['"say: hi', { field: null, word: 'say: hi', quoted: true }],
    ['user:u (model:gp', { before: 'user:u (', field: 'model', word: 'gp' }],
    ['-(sta', { before: '-(', field: null, word: 'sta' }],
  ])('%s', (draft, found) => expect(parseTypedTerm(draft)).toMatchObject(found));

  it('knows which suggestions to request', () => {
    expect(valuesNeededFor(parseTypedTerm('model:gp'))).toEqual({ field: 'model', prefix: 'gp' });
    expect(valuesNeededFor(parseTypedTerm('tag.te'))).toEqual({ field: 'tag', prefix: 'te' });
    expect(valuesNeededFor(parseTypedTerm('tag.team:a'))).toEqual({ field: 'tag.team', prefix: 'a' });
    expect(valuesNeededFor(parseTypedTerm('cost:>'))).toBeNull();
    expect(valuesNeededFor(parseTypedTerm('modle:x'))).toBeNull();
  });
});

describe('what it can go on with', () => {
  it('offers fields, those with the prefix first, and text search', () => {
    expect(drafts('mo')).toEqual(['model:', '"mo"']);
    expect(drafts('user:u ')).toContain('user:u OR ');
    expect(drafts('user:u O')).toContain('user:u OR ');
    expect(drafts('(')).not.toContain('(OR ');
    expect(drafts('user:u OR ')).not.toContain('user:u OR OR ');
    expect(suggestCompletions('', [], true).map(({ text }) => text)).toContain('OR');
    expect(drafts('user:u tok')).toEqual(['user:u input_tokens:', 'user:u output_tokens:', 'user:u "tok"']);
    expect(drafts('-st')[0]).toBe('-status:');
    expect(drafts('返金')).toEqual(['"返金"']);
    expect(drafts('')).toContain('model:');
  });

  it('offers values with their counts, in quotation marks where they need them', () => {
    const known = [
      { value: 'gpt-4o', count: 12 },
      { value: 'my model', count: 1 },
    ];
    expect(drafts('user:u model:', known)).toEqual(['user:u model:gpt-4o', 'user:u model:"my model"', 'user:u model:*']);
    expect(drafts('model:o3,g', known)).toEqual(['model:o3,gpt-4o', 'model:o3,"my model"']);
    expect(suggestCompletions('model:g', known)[0]).toMatchObject({ count: 12, whole: true });
  });

  it('offers comparisons for numeric fields, and names of tags', () => {
    expect(drafts('cost:')).toEqual(['cost:>0.01', 'cost:>0.1', 'cost:<0.001', 'cost:*']);
    expect(drafts('duration:>5')).toEqual(['duration:>5s']);
    expect(drafts('tag.t', [{ value: 'team', count: 2 }])).toEqual(['tag.team:']);
  });
});

describe('findings', () => {
  it('are offered by kind, without asking the server', () => {
    expect(drafts('find')[0]).toBe('finding:');
    expect(drafts('user:u -finding:tool_')).toEqual(['user:u -finding:tool_loop', 'user:u -finding:tool_error_ignored']);
    expect(drafts('finding:')).toContain('finding:signal');
    expect(drafts('finding:').at(-1)).toBe('finding:*');
    expect(valuesNeededFor(parseTypedTerm('finding:tool'))).toBeNull();
    expect(suggestCompletions('finding:ref', [], false, ISSUE_VOCABULARY).map((one) => one.draft)).toEqual(['finding:refusal']);
    expect(SPAN_VOCABULARY.valueHints?.['finding']?.('tool_loop')).toBe('finding.tool_loop');
  });
});

describe('the filter of log lines', () => {
  const offers = (draft: string) => suggestCompletions(draft, [], false, LOG_VOCABULARY).map((one) => one.draft);

  it('offers its own fields, and levels from the most severe', () => {
    expect(offers('')).toEqual(['level:', 'service:', 'environment:', 'user:', 'trace:', 'body:', 'attr.', '(']);
    expect(offers('at')).toEqual(['attr.', '"at"']);
    expect(offers('-level:')).toEqual([...['fatal', 'error', 'warn', 'info', 'debug', 'trace'].map((level) => `-level:${level}`), '-level:*']);
    expect(offers('level:error,wa')).toEqual(['level:error,warn']);
    expect(offers('mod')).toEqual(['"mod"']);
  });

  it('asks the server for no values', () => {
    expect(valuesNeededFor(parseTypedTerm('level:e'), LOG_VOCABULARY)).toBeNull();
    expect(valuesNeededFor(parseTypedTerm('tag.team:a'), LOG_VOCABULARY)).toBeNull();
  });
});

describe('the filter of issues', () => {
  const offers = (draft: string) => suggestCompletions(draft, [], false, ISSUE_VOCABULARY).map((one) => one.draft);
  it('offers the fields of errors first, and those of traces', () => {
    expect(offers('').slice(0, 5)).toEqual(['type:', 'level:', 'handled:', 'transaction:', 'message:']);
    expect(offers('mod')).toContain('model:');
  });
  it('knows the values of level and of handled', () => {
    expect(offers('level:')).toContain('level:fatal');
    expect(offers('handled:f')).toContain('handled:false');
  });
});
