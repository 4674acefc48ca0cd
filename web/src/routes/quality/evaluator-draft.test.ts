import { describe, expect, test } from 'vitest';
import type { Evaluator } from '../../api/types';
import { draftOf, formOf, NEW_EVALUATOR, type EvaluatorForm } from './evaluator-draft';

const form = (patch: Partial<EvaluatorForm>): EvaluatorForm => ({ ...NEW_EVALUATOR, name: ' polite ', ...patch });

describe('the form of an evaluator', () => {
  test('sends only what differs from the defaults', () => {
    const { draft } = draftOf(form({ config: { any: 'please\n\n thanks ', ignore_case: true }, rate: '25' }));
    expect(draft).toMatchObject({ name: 'polite', type: 'contains', config: { any: ['please', 'thanks'] }, sampling: 0.25 });
    expect(draftOf(form({ config: { any: 'a', ignore_case: false } })).draft?.config).toEqual({ any: ['a'], ignore_case: false });
  });

  test('says which field is wrong', () => {
    const problem = (patch: Partial<EvaluatorForm>) => draftOf(form(patch)).problem;
    expect(problem({})).toEqual({ field: 'any', kind: 'lists' });
    expect(problem({ type: 'regex' })).toEqual({ field: 'pattern', kind: 'missing' });
    expect(problem({ type: 'latency', config: { max_ms: 'fast' } })).toEqual({ field: 'max_ms', kind: 'number' });
    expect(problem({ type: 'json_schema', config: { schema: '{' } })).toEqual({ field: 'schema', kind: 'json' });
    expect(problem({ type: 'numbers', rate: '101' })).toEqual({ field: 'rate', kind: 'rate' });
  });

  test('reads a stored evaluator and writes it back', () => {
    const stored = {
      id: 1,
      name: 'city',
      version: 3,
      type: 'json_schema',
      config: { schema: { type: 'object' } },
      target: 'span',
      q: 'model:gpt-4o',
      sampling: [{ q: 'status:error', rate: 1 }],
      seed: 7,
      daily_budget: null,
      enabled: false,
      outcomes: {},
      created_at: '',
      updated_at: '',
    } satisfies Evaluator;
    const { draft } = draftOf(formOf(stored));
    const { id: _i, version: _v, outcomes: _o, created_at: _c, updated_at: _u, ...written } = stored;
    expect(draft).toEqual(written);
  });
});
