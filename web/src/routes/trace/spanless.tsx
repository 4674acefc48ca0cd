import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { logsPagesQuery } from '../../api/queries';
import { traceName } from '../../api/trace-name';
import type { ErrorEvent, LogLine, Project, TraceDetail } from '../../api/types';
import { Icon, StatusGlyph } from '../../components/icons';
import { InlineCodeText } from '../../components/inline-code-text';
import { LogAttributes } from '../../components/log-attributes';
import { LogLevel } from '../../components/log-level';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Chip, Duration, NumberWithUnit, UserText } from '../../components/values';
import { fieldTerm } from '../../filter-query';
import { useT } from '../../i18n';
import { useLocale, useRange } from '../../locale';
import { rangeAround } from '../../range';
import { HeadFacts } from './head-facts';
import { momentsOf } from './model/moments';
import { millis } from './model/tree';
import { PinAndDelete } from './pin-and-delete';

interface SpanlessTraceProps {
  project: Project;
  data: TraceDetail;
}

/** A trace of which only error events or log lines have arrived: why that can be, and what there is in order of time. */
export function SpanlessTrace({ project, data }: SpanlessTraceProps) {
  return (
    <>
      <SpanlessHeader project={project} data={data} />
      <SpanlessNote project={project} />
      <SpanlessMoments project={project} data={data} />
    </>
  );
}

function SpanlessHeader({ project, data }: SpanlessTraceProps) {
  const t = useT();
  const { format } = useLocale();
  const range = useRange();
  const { trace, errors, log_count: lines } = data;
  const start = millis(trace.start_time);
  return (
    <section className="trace-head sheet trace-spanless-head">
      <div className="trace-title-row">
        <div className="trace-title">
          <h1 className="line-clamp">
            <UserText text={traceName(trace)} />
          </h1>
          <Chip tone="outline">{t('trace.spanless.note')}</Chip>
        </div>
        <div className="trace-head-facts text-dim">
          <time dateTime={trace.start_time} title={format.zone}>
            {format.exact(trace.start_time)}
          </time>
          <HeadFacts trace={trace} facts={[trace.environment, trace.release, trace.user_id]} />
          {lines > 0 && (
            <Link
              className="action-link"
              to="/p/$project/logs"
              params={{ project: String(project.id) }}
              search={{ q: fieldTerm('trace', trace.trace_id), ...rangeAround(range, start, start + trace.duration_ms) }}
            >
              {t('trace.openLogs')}
            </Link>
          )}
          <PinAndDelete project={project} data={data} />
        </div>
      </div>
      <dl className="trace-figures">
        <div>
          <dt>{t('trace.errors')}</dt>
          <dd className={errors.length > 0 ? 'text-error' : undefined}>{format.count(Math.max(errors.length, trace.error_count))}</dd>
        </div>
        <div>
          <dt>{t('trace.spanless.lines')}</dt>
          <dd>{format.count(lines)}</dd>
        </div>
        {errors.length + lines > 1 && (
          <div>
            <dt>{t('trace.spanless.length')}</dt>
            <dd>
              <Duration ms={trace.duration_ms} />
            </dd>
          </div>
        )}
      </dl>
    </section>
  );
}

/** Why there may be no span, and what to do. */
function SpanlessNote({ project }: { project: Project }) {
  const t = useT();
  return (
    <section className="trace-spanless-note">
      <h2>{t('trace.spanless.title')}</h2>
      <ul>
        {(['trace.spanless.off', 'trace.spanless.sampled', 'trace.spanless.elsewhere'] as const).map((key) => (
          <li key={key}>
            <InlineCodeText text={t(key)} />
          </li>
        ))}
      </ul>
      <p>
        {t('trace.spanless.live')}{' '}
        <Link className="action-link" to="/p/$project/setup" params={{ project: String(project.id) }}>
          {t('trace.spanless.setUp')}
        </Link>
      </p>
    </section>
  );
}

const NO_LINES: LogLine[] = [];

