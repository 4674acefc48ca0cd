import type { ScoreDataType, ScoreDefinitionDraft } from '../../api/types';

/** What the form of a definition holds, as texts. */
export interface DefinitionFields {
  name: string;
  dataType: ScoreDataType;
  /** Which end is good; empty for neither. */
  better: 'higher' | 'lower' | '';
  badFrom: string;
  /** Categories, separated by commas. */
  categories: string;
  badLabels: string;
}

export const EMPTY_FIELDS: DefinitionFields = { name: '', dataType: 'boolean', better: 'higher', badFrom: '', categories: '', badLabels: '' };

const listOf = (text: string) => [...new Set(text.split(/[,、]/).map((part) => part.trim()))].filter(Boolean);

/** The definition that the form describes. A boolean with a good end is bad at the other one. */
export function draftOf({ name, dataType, better, badFrom, categories, badLabels }: DefinitionFields): ScoreDefinitionDraft {
  const isNumber = dataType === 'numeric' || dataType === 'boolean';
  const direction = isNumber && better ? better : null;
  const typed = badFrom.trim() === '' ? null : Number(badFrom);
  const badOfBoolean = direction === null ? null : direction === 'higher' ? 0 : 1;
  return {
    name: name.trim(),
    data_type: dataType,
    min: null,
    max: null,
    categories: dataType === 'categorical' ? listOf(categories).map((label) => ({ label, value: null })) : [],
    better: direction,
    bad_from: dataType === 'boolean' ? badOfBoolean : direction && dataType === 'numeric' ? typed : null,
    bad_labels: dataType === 'categorical' ? listOf(badLabels) : [],
    description: '',
  };
}
