import { expect, it } from 'vitest';
import { parseTerms } from '../../filter-query';
import { errorRateTarget, failedCallsSearch } from './failed-calls';

it('lists failed calls as spans, within the filter of the page', () => {
  expect(failedCallsSearch(undefined)).toEqual({ q: 'kind:llm,embedding status:error', of: 'spans' });
  expect(failedCallsSearch('model:gpt-4o')).toEqual({ q: 'model:gpt-4o kind:llm,embedding status:error', of: 'spans' });
  // Alternatives stay alternatives of the filter, not of the failure.
  const [first, ...rest] = parseTerms(failedCallsSearch('user:a OR user:b').q);
  expect(first?.group).toBe(true);
  expect(rest.map(({ raw }) => raw)).toEqual(['kind:llm,embedding', 'status:error']);
});

it('leads to the issues where only error events count', () => {
  expect(errorRateTarget({ failed_llm_calls: 2, errors: 5 })).toBe('calls');
  expect(errorRateTarget({ failed_llm_calls: 0, errors: 5 })).toBe('issues');
  expect(errorRateTarget({ failed_llm_calls: 0, errors: 0 })).toBeNull();
});
