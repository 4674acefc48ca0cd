import { memo } from 'react';
import { useDeleteScore } from '../../api/scores';
import type { Score } from '../../api/types';
import type { Format } from '../../format';
import { useT } from '../../i18n';
import { ConfirmButton } from '../../components/confirm-button';
import { usePermission } from '../../components/permission';
import { UserText } from '../../components/values';
import { useLocale } from '../../locale';
import { useTraceView } from './context';
import { Rate } from './rate';

/** How the trace and its spans were judged, and the way to judge them. */
export const Scores = memo(function Scores() {
  const t = useT();
  const { format } = useLocale();
  const { data } = useTraceView();
  const { scores } = data;
  return (
    <section className="trace-section">
      <div className="section-head">
        <h2>{t('trace.scores')}</h2>
        {scores.length > 0 && (
          <span className="section-note">
            {data.score_count > scores.length
              ? t('trace.scoresNewest', { n: format.count(scores.length), all: format.count(data.score_count) })
              : format.count(scores.length)}
          </span>
        )}
      </div>
      <Rate />
      {scores.length > 0 && (
        <ul className="trace-scores">
          {scores.map((score) => (
            <ScoreItem key={`${score.id} ${score.timestamp}`} score={score} />
          ))}
        </ul>
      )}
    </section>
  );
});

function ScoreItem({ score }: { score: Score }) {
  const t = useT();
  const { format } = useLocale();
  const { project, tree, select } = useTraceView();
  const remove = useDeleteScore(project.id);
  const permission = usePermission('delete /api/v1/projects/{project}/scores/{score}', project.id);
  const node = score.span_id === null ? undefined : tree.byId.get(score.span_id);
  const by = score.evaluator?.name ?? score.author;
  const texts = [score.explanation, score.comment, ...evidenceOf(score)].filter((text) => text !== null);
  return (
    <li>
      <span>
        <UserText text={score.name} />
      </span>
      <b title={score.value === null ? undefined : String(score.value)}>{valueText(score, t, format)}</b>
      <span className="text-dim">
        {node ? (
          <button type="button" className="text-link" onClick={() => select(node.span.span_id)}>
            {node.span.title || node.span.name || node.span.op}
          </button>
        ) : (
          t('trace.scoreOfTrace')
        )}
        {' · '}
        {t(`score.source.${score.source}`)}
        {by && (
          <>
            {' · '}
            <UserText text={by} />
          </>
        )}
      </span>
      <span className="trace-score-end">
        <time dateTime={score.timestamp}>{format.moment(score.timestamp)}</time>
        {score.source === 'annotation' && permission.isAllowed && (
          <ConfirmButton label={t('trace.removeScore')} disabled={remove.isPending} onConfirm={() => remove.mutate(score.id)} />
        )}
        {remove.error && (
          <span className="text-error" role="alert">
            {remove.error.message}
          </span>
        )}
      </span>
      {texts.length > 0 && (
        <span className="trace-score-texts">
          {texts.map((text, at) => (
            <span key={`${at} ${text}`} className="line-clamp">
              <UserText text={text} />
            </span>
          ))}
        </span>
      )}
    </li>
  );
}

/** The parts of texts that decided, which the evaluators of this server name. */
function evidenceOf({ metadata }: Score): string[] {
  const { evidence } = metadata as { evidence?: unknown };
  return Array.isArray(evidence) ? evidence.filter((text) => typeof text === 'string') : [];
}

function valueText(score: Score, t: ReturnType<typeof useT>, format: Format): string {
  if (score.data_type === 'boolean' && score.value !== null) return t(score.value === 0 ? 'score.no' : 'score.yes');
  const parts = [score.value === null ? null : format.threeDigits(score.value), score.label];
  return parts.filter((part) => part !== null).join(' · ');
}
