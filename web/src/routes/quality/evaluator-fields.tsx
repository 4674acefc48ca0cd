import { useT, type TextKey } from '../../i18n';
import { FieldRow, SelectRow, TextRow } from '../alerts/form-fields';
import { CONFIG_FIELDS, type ConfigField, type EvaluatorForm, type FormProblem } from './evaluator-draft';

const PROBLEM_TEXTS: Record<FormProblem['kind'], TextKey> = {
  missing: 'evaluators.problem.missing',
  number: 'evaluators.problem.number',
  json: 'evaluators.problem.json',
  rate: 'evaluators.problem.rate',
  lists: 'evaluators.problem.lists',
};

/** What is wrong with a field of the form; nothing if another field is wrong. */
export function ProblemHint({ problem, field }: { problem: FormProblem | null; field: string }) {
  const t = useT();
  return problem?.field === field ? <span className="text-error">{t(PROBLEM_TEXTS[problem.kind])}</span> : null;
}

interface ConfigFieldsProps {
  form: EvaluatorForm;
  /** What is wrong, once somebody tried to save. */
  problem: FormProblem | null;
  set: (patch: Partial<EvaluatorForm>) => void;
}

/** The fields of the configuration of the chosen type. */
export function ConfigFields({ form, problem, set }: ConfigFieldsProps) {
  return CONFIG_FIELDS[form.type].map((field) => (
    <ConfigRow
      key={`${form.type} ${field.name}`}
      field={field}
      type={form.type}
      value={form.config[field.name]}
      problem={problem}
      onChange={(value) => set({ config: { ...form.config, [field.name]: value } })}
    />
  ));
}

interface ConfigRowProps {
  field: ConfigField;
  type: EvaluatorForm['type'];
  value: string | boolean | undefined;
  problem: FormProblem | null;
  onChange: (value: string | boolean) => void;
}

function ConfigRow({ field, type, value, problem, onChange }: ConfigRowProps) {
  const t = useT();
  const label = t(`evaluators.field.${field.name}` as TextKey);
  const text = String(value ?? '');
  const hint = (
    <>
      {HINTS[`${type}.${field.name}`] && <>{t(HINTS[`${type}.${field.name}`]!)} </>}
      <ProblemHint problem={problem} field={field.name} />
    </>
  );
  if (field.kind === 'switch') {
    return (
      <>
        <span />
        <label className="checkbox-row">
          <input type="checkbox" checked={typeof value === 'boolean' ? value : field.on === true} onChange={(event) => onChange(event.target.checked)} />
          {label}
        </label>
      </>
    );
  }
  if (field.kind === 'choice') {
    const options = (field.choices ?? []).map((choice) => ({ value: choice, label: t(`evaluators.choice.${choice}` as TextKey) }));
    return <SelectRow label={label} hint={hint} value={text || (field.choices?.[0] ?? '')} options={options} onChange={onChange} />;
  }
  if (field.kind === 'lines' || field.kind === 'json') {
    return (
      <FieldRow label={label} hint={hint}>
        {(id) => (
          <textarea
            id={id}
            className="field field-long quality-textarea"
            rows={field.kind === 'json' ? 8 : 3}
            spellCheck={false}
            value={text}
            onChange={(event) => onChange(event.target.value)}
          />
        )}
      </FieldRow>
    );
  }
  return <TextRow label={label} hint={hint} short={field.kind === 'number'} numeric={field.kind === 'number'} value={text} onChange={onChange} />;
}

const HINTS: Record<string, TextKey> = {
  'json_schema.schema': 'evaluators.hint.schema',
  'contains.any': 'evaluators.hint.lines',
  'language.expected': 'evaluators.hint.language',
  'repetition.max_share': 'evaluators.hint.share',
  'overlap.min_overlap': 'evaluators.hint.share',
};
