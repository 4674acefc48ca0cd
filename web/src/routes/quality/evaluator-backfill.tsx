import { useQuery } from '@tanstack/react-query';
import { evaluationJobQuery, useBackfill, useCancelEvaluation } from '../../api/evaluators';
import { hasEnded } from '../../api/status';
import { ConfirmButton } from '../../components/confirm-button';
import { Permitted, PermittedOrReason } from '../../components/permission';
import { ErrorMessage } from '../../components/states';
import { useT } from '../../i18n';
import { useLocale, useRange } from '../../locale';
import { OutcomeCounts } from './evaluator-outcomes';

/** Evaluates what is stored, in the range of the page, and shows how far the server is. */
export function EvaluatorBackfill({ project, evaluator }: { project: number; evaluator: number }) {
  const t = useT();
  const { format } = useLocale();
  const range = useRange();
  const start = useBackfill(project, evaluator);
  const cancel = useCancelEvaluation(project);
  const { data: job } = useQuery(evaluationJobQuery(project));
  const own = job?.evaluator_id === evaluator ? job : null;
  const isRunning = own !== null && !hasEnded(own);
  const failed = start.error ?? cancel.error;
  return (
    <section className="pane" aria-label={t('evaluators.backfill')}>
      <div className="section-head">
        <h2>{t('evaluators.backfill')}</h2>
      </div>
      <p className="text-dim">{t('evaluators.backfillWhy')}</p>
      <div role="status">
        {isRunning && (
          <>
            <p>
              {own.total > 0
                ? t('evaluators.running', { done: format.count(own.done), total: format.count(own.total) })
                : t('evaluators.counting')}
            </p>
            <progress aria-label={t('evaluators.backfill')} {...(own.total > 0 && { value: own.done, max: own.total })} />
          </>
        )}
        {own && !isRunning && (
          <div className="quality-job">
            <p>
              <b>{t(`evaluators.job.${own.state as 'done' | 'failed' | 'cancelled'}`, { time: own.ended_at ? format.moment(own.ended_at) : '' })}</b>
            </p>
            {own.reason && <p className="text-error">{own.reason}</p>}
            <OutcomeCounts outcomes={own.outcomes} isNamed />
          </div>
        )}
      </div>
      {isRunning ? (
        <Permitted operation="delete /api/v1/jobs/{job}">
          <button type="button" className="button" disabled={cancel.isPending} onClick={() => cancel.mutate(own.id)}>
            {t('evaluators.cancel')}
          </button>
        </Permitted>
      ) : (
        <PermittedOrReason operation="post /api/v1/projects/{project}/evaluators/{evaluator}/backfill" project={project}>
          <ConfirmButton
            label={t('evaluators.start')}
            question={t('evaluators.startQuestion')}
            disabled={start.isPending}
            onConfirm={() => start.mutate(range.span)}
          />
        </PermittedOrReason>
      )}
      {failed && <ErrorMessage error={failed} title={t('common.notDone')} />}
    </section>
  );
}