/** Errors and log lines on one time axis. */
function SpanlessMoments({ project, data }: SpanlessTraceProps) {
  const t = useT();
  const { format } = useLocale();
  const { trace, errors, log_count: count } = data;
  const query = useInfiniteQuery({ ...logsPagesQuery(project.id, trace.trace_id, count), enabled: count > 0 });
  const lines = useMemo(() => query.data?.pages.flatMap(({ logs }) => logs) ?? NO_LINES, [query.data]);
  const moments = useMemo(() => momentsOf(errors, lines), [errors, lines]);
  const origin = millis(trace.start_time);
  const length = trace.duration_ms;
  return (
    <section className="trace-moments">
      <div className="section-head">
        <h2>{t('trace.spanless.events')}</h2>
        <span className="section-note">{format.count(errors.length + count)}</span>
      </div>
      {length > 0 && (
        <div className="trace-moment-row trace-moments-head" aria-hidden="true">
          <div className="trace-moment-scale" title={t('trace.spanless.timeAxis')}>
            {[0, length / 2, length].map((ms) => (
              <span key={ms}>
                <NumberWithUnit v={format.duration(ms)} />
              </span>
            ))}
          </div>
        </div>
      )}
      <ol>
        {moments.map((moment) =>
          moment.kind === 'error' ? (
            <ErrorMoment key={moment.error.event_id} project={project} error={moment.error} after={moment.at - origin} length={length} />
          ) : (
            <LineMoment key={moment.line.log_id} line={moment.line} after={moment.at - origin} length={length} />
          ),
        )}
      </ol>
      {count > 0 && query.isPending && <Skeleton rows={Math.min(8, count)} height={30} />}
      {query.error && lines.length === 0 && <ErrorMessage error={query.error} onRetry={() => void query.refetch()} />}
      {query.hasNextPage && (
        <button type="button" className="button" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {t('trace.moreLogs', { n: count - lines.length })}
        </button>
      )}
    </section>
  );
}

/** How long after the first moment this one was, in figures and as a place on the axis. */
function MomentTime({ time, after }: { time: string; after: number }) {
  const { format, zone } = useLocale();
  return (
    <time className="trace-moment-time" dateTime={time} title={`${format.exact(time)} ${zone}`}>
      <NumberWithUnit v={[{ n: after < 0 ? '\u2212' : '+' }, ...format.duration(Math.abs(after))]} />
    </time>
  );
}

function MomentPlace({ after, length, severe }: { after: number; length: number; severe: boolean }) {
  if (length <= 0) return <span />;
  const share = Math.max(0, Math.min(1, after / length));
  return (
    <span className="trace-moment-track" aria-hidden="true">
      <i className={severe ? 'is-severe' : undefined} style={{ left: `${share * 100}%` }} />
    </span>
  );
}

function ErrorMoment({ project, error, after, length }: { project: Project; error: ErrorEvent; after: number; length: number }) {
  const t = useT();
  const range = useRange();
  return (
    <li className="trace-moment-row trace-moment-error">
      <StatusGlyph status="error" />
      <MomentTime time={error.time} after={after} />
      <span className="trace-moment-kind text-error">{error.level}</span>
      <div className="trace-moment-text">
        <p className="line-clamp">
          <b className="text-error">{error.type}</b> <UserText text={error.value} />
        </p>
        <p className="text-small">
          <Link
            className="action-link"
            to="/p/$project/issues/$issue"
            params={{ project: String(project.id), issue: String(error.issue_id) }}
            search={{ event: error.event_id, at: error.time, ...rangeAround(range, millis(error.time)) }}
          >
            {t('trace.openIssue')}
          </Link>
          {error.culprit && <span className="text-dim"> · {error.culprit}</span>}
        </p>
      </div>
      <MomentPlace after={after} length={length} severe />
    </li>
  );
}

function LineMoment({ line, after, length }: { line: LogLine; after: number; length: number }) {
  const [open, setOpen] = useState(false);
  return (
    <li className="trace-moment-line">
      <button type="button" className="trace-moment-row" data-testid="log-line" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size="tiny" />
        <MomentTime time={line.time} after={after} />
        <LogLevel level={line.level} />
        <UserText className={open ? 'trace-moment-text is-open' : 'trace-moment-text'} text={line.body} />
        <MomentPlace after={after} length={length} severe={line.level === 'error' || line.level === 'fatal'} />
      </button>
      {open && (
        <div className="trace-moment-attributes">
          <LogAttributes attributes={line.attributes} />
        </div>
      )}
    </li>
  );
}
