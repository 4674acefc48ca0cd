import { memo } from 'react';
import { Link } from '@tanstack/react-router';
import { useT } from '../../i18n';
import { StatusGlyph } from '../../components/icons';
import { UserText } from '../../components/values';
import { useLocale } from '../../locale';
import { useTraceView } from './context';

const MAX_SHOWN = 20;

/** The error events of the whole trace, also those that name no span of it. */
export const ErrorEvents = memo(function Errors() {
  const t = useT();
  const { format } = useLocale();
  const { data, tree, project, select, around } = useTraceView();
  const { errors } = data;
  if (errors.length === 0) return null;
  return (
    <section className="trace-section">
      <div className="section-head">
        <h2>{t('trace.errors')}</h2>
        <span className="section-note">{format.count(errors.length)}</span>
      </div>
      <ul className="trace-failures trace-failures-plain">
        {errors.slice(0, MAX_SHOWN).map((error) => {
          const node = error.span_id === null ? undefined : tree.byId.get(error.span_id);
          return (
            <li key={error.event_id}>
              <StatusGlyph status="error" />
              <div>
                <p className="line-clamp">
                  <b className="text-error">{error.type}</b> <UserText text={error.value} />
                </p>
                <p className="text-dim text-small">
                  {node ? (
                    <button type="button" className="text-link" onClick={() => select(node.span.span_id)}>
                      {node.span.title || node.span.name || node.span.op}
                    </button>
                  ) : (
                    t('trace.spanNotInTrace')
                  )}
                  {error.culprit && ` · ${error.culprit}`}
                </p>
              </div>
              <Link
                className="action-link"
                to="/p/$project/issues/$issue"
                params={{ project: String(project.id), issue: String(error.issue_id) }}
                search={{ event: error.event_id, at: error.time, ...around }}
              >
                {t('trace.openIssue')}
              </Link>
            </li>
          );
        })}
      </ul>
    </section>
  );
});
