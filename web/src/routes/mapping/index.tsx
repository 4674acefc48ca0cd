import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { mappingQuery, spanQuery, spansQuery, useSaveMapping, usePreviewMapping } from '../../api/queries';
import type { Mapping, MappingTrial, Project, SpanDetail } from '../../api/types';
import { useT } from '../../i18n';
import { InlineCodeText } from '../../components/inline-code-text';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { UserText } from '../../components/values';
import { PermissionNote, usePermission } from '../../components/permission';
import { useLocale, useRange } from '../../locale';
import { useProject } from '../../project';
import { TopBarSlot } from '../../shell/top-bar-slots';
import { usePageTitle } from '../../shell/page-title';
import { withRule } from './rule-draft';
import './mapping.css';

/** Shown while there are no rules. */
const EXAMPLE = `[[rule]]
name = "Calls of our gateway"
scope = "acme.gateway"
kind = "llm"

[rule.fields]
"acme.model" = "request_model"
"acme.tokens.in" = "usage.input_tokens"`;

/** Number of recent spans to choose from. */
const RECENT_SPANS = 50;

/** The rules by which a project reads its own instrumentation, tested on a stored span. */
export default function MappingPage() {
  const t = useT();
  usePageTitle(t('mapping.title'));
  const project = useProject();
  const { data, error, refetch } = useQuery(mappingQuery(project.id));
  return (
    <div className="mapping-page">
      <TopBarSlot side="left">
        <h1 className="picker">
          <b>{t('mapping.title')}</b>
        </h1>
      </TopBarSlot>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton />}
      {data && <MappingEditor project={project} mapping={data} />}
    </div>
  );
}

function MappingEditor({ project, mapping }: { project: Project; mapping: Mapping }) {
  const t = useT();
  const [draft, setDraft] = useState<string | null>(null);
  const text = draft ?? mapping.text;
  const save = useSaveMapping(project.id);
  const changed = text !== mapping.text;
  const permission = usePermission('put /api/v1/projects/{project}/mapping', project.id);
  return (
    <>
      <div className="mapping-columns">
        <section className="sheet pane">
          <p className="text-dim text-small">{t('mapping.why')}</p>
          <p className="text-dim text-small">
            <InlineCodeText text={t('mapping.docs')} />
          </p>
          <textarea
            className="field mapping-text"
            aria-label={t('mapping.rules')}
            value={text}
            rows={22}
            spellCheck={false}
            placeholder={EXAMPLE}
            autoCapitalize="off"
            onChange={(event) => {
              setDraft(event.target.value);
              save.reset();
            }}
          />
          <p className="mapping-actions">
            <button
              type="button"
              className="button button-primary"
              disabled={!changed || save.isPending || !permission.isAllowed}
              onClick={() => save.mutate(text, { onSuccess: () => setDraft(null) })}
            >
              {t('mapping.save')}
            </button>
            <span className="text-dim text-small" role="status">
              {save.data && !changed ? t('mapping.saved', { n: save.data.rules }) : changed ? t('mapping.unsaved') : ''}
            </span>
          </p>
          {!permission.isAllowed && <PermissionNote permission={permission} />}
          {save.error && <ErrorMessage error={save.error} title={t('common.notSaved')} />}
        </section>
        <MappingTest project={project} text={text} onText={setDraft} />
      </div>
      <MappableFields mapping={mapping} />
    </>
  );
}

interface MappingTestProps {
  project: Project;
  text: string;
  onText: (text: string) => void;
}

function MappingTest({ project, text, onText }: MappingTestProps) {
  const t = useT();
  const { trace, span } = useSearch({ from: '/app/p/$project/mapping' });
  const chosen = trace && span ? { trace, span } : null;
  const detail = useQuery({ ...spanQuery(project.id, trace ?? '', span ?? ''), enabled: chosen !== null });
  const test = usePreviewMapping(project.id);
  return (
    <section className="sheet pane">
      <h2>{t('mapping.span')}</h2>
      <p className="text-dim text-small">{t('mapping.spanWhy')}</p>
      <SpanChoice project={project} chosen={chosen} onChoice={() => test.reset()} />
      {chosen && detail.error && <ErrorMessage error={detail.error} onRetry={() => void detail.refetch()} />}
      {chosen && detail.data && (
        <>
          <p className="mapping-actions">
            <button
              type="button"
              className="button button-primary"
              disabled={test.isPending}
              onClick={() => test.mutate({ text, trace_id: chosen.trace, span_id: chosen.span })}
            >
              {t('mapping.test')}
            </button>
            <button type="button" className="button" onClick={() => onText(withRule(text, detail.data))}>
              {t('mapping.draft')}
            </button>
          </p>
          {test.error && <ErrorMessage error={test.error} title={t('common.notDone')} />}
          {test.data && <TrialResult trial={test.data} />}
          <SpanAttributes detail={detail.data} />
        </>
      )}
    </section>
  );
}

