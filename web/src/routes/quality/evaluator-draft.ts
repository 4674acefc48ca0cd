import type { Evaluator, EvaluatorDraft } from '../../api/types';

/** The types, in the order in which they are offered. */
export const EVALUATOR_TYPES = [
  'json_schema',
  'exact',
  'contains',
  'regex',
  'edit_distance',
  'language',
  'repetition',
  'overlap',
  'numbers',
  'tool_arguments',
  'latency',
  'cost',
] as const;

export type EvaluatorType = (typeof EVALUATOR_TYPES)[number];

/** How a field of a configuration is typed: a text, one text a line, a number, a switch, JSON, or one of some words. */
type FieldKind = 'text' | 'lines' | 'number' | 'switch' | 'json' | 'choice';

export interface ConfigField {
  name: string;
  kind: FieldKind;
  required?: boolean;
  /** Whether the switch is on if nothing is sent. */
  on?: boolean;
  choices?: string[];
}

const IGNORE_CASE: ConfigField = { name: 'ignore_case', kind: 'switch' };

/** The fields of each type. */
export const CONFIG_FIELDS: Record<EvaluatorType, ConfigField[]> = {
  json_schema: [{ name: 'schema', kind: 'json' }],
  exact: [{ name: 'expected', kind: 'text', required: true }, IGNORE_CASE, { name: 'trim', kind: 'switch', on: true }],
  contains: [
    { name: 'any', kind: 'lines' },
    { name: 'all', kind: 'lines' },
    { name: 'none', kind: 'lines' },
    { ...IGNORE_CASE, on: true },
  ],
  regex: [{ name: 'pattern', kind: 'text', required: true }, { name: 'must_match', kind: 'switch', on: true }, IGNORE_CASE],
  edit_distance: [
    { name: 'expected', kind: 'text', required: true },
    { name: 'normalize', kind: 'switch', on: true },
  ],
  language: [{ name: 'expected', kind: 'text' }],
  repetition: [{ name: 'max_share', kind: 'number' }],
  overlap: [
    { name: 'min_overlap', kind: 'number' },
    { name: 'sources', kind: 'choice', choices: ['retrieved', 'input'] },
  ],
  numbers: [],
  tool_arguments: [],
  latency: [{ name: 'max_ms', kind: 'number', required: true }],
  cost: [{ name: 'max_usd', kind: 'number', required: true }],
};

type Target = EvaluatorDraft['target'];

/** What is typed. The fields of all types are kept while another type is tried. */
export interface EvaluatorForm {
  name: string;
  type: EvaluatorType;
  target: Target;
  q: string;
  /** In percent; the rules as they are stored if there are several. */
  rate: string;
  rules: EvaluatorDraft['sampling'] | null;
  seed: number | null;
  enabled: boolean;
  config: Record<string, string | boolean>;
}

export const NEW_EVALUATOR: EvaluatorForm = {
  name: '',
  type: 'contains',
  target: 'trace',
  q: '',
  rate: '100',
  rules: null,
  seed: null,
  enabled: true,
  config: {},
};

function typed(field: ConfigField, value: unknown): string | boolean {
  if (field.kind === 'switch') return typeof value === 'boolean' ? value : field.on === true;
  if (value === undefined || value === null) return '';
  if (field.kind === 'lines') return (value as string[]).join('\n');
  return field.kind === 'json' ? JSON.stringify(value, null, 2) : String(value);
}

/** Returns the form of a stored evaluator. */
export function formOf(evaluator: Evaluator): EvaluatorForm {
  const type = evaluator.type as EvaluatorType;
  const config = evaluator.config as Record<string, unknown>;
  const fields = (CONFIG_FIELDS[type] ?? []).map((field) => [field.name, typed(field, config[field.name])]);
  const { sampling } = evaluator;
  return {
    name: evaluator.name,
    type,
    target: evaluator.target,
    q: evaluator.q,
    rate: typeof sampling === 'number' ? String(Math.round(sampling * 1e6) / 1e4) : '',
    rules: typeof sampling === 'number' ? null : sampling,
    seed: evaluator.seed,
    enabled: evaluator.enabled,
    config: Object.fromEntries(fields) as EvaluatorForm['config'],
  };
}

/** What is wrong with a form: the field of the configuration, or `rate`. */
export interface FormProblem {
  field: string;
  kind: 'missing' | 'number' | 'json' | 'rate' | 'lists';
}

const numberOf = (text: string) => (/^-?[0-9]+([.][0-9]+)?$/.test(text.trim()) ? Number(text) : null);

function valueOf(field: ConfigField, typedValue: string | boolean | undefined): unknown {
  if (field.kind === 'switch') {
    const value = typedValue ?? field.on === true;
    return value === (field.on === true) ? undefined : value;
  }
  const text = String(typedValue ?? '');
  if (text.trim() === '') {
    if (field.required) throw { field: field.name, kind: 'missing' } satisfies FormProblem;
    return undefined;
  }
  if (field.kind === 'lines') {
    return text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  }
  if (field.kind === 'number') {
    const number = numberOf(text);
    if (number === null) throw { field: field.name, kind: 'number' } satisfies FormProblem;
    return number;
  }
  if (field.kind !== 'json') return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw { field: field.name, kind: 'json' } satisfies FormProblem;
  }
}

function readForm(form: EvaluatorForm): EvaluatorDraft {
  const fields = CONFIG_FIELDS[form.type].map((field) => [field.name, valueOf(field, form.config[field.name])] as const);
  const config = Object.fromEntries(fields.filter(([, value]) => value !== undefined));
  const isEmpty = (name: string) => config[name] === undefined;
  if (form.type === 'contains' && ['any', 'all', 'none'].every(isEmpty)) throw { field: 'any', kind: 'lists' } satisfies FormProblem;
  const rate = numberOf(form.rate);
  if (form.rules === null && (rate === null || rate < 0 || rate > 100)) throw { field: 'rate', kind: 'rate' } satisfies FormProblem;
  return {
    name: form.name.trim(),
    type: form.type,
    config,
    target: form.target,
    q: form.q,
    sampling: form.rules ?? (rate ?? 100) / 100,
    seed: form.seed,
    daily_budget: null,
    enabled: form.enabled,
  };
}

/** Returns what a form says, or what is wrong with it. */
export function draftOf(form: EvaluatorForm): { draft: EvaluatorDraft; problem: null } | { draft: null; problem: FormProblem } {
  try {
    return { draft: readForm(form), problem: null };
  } catch (problem) {
    return { draft: null, problem: problem as FormProblem };
  }
}
