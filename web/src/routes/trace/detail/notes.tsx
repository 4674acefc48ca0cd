import { Link } from '@tanstack/react-router';
import type { Span, SpanDetail } from '../../../api/span-types';
import { useT } from '../../../i18n';
import { Icon, StatusGlyph } from '../../../parts/icons';
import { Said } from '../../../parts/values';
import { useReader } from '../../../reader';
import { useLooking } from '../context';
import type { Node } from '../model/tree';

/** What went wrong at this span: its error events, or at least its status as sent. */
export function Failures({ node }: { node: Node }) {
  const t = useT();
  const { format } = useReader();
  const { project, data, around } = useLooking();
  const { span, errors } = node;
  if (errors.length === 0 && span.status === 'ok') return null;
  const start = Date.parse(data.trace.start_time);
  return (
    <ul className="fails">
      {errors.map((error) => (
        <li key={error.event_id}>
          <StatusGlyph status="error" />
          <div>
            <p className="clamp">
              <b className="err">{error.type}</b> <Said text={error.value} />
            </p>
            <p className="dim small">
              {[
                error.culprit,
                error.handled === false ? t('issues.unhandled') : error.handled ? t('issues.handled') : null,
                `+${format.three(Math.max(0, Date.parse(error.time) - start) / 1000)} s`,
              ]
                .filter(Boolean)
                .join(' · ')}
            </p>
          </div>
          <Link
            className="act"
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
              <b className={span.status === 'error' ? 'err' : undefined}>{t(`status.${span.status}`)}</b>{' '}
              {span.status_detail && <Said text={span.status_detail} />}
            </p>
            <p className="dim small">{t('trace.noErrorEvent')}</p>
          </div>
        </li>
      )}
    </ul>
  );
}

const SPAN_ID = /\b[0-9a-f]{16}\b/;

/** Said clearly, since the figures of such a span stand in no sum. */
export function NotCounted({ because }: { because: string | null }) {
  const t = useT();
  const { tree, select } = useLooking();
  const other = because ? SPAN_ID.exec(because)?.[0] : undefined;
  const known = other !== undefined && tree.byId.has(other) ? other : undefined;
  return (
    <p className="notc">
      <Icon name="fold" size="s" />
      <span>
        <b>{t('trace.notCounted')}</b> {t(reasonKey(because))}
        {reasonKey(because) === 'trace.because.other' && because && `: ${because}`}
        {known && (
          <>
            {' '}
            <button type="button" className="act" onClick={() => select(known)}>
              {t('trace.showIt')}
            </button>
          </>
        )}
      </span>
    </p>
  );
}

/** A call that is reported more than once is in several traces: the way to another of them. */
export function AlsoReported({ other }: { other: NonNullable<Span['also_reported']> }) {
  const t = useT();
  return <WayTo says={t(other.counts ? 'trace.countedHere' : 'trace.countedThere')} span={other} />;
}

/** The messages of a call may stand at another report of it alone: the way there. */
export function TextsFrom({ from }: { from: NonNullable<SpanDetail['texts_from']> }) {
  const t = useT();
  return <WayTo says={t('trace.textsFrom')} span={from} />;
}

function WayTo({ says, span }: { says: string; span: { trace_id: string; span_id: string } }) {
  const t = useT();
  const { project } = useLooking();
  return (
    <p className="notc">
      <Icon name="fold" size="s" />
      <span>
        {says}{' '}
        <Link
          className="act"
          to="/p/$project/traces/$trace"
          params={{ project: String(project.id), trace: span.trace_id }}
          search={{ span: span.span_id }}
        >
          {t('trace.showIt')}
        </Link>
      </span>
    </p>
  );
}

export function reasonKey(because: string | null) {
  if (because?.startsWith('another report')) return 'trace.because.report' as const;
  if (because?.startsWith('the same call')) return 'trace.because.call' as const;
  if (because?.startsWith('the same response')) return 'trace.because.response' as const;
  if (because?.includes('repeats the usage')) return 'trace.because.sum' as const;
  return 'trace.because.other' as const;
}
