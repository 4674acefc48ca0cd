import { expect, test } from 'vitest';
import { draftOf, EMPTY_FIELDS } from './definition-draft';

test('a thumb down is bad', () => {
  expect(draftOf({ ...EMPTY_FIELDS, name: ' helpful ' })).toMatchObject({ name: 'helpful', data_type: 'boolean', better: 'higher', bad_from: 0 });
  expect(draftOf({ ...EMPTY_FIELDS, name: 'hallucinated', better: 'lower' })).toMatchObject({ better: 'lower', bad_from: 1 });
  expect(draftOf({ ...EMPTY_FIELDS, name: 'seen', better: '' })).toMatchObject({ better: null, bad_from: null });
});

test('numbers are bad from a value, categories by name', () => {
  const grade = draftOf({ ...EMPTY_FIELDS, name: 'grade', dataType: 'numeric', badFrom: '2.5' });
  expect(grade).toMatchObject({ better: 'higher', bad_from: 2.5, categories: [], bad_labels: [] });
  expect(draftOf({ ...EMPTY_FIELDS, name: 'grade', dataType: 'numeric' }).bad_from).toBeNull();
  const tone = draftOf({ ...EMPTY_FIELDS, name: 'tone', dataType: 'categorical', categories: 'kind, rude,rude', badLabels: 'rude' });
  expect(tone.categories).toEqual([
    { label: 'kind', value: null },
    { label: 'rude', value: null },
  ]);
  expect(tone).toMatchObject({ better: null, bad_from: null, bad_labels: ['rude'] });
});
