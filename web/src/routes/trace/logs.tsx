import { Link } from '@tanstack/react-router';
import { memo, useState } from 'react';
import type { LogLine } from '../../api/types';
import { MINUS } from '../../format';
import { useT } from '../../i18n';
import { HiddenMessage } from '../../components/hidden-messages';
import { Icon } from '../../components/icons';
import { ErrorMessage, Skeleton } from '../../components/states';
import { LogAttributes } from '../../components/log-attributes';
import { LogLevel } from '../../components/log-level';
import { NumberWithUnit, UserText } from '../../components/values';
import { fieldTerm } from '../../filter-query';
import { useLocale } from '../../locale';
import { useTraceView } from './context';
import { millis } from './model/tree';
import { useTraceLogs } from './use-logs';

/** Everything that was logged within the trace, beside what it was logged in. */
export const TraceLogs = memo(function Logs() {
  const t = useT();
  const { format } = useLocale();
  const { data, project, around } = useTraceView();
  const { lines, count, query } = useTraceLogs();
  if (count === 0) return null;
  return (
    <section className="trace-section">
      <div className="section-head">
        <h2>{t('trace.logs')}</h2>
        <span className="section-note">{format.count(count)}</span>
        <Link
          className="section-link"
          to="/p/$project/logs"
          params={{ project: String(project.id) }}
          search={{ q: fieldTerm('trace', data.trace.trace_id), ...around }}
        >
          {t('trace.openLogs')}
        </Link>
      </div>
      {query.isPending && <Skeleton rows={Math.min(8, count)} height={26} />}
      {query.error && lines.length === 0 && <ErrorMessage error={query.error} onRetry={() => void query.refetch()} />}
      <LogLines lines={lines} withSpan />
      {query.hasNextPage && (
        <button type="button" className="button" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {t('trace.moreLogs', { n: count - lines.length })}
        </button>
      )}
    </section>
  );
});

/** Lines with their time from the start of the trace; one that is opened shows its attributes. */
export function LogLines({ lines, withSpan = false }: { lines: readonly LogLine[]; withSpan?: boolean }) {
  return (
    <ol className={withSpan ? 'trace-log-lines' : 'trace-log-lines trace-log-lines-own'}>
      {lines.map((line) => (
        <LogLineItem key={line.log_id} line={line} withSpan={withSpan} />
      ))}
    </ol>
  );
}

function LogLineItem({ line, withSpan }: { line: LogLine; withSpan: boolean }) {
  const t = useT();
  const { format, zone } = useLocale();
  const { tree, select } = useTraceView();
  const [open, setOpen] = useState(false);
  const node = line.span_id === null ? undefined : tree.byId.get(line.span_id);
  const after = millis(line.time) - tree.origin;
  const sign = after < 0 ? MINUS : '+';
  return (
    <li>
      <button type="button" className="trace-log-line" data-testid="log-line" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size="tiny" />
        <time dateTime={line.time} title={`${format.exact(line.time)} ${zone}`}>
          <NumberWithUnit v={[{ n: `${sign}${format.fixed(Math.abs(after) / 1000, 3)}`, u: 's' }]} />
        </time>
        <LogLevel level={line.level} />
        {line.messages_hidden ? <HiddenMessage className="trace-log-body" /> : <UserText className="trace-log-body" text={line.body} />}
      </button>
      {withSpan && (
        <span className="trace-log-span">
          {node ? (
            <button
              type="button"
              className="text-link ellipsis"
              title={node.span.title || node.span.name || node.span.op}
              onClick={() => select(node.span.span_id)}
            >
              {node.span.title || node.span.name || node.span.op || node.span.span_id}
            </button>
          ) : (
            <span className="text-dim">{t(line.span_id === null ? 'trace.logOfTrace' : 'trace.spanNotInTrace')}</span>
          )}
        </span>
      )}
      {open && (
        <div className="trace-log-attributes">
          <LogAttributes attributes={line.attributes} />
        </div>
      )}
    </li>
  );
}
