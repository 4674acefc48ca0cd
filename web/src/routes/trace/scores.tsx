import { memo } from 'react';
import { useT } from '../../i18n';
import { UserText } from '../../components/values';
import { useLocale } from '../../locale';
import { useTraceView } from './context';

/** How the trace and its spans were judged. */
export const Scores = memo(function Scores() {
  const t = useT();
  const { format } = useLocale();
  const { data, tree, select } = useTraceView();
  const { scores } = data;
  if (scores.length === 0) return null;
  return (
    <section className="trace-section">
      <div className="section-head">
        <h2>{t('trace.scores')}</h2>
        <span className="section-note">
          {data.score_count > scores.length
            ? t('trace.scoresNewest', { n: format.count(scores.length), all: format.count(data.score_count) })
            : format.count(scores.length)}
        </span>
      </div>
      <ul className="trace-scores">
        {scores.map((score) => {
          const node = score.span_id === null ? undefined : tree.byId.get(score.span_id);
          return (
            <li key={score.id}>
              <span>{score.name}</span>
              <b>{score.value ?? score.label}</b>
              <span className="text-dim">
                {node ? (
                  <button type="button" className="text-link" onClick={() => select(node.span.span_id)}>
                    {node.span.title || node.span.name || node.span.op}
                  </button>
                ) : (
                  t('trace.scoreOfTrace')
                )}
              </span>
              <span>
                {score.comment && (
                  <span className="line-clamp">
                    <UserText text={score.comment} />
                  </span>
                )}
              </span>
              <time dateTime={score.at}>{format.moment(score.at)}</time>
            </li>
          );
        })}
      </ul>
    </section>
  );
});
