import { useQuery } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { definitionsQuery, useCreateDefinition, useDeleteDefinition } from '../../api/scores';
import type { ScoreDataType, ScoreDefinition } from '../../api/types';
import { ConfirmButton } from '../../components/confirm-button';
import { Permitted, PermittedOrReason } from '../../components/permission';
import { ErrorMessage } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { UserText } from '../../components/values';
import { useT } from '../../i18n';
import { draftOf, EMPTY_FIELDS, type DefinitionFields } from './definition-draft';

const DATA_TYPES: ScoreDataType[] = ['boolean', 'numeric', 'categorical', 'text'];

/** What scores mean: which end is good, and which are bad. */
export function Definitions({ project }: { project: number }) {
  const t = useT();
  const { data, error, refetch } = useQuery(definitionsQuery(project));
  const remove = useDeleteDefinition(project);
  const columns: Column<ScoreDefinition>[] = [
    { key: 'name', head: t('quality.score'), grow: true, cell: ({ name }) => <UserText text={name} /> },
    { key: 'type', head: t('quality.dataType'), cell: (definition) => t(`quality.type.${definition.data_type}`) },
    { key: 'bad', head: t('quality.bad'), cell: (definition) => <BadRule definition={definition} /> },
    {
      key: 'do',
      head: '',
      num: true,
      cell: ({ id }) => (
        <Permitted operation="delete /api/v1/projects/{project}/score-definitions/{definition}" project={project}>
          <ConfirmButton label={t('quality.remove')} disabled={remove.isPending} onConfirm={() => remove.mutate(id)} />
        </Permitted>
      ),
    },
  ];
  const failed = remove.error ?? (data ? null : error);
  return (
    <section className="pane sheet quality-definitions">
      <div className="section-head">
        <h2>{t('quality.definitions')}</h2>
      </div>
      <p className="text-dim">{t('quality.definitionsWhy')}</p>
      {failed && <ErrorMessage error={failed} onRetry={() => void refetch()} />}
      {data && data.definitions.length > 0 && (
        <Table label={t('quality.definitions')} columns={columns} rows={data.definitions} rowKey={({ id }) => id} />
      )}
      <PermittedOrReason operation="post /api/v1/projects/{project}/score-definitions" project={project}>
        <DefinitionForm project={project} />
      </PermittedOrReason>
    </section>
  );
}

function BadRule({ definition: { better, bad_from: from, bad_labels: labels } }: { definition: ScoreDefinition }) {
  const t = useT();
  if (labels.length > 0) return <UserText text={labels.join(', ')} />;
  if (from === null || better === null) return <span className="text-dim">{t('quality.nothingBad')}</span>;
  return t(better === 'higher' ? 'quality.atMost' : 'quality.atLeast', { value: String(from) });
}

function DefinitionForm({ project }: { project: number }) {
  const t = useT();
  const create = useCreateDefinition(project);
  const [fields, setFields] = useState(EMPTY_FIELDS);
  const set = (patch: Partial<DefinitionFields>) => setFields((was) => ({ ...was, ...patch }));
  const { dataType } = fields;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(draftOf(fields), { onSuccess: () => setFields(EMPTY_FIELDS) });
  };
  const input = (label: string, key: 'name' | 'badFrom' | 'categories' | 'badLabels', number = false) => (
    <label>
      <span>{label}</span>
      <input
        value={fields[key]}
        maxLength={2000}
        inputMode={number ? 'decimal' : undefined}
        required={key === 'name' || key === 'categories'}
        pattern={number ? '-?[0-9]+([.][0-9]+)?' : undefined}
        onChange={(event) => set({ [key]: event.target.value })}
      />
    </label>
  );
  return (
    <form className="quality-form" onSubmit={submit}>
      {input(t('quality.score'), 'name')}
      <label>
        <span>{t('quality.dataType')}</span>
        <select value={dataType} onChange={(event) => set({ dataType: event.target.value as ScoreDataType })}>
          {DATA_TYPES.map((type) => (
            <option key={type} value={type}>
              {t(`quality.type.${type}`)}
            </option>
          ))}
        </select>
      </label>
      {(dataType === 'boolean' || dataType === 'numeric') && (
        <label>
          <span>{t('quality.better')}</span>
          <select value={fields.better} onChange={(event) => set({ better: event.target.value as DefinitionFields['better'] })}>
            <option value="higher">{t(dataType === 'boolean' ? 'score.yes' : 'quality.higher')}</option>
            <option value="lower">{t(dataType === 'boolean' ? 'score.no' : 'quality.lower')}</option>
            <option value="">{t('quality.neither')}</option>
          </select>
        </label>
      )}
      {dataType === 'numeric' && input(t('quality.badFrom'), 'badFrom', true)}
      {dataType === 'categorical' && input(t('quality.categories'), 'categories')}
      {dataType === 'categorical' && input(t('quality.badLabels'), 'badLabels')}
      <button type="submit" className="button button-primary" disabled={create.isPending}>
        {t('quality.define')}
      </button>
      {create.error && (
        <span className="text-error" role="alert">
          {create.error.message}
        </span>
      )}
    </form>
  );
}
