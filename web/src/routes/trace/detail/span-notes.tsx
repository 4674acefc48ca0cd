import { Link } from '@tanstack/react-router';
import type { Exclusion, Span, SpanDetail } from '../../../api/types';
import { useT } from '../../../i18n';
import { Icon, StatusGlyph } from '../../../components/icons';
import { UserText } from '../../../components/values';
import { useLocale } from '../../../locale';
import { useTraceView } from '../context';
import { exclusionKey } from '../model/exclusion';
import type { SpanNode } from '../model/tree';

/** What went wrong at this span: its error events, or at least its status as sent. */
export function SpanFailures({ node }: { node: SpanNode }) {
  const t = useT();
  const { format } = useLocale();
  const { project, data, around } = useTraceView();
  const { span, errors } = node;
  if (errors.length === 0 && span.status === 'ok') return null;
  const start = Date.parse(data.trace.start_time);
  return (
    <ul className="trace-failures">
      {errors.map((error) => (
        <li key={error.event_id}>
          <StatusGlyph status="error" />
          <div>
            <p className="line-clamp">
              <b className="text-error">{error.type}</b> <UserText text={error.value} />
            </p>
            <p className="text-dim text-small">
              {[
                error.culprit,
                error.handled === false ? t('issues.unhandled') : error.handled ? t('issues.handled') : null,
                `+${format.threeDigits(Math.max(0, Date.parse(error.time) - start) / 1000)} s`,
              ]
                .filter(Boolean)
                .join(' · ')}
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
      ))}
      {errors.length === 0 && (
        <li>
          <StatusGlyph status={span.status} />
          <div>
            <p>
              <b className={span.status === 'error' ? 'text-error' : undefined}>{t(`status.${span.status}`)}</b>{' '}
              {span.failure !== null && <span>{t(`failure.${span.failure}`)}: </span>}
              {span.status_detail && <UserText text={span.status_detail} />}
            </p>
            <p className="text-dim text-small">{t('trace.noErrorEvent')}</p>
          </div>
        </li>
      )}
    </ul>
  );
}

/** Said clearly, since the figures of such a span stand in no sum. */
export function ExcludedNote({ exclusion }: { exclusion: Exclusion | null }) {
  const t = useT();
  const { tree, select, project } = useTraceView();
  const { span_id: span, trace_id: trace } = exclusion ?? { span_id: null, trace_id: null };
  return (
    <p className="trace-excluded-note">
      <Icon name="fold" size="small" />
      <span>
        <b>{t('trace.notCounted')}</b> {t(exclusionKey(exclusion))}{' '}
        {span !== null && trace === null && tree.byId.has(span) && (
          <button type="button" className="action-link" onClick={() => select(span)}>
            {t('trace.showCountedSpan')}
          </button>
        )}
        {span !== null && trace !== null && <SpanLink project={project.id} span={{ trace_id: trace, span_id: span }} />}
      </span>
    </p>
  );
}

/** A call that is reported more than once is in several traces: the way to another of them. */
export function OtherReportNote({ other }: { other: NonNullable<Span['also_reported']> }) {
  const t = useT();
  return <SpanLinkNote says={t(other.counts ? 'trace.countedHere' : 'trace.countedThere')} span={other} />;
}

/** The messages of a call may stand at another report of it alone: the way there. */
export function MessagesFromNote({ from }: { from: NonNullable<SpanDetail['texts_from']> }) {
  const t = useT();
  return <SpanLinkNote says={t('trace.messagesFromOtherReport')} span={from} />;
}

function SpanLinkNote({ says, span }: { says: string; span: { trace_id: string; span_id: string } }) {
  const { project } = useTraceView();
  return (
    <p className="trace-excluded-note">
      <Icon name="fold" size="small" />
      <span>
        {says} <SpanLink project={project.id} span={span} />
      </span>
    </p>
  );
}

/** A span of another trace. */
export function SpanLink({ project, span }: { project: number; span: { trace_id: string; span_id: string } }) {
  const t = useT();
  return (
    <Link
      className="action-link"
      to="/p/$project/traces/$trace"
      params={{ project: String(project), trace: span.trace_id }}
      search={{ span: span.span_id }}
    >
      {t('trace.showCountedSpan')}
    </Link>
  );
}
