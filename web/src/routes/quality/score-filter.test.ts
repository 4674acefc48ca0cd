import { expect, test } from 'vitest';
import { parseTerms } from '../../filter-query';
import { scoreFilter } from './score-filter';

test.each(['tone', 'demo/politeness', 'two words', 'a "quoted" name', '返金'])('the filter of %s names the score', (name) => {
  const terms = parseTerms(scoreFilter({ name }));
  expect(terms).toHaveLength(1);
  expect(terms[0]).toMatchObject({ field: `score.${name}`, operator: true, values: ['*'] });
});