function SpanChoice({
  project,
  chosen,
  onChoice,
}: {
  project: Project;
  chosen: { trace: string; span: string } | null;
  onChoice: () => void;
}) {
  const t = useT();
  const range = useRange();
  const { format } = useLocale();
  const navigate = useNavigate({ from: '/p/$project/mapping' });
  const { data } = useQuery(spansQuery(project.id, range.span, '-start_time', RECENT_SPANS));
  const spans = data?.spans ?? [];
  const value = chosen ? `${chosen.trace}/${chosen.span}` : '';
  const isListed = spans.some((span) => `${span.trace_id}/${span.span_id}` === value);
  if (data && spans.length === 0 && !chosen) return <p className="text-dim">{t('mapping.noSpans')}</p>;
  return (
    <select
      className="field mapping-choice"
      aria-label={t('mapping.span')}
      value={value}
      onChange={(event) => {
        const [trace, span] = event.target.value.split('/');
        onChoice();
        void navigate({ search: (before) => ({ ...before, trace: trace || undefined, span }), replace: true });
      }}
    >
      <option value="">{t('mapping.choose')}</option>
      {chosen && !isListed && <option value={value}>{chosen.span}</option>}
      {spans.map((span) => (
        <option key={`${span.trace_id}/${span.span_id}`} value={`${span.trace_id}/${span.span_id}`}>
          {`${format.exact(span.start_time)} ${span.name || span.op} (${span.kind})`}
        </option>
      ))}
    </select>
  );
}

function TrialResult({ trial }: { trial: MappingTrial }) {
  const t = useT();
  const unused = trial.attributes.filter(({ problem }) => problem !== null);
  const shown = (value: string | null) =>
    value === null ? (
      <span className="text-dim">{t('mapping.none')}</span>
    ) : (
      <UserText text={value.length > 300 ? `${value.slice(0, 300)}…` : value} />
    );
  const columns: Column<MappingTrial['changes'][number]>[] = [
    { key: 'field', head: t('mapping.field'), cell: ({ field }) => <code>{field}</code> },
    { key: 'before', head: t('mapping.before'), cell: ({ before }) => shown(before) },
    { key: 'after', head: t('mapping.after'), grow: true, cell: ({ after }) => <b>{shown(after)}</b> },
  ];
  return (
    <div className="mapping-result" role="status">
      <h3>{t('mapping.result')}</h3>
      <p className="text-small">
        {trial.rules.length === 0 ? t('mapping.noRule') : t('mapping.applied', { rules: trial.rules.join(', ') })}
        {trial.rules.length > 0 && trial.changes.length === 0 && ` ${t('mapping.noChange')}`}
      </p>
      {trial.changes.length > 0 && (
        <Table label={t('mapping.result')} columns={columns} rows={trial.changes} rowKey={({ field }) => field} />
      )}
      {unused.length > 0 && (
        <>
          <h4>{t('mapping.unused')}</h4>
          <ul className="mapping-unused text-small">
            {unused.map(({ rule, attribute, field, problem }) => (
              <li key={`${rule} ${attribute}`}>
                <code>{attribute}</code> → <code>{field}</code>: {problem !== null && t(`mapping.problem.${problem}`)}
              </li>
            ))}
          </ul>
        </>
      )}
      {trial.changes.length > 0 && (
        <>
          <p className="mapping-actions">
            <a
              className="button"
              download="mapping.json"
              href={`data:application/json;charset=utf-8,${encodeURIComponent(JSON.stringify(trial.fixture, null, 2))}`}
            >
              {t('mapping.export')}
            </a>
          </p>
          <p className="text-dim text-small">{t('mapping.exportWhy')}</p>
        </>
      )}
    </div>
  );
}

function SpanAttributes({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const rows = Object.entries(detail.attributes);
  if (rows.length === 0) return null;
  const columns: Column<[string, unknown]>[] = [
    { key: 'name', head: t('mapping.attribute'), cell: ([name]) => <code>{name}</code> },
    {
      key: 'value',
      head: t('trace.value'),
      grow: true,
      cell: ([, value]) => <UserText text={(typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 300)} />,
    },
  ];
  return (
    <>
      <h3>{t('mapping.attributes')}</h3>
      <Table label={t('mapping.attributes')} columns={columns} rows={rows} rowKey={([name]) => name} />
    </>
  );
}

function MappableFields({ mapping }: { mapping: Mapping }) {
  const t = useT();
  const columns: Column<Mapping['fields'][number]>[] = [
    { key: 'name', head: t('mapping.field'), cell: ({ name }) => <code>{name}</code> },
    { key: 'type', head: t('mapping.type'), cell: ({ value_type: type }) => t(`mapping.type.${type}`) },
    {
      key: 'units',
      head: t('mapping.units'),
      grow: true,
      cell: ({ units }) => (units.length > 1 ? units.map((unit) => `"${unit}"`).join(', ') : ''),
    },
  ];
  return (
    <details className="sheet pane mapping-fields">
      <summary>{t('mapping.fields')}</summary>
      <Table label={t('mapping.fields')} columns={columns} rows={mapping.fields} rowKey={({ name }) => name} />
    </details>
  );
}
