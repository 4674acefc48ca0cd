import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { evaluatorsQuery, useDeleteEvaluator, useSaveEvaluator } from '../../api/evaluators';
import type { Evaluator } from '../../api/types';
import { ConfirmButton } from '../../components/confirm-button';
import { Permitted, PermittedFields } from '../../components/permission';
import { ErrorMessage, Skeleton } from '../../components/states';
import { UserText } from '../../components/values';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { useProject } from '../../project';
import { NotFound } from '../../shell/not-found';
import { usePageTitle } from '../../shell/page-title';
import { SelectRow, TextRow } from '../alerts/form-fields';
import { EvaluatorBackfill } from './evaluator-backfill';
import { draftOf, EVALUATOR_TYPES, formOf, NEW_EVALUATOR, type EvaluatorForm } from './evaluator-draft';
import { ConfigFields, ProblemHint } from './evaluator-fields';
import { EvaluatorPreview } from './evaluator-preview';
import { QualityNav } from './quality-nav';
import './quality.css';

const TARGETS = ['span', 'trace', 'session'] as const;

export default function EvaluatorPage() {
  const t = useT();
  const project = useProject();
  const { evaluator: id } = useParams({ from: '/app/p/$project/quality/evaluators/$evaluator' });
  const { data, error, refetch } = useQuery({ ...evaluatorsQuery(project.id), refetchOnWindowFocus: false });
  const evaluator = data?.evaluators.find((one) => String(one.id) === id) ?? null;
  usePageTitle(evaluator?.name ?? t('evaluators.new'));
  return (
    <div className="quality-page">
      <QualityNav />
      {!data && <div className="pane sheet">{error ? <ErrorMessage error={error} onRetry={() => void refetch()} /> : <Skeleton rows={10} />}</div>}
      {data && (id === 'new' || evaluator) && <EvaluatorEditor key={id} project={project.id} evaluator={evaluator} />}
      {data && id !== 'new' && !evaluator && <NotFound />}
    </div>
  );
}

function EvaluatorEditor({ project, evaluator }: { project: number; evaluator: Evaluator | null }) {
  const t = useT();
  const navigate = useNavigate();
  const save = useSaveEvaluator(project);
  const remove = useDeleteEvaluator(project);
  const [form, setForm] = useState<EvaluatorForm>(() => (evaluator ? formOf(evaluator) : NEW_EVALUATOR));
  const [tried, setTried] = useState(false);
  const { draft, problem } = draftOf(form);
  const list = { to: '/p/$project/quality/evaluators' as const, params: { project: String(project) } };
  const back = () => void navigate(list);
  useKeyboardShortcuts({ Escape: back });
  const set = (patch: Partial<EvaluatorForm>) => {
    setForm((was) => ({ ...was, ...patch }));
    save.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (draft) save.mutate({ id: evaluator?.id ?? null, draft }, { onSuccess: back });
  };
  const shown = tried ? problem : null;
  const failed = save.error ?? remove.error;
  return (
    <div className="quality-editor">
      <form className="pane form-grid" onSubmit={submit}>
        <div className="section-head">
          <h1>{evaluator ? <UserText text={evaluator.name} /> : t('evaluators.new')}</h1>
          {evaluator && <span className="section-note">{t('evaluators.version', { n: evaluator.version })}</span>}
          <span className="spacer" />
          {evaluator && (
            <Permitted operation="delete /api/v1/projects/{project}/evaluators/{evaluator}" project={project}>
              <ConfirmButton
                label={t('quality.remove')}
                disabled={remove.isPending}
                onConfirm={() => remove.mutate(evaluator.id, { onSuccess: back })}
              />
            </Permitted>
          )}
        </div>
        <PermittedFields operation="put /api/v1/projects/{project}/evaluators/{evaluator}" project={project} grid>
          <TextRow label={t('evaluators.name')} hint={t('evaluators.nameWhy')} required value={form.name} onChange={(name) => set({ name })} />
          <SelectRow
            label={t('quality.dataType')}
            hint={t(`evaluators.about.${form.type}`)}
            value={form.type}
            options={EVALUATOR_TYPES.map((type) => ({ value: type, label: t(`evaluators.type.${type}`) }))}
            onChange={(type) => set({ type })}
          />
          <ConfigFields form={form} problem={shown} set={set} />
          <SelectRow
            label={t('evaluators.target')}
            hint={t(`evaluators.targetWhy.${form.target}`)}
            value={form.target}
            options={TARGETS.map((target) => ({ value: target, label: t(`evaluators.target.${target}`) }))}
            onChange={(target) => set({ target })}
          />
          <TextRow
            label={t('filter.label')}
            hint={t('evaluators.filterWhy')}
            value={form.q}
            placeholder="agent:planner environment:production"
            onChange={(q) => set({ q })}
          />
          {form.rules === null ? (
            <TextRow
              label={t('evaluators.sampling')}
              hint={
                <>
                  {t('evaluators.samplingWhy')} <ProblemHint problem={shown} field="rate" />
                </>
              }
              short
              numeric
              value={form.rate}
              onChange={(rate) => set({ rate })}
              after="%"
            />
          ) : (
            <>
              <span className="form-label">{t('evaluators.sampling')}</span>
              <code>{JSON.stringify(form.rules)}</code>
            </>
          )}
          <span />
          <label className="checkbox-row">
            <input type="checkbox" checked={form.enabled} onChange={(event) => set({ enabled: event.target.checked })} />
            {t('evaluators.enabled')}
          </label>
          <span />
          <div className="form-actions">
            <button type="submit" className="button button-primary" disabled={save.isPending}>
              {t('common.save')}
            </button>
            <Link className="button button-quiet" {...list}>
              {t('common.cancel')}
            </Link>
          </div>
          {failed && (
            <div className="form-full-width">
              <ErrorMessage error={failed} title={t(save.error ? 'common.notSaved' : 'common.notDone')} />
            </div>
          )}
        </PermittedFields>
      </form>
      <div className="quality-aside">
        <EvaluatorPreview project={project} draft={draft} />
        {evaluator && <EvaluatorBackfill project={project} evaluator={evaluator.id} />}
      </div>
    </div>
  );
}
