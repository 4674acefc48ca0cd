import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { ApiError } from '../../api/client';
import { sharedLogsQuery, sharedMediaAddress, sharedSpanQuery, sharedTraceQuery } from '../../api/shares';
import { traceName } from '../../api/trace-name';
import type { SharedTrace, SpanDetail } from '../../api/types';
import { HiddenMessage, HiddenMessagesNote } from '../../components/hidden-messages';
import { Glyph, Logo, StatusGlyph } from '../../components/icons';
import { LogLevel } from '../../components/log-level';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { CodeBlock } from '../../components/text/code-block';
import { MediaAddressContext } from '../../components/text/media-address';
import { MessageView } from '../../components/text/message';
import { Chip, Duration, Timestamp, TokenCount, UnknownValue, UserText } from '../../components/values';
import { useT, type TextKey } from '../../i18n';
import { useLocale } from '../../locale';
import { buildTree, type SpanNode } from '../trace/model/tree';
import './share.css';

/** Why a link does not work, by the code of the error. */
const ENDINGS: Partial<Record<string, { title: TextKey; why: TextKey }>> = {
  share_revoked: { title: 'share.revoked', why: 'share.revokedWhy' },
  share_expired: { title: 'share.expired', why: 'share.expiredWhy' },
  share_deleted: { title: 'share.deleted', why: 'share.deletedWhy' },
  not_found: { title: 'share.unknown', why: 'share.unknownWhy' },
};

/** One trace for somebody without an account. It asks only for what its link opens. */
export default function SharePage() {
  const t = useT();
  const { token } = useParams({ from: '/share/$token' });
  const { data, error, refetch } = useQuery(sharedTraceQuery(token));
  // The title of other pages names the project.
  useEffect(() => {
    document.title = `${data ? traceName(data.trace) : t('share.title')} · Hinomi`;
  }, [data, t]);
  const ending = error instanceof ApiError ? ENDINGS[error.code] : undefined;
  const mediaAddress = useMemo(() => (mediaId: string) => sharedMediaAddress(token, mediaId), [token]);
  return (
    <MediaAddressContext value={mediaAddress}>
      <main className="share-page">
        <header className="share-head">
          <Logo />
          <b>Hinomi</b>
          <span className="text-dim">{t('share.readOnly')}</span>
        </header>
        {ending && <EmptyState title={t(ending.title)}>{t(ending.why)}</EmptyState>}
        {error && !ending && (
          <div className="pane sheet">
            <ErrorMessage error={error} onRetry={() => void refetch()} />
          </div>
        )}
        {!data && !error && (
          <div className="pane sheet">
            <Skeleton rows={10} />
          </div>
        )}
        {data && <SharedTraceView token={token} shared={data} />}
      </main>
    </MediaAddressContext>
  );
}

function SharedTraceView({ token, shared }: { token: string; shared: SharedTrace }) {
  const t = useT();
  const { format } = useLocale();
  const { trace, spans, errors, messages } = shared;
  const tree = useMemo(() => buildTree(spans, errors), [spans, errors]);
  const [picked, setPicked] = useState<string | null>(null);
  const first = tree.nodes.find(({ span }) => span.kind === 'llm') ?? tree.roots[0];
  const selected = (picked !== null && tree.byId.get(picked)) || first;
  return (
    <>
      <section className="sheet pane">
        <h1 className="line-clamp">
          {traceName(trace)} <Chip tone={trace.status === 'error' ? 'bad' : undefined}>{t(`status.${trace.status}`)}</Chip>
        </h1>
        <p className="text-dim text-small">
          <time dateTime={trace.start_time}>{format.exact(trace.start_time)}</time> ·{' '}
          {t('share.until', { time: format.moment(shared.expires_at) })}
        </p>
        {!messages && <HiddenMessagesNote />}
        <dl className="share-figures">
          <ShareFigure label="trace.duration">
            <Duration ms={trace.duration_ms} />
          </ShareFigure>
          <ShareFigure label="trace.cost">
            {trace.cost === null ? <UnknownValue /> : <span title={format.moneyExact(trace.cost)}>{format.money(trace.cost)}</span>}
          </ShareFigure>
          <ShareFigure label="trace.tokens">
            <TokenCount n={trace.total_tokens} />
          </ShareFigure>
          <ShareFigure label="trace.calls">{format.count(trace.llm_calls)}</ShareFigure>
          <ShareFigure label="trace.errors">{format.count(errors.length)}</ShareFigure>
        </dl>
      </section>
      <div className="share-layout">
        <div>
          {tree.nodes.length > 0 && (
            <section className="sheet pane" aria-label={t('traces.spans')}>
              <ol className="share-spans">
                {tree.nodes.map((node) => (
                  <SpanRow key={node.span.span_id} node={node} isSelected={node === selected} onPick={setPicked} />
                ))}
              </ol>
            </section>
          )}
          {errors.length > 0 && (
            <section className="sheet pane">
              <h2>{t('trace.errors')}</h2>
              <ul className="share-errors">
                {errors.map((error) => (
                  <li key={error.event_id}>
                    <b className="text-error">{error.type}</b> {error.messages_hidden ? <HiddenMessage /> : <UserText text={error.value} />}
                  </li>
                ))}
              </ul>
            </section>
          )}
          {shared.log_count > 0 && <SharedLogs token={token} />}
        </div>
        {selected && (
          <section className="sheet pane" aria-label={t('trace.detail')}>
            <SharedSpan key={selected.span.span_id} token={token} node={selected} />
          </section>
        )}
      </div>
    </>
  );
}

function ShareFigure({ label, children }: { label: TextKey; children: ReactNode }) {
  const t = useT();
  return (
    <div>
      <dt className="text-dim">{t(label)}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const spanName = ({ span }: SpanNode) => span.title || span.name || span.op;

/** Deeper spans are not moved further to the right. */
const MAX_DEPTH = 12;

function SpanRow({ node, isSelected, onPick }: { node: SpanNode; isSelected: boolean; onPick: (span: string) => void }) {
  const { span, depth } = node;
  return (
    <li>
      <button
        type="button"
        className={isSelected ? 'share-span is-selected' : 'share-span'}
        aria-pressed={isSelected}
        style={{ paddingLeft: 8 + Math.min(depth, MAX_DEPTH) * 14 }}
        onClick={() => onPick(span.span_id)}
      >
        {span.status === 'error' ? <StatusGlyph status="error" /> : <Glyph kind={span.kind} />}
        <span className="ellipsis" title={spanName(node)}>
          {spanName(node)}
        </span>
        <span className="text-dim">
          <Duration ms={span.duration_ms} />
        </span>
      </button>
    </li>
  );
}

function SharedSpan({ token, node }: { token: string; node: SpanNode }) {
  const { span } = node;
  const { data, error, refetch } = useQuery(sharedSpanQuery(token, span.span_id));
  return (
    <>
      <h2 className="line-clamp">
        {spanName(node)} {span.model && <Chip>{span.model}</Chip>} {span.provider && <Chip>{span.provider}</Chip>}
      </h2>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={6} />}
      {data && (data.messages_hidden ? <HiddenMessagesNote /> : <SpanTexts detail={data} />)}
    </>
  );
}

function SpanTexts({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const messages = [...detail.input_messages, ...detail.output_messages];
  const attributes = Object.keys(detail.attributes).length > 0 ? JSON.stringify(detail.attributes, null, 2) : null;
  return (
    <>
      {messages.length === 0 && <p className="text-dim text-small">{t('trace.noMessages')}</p>}
      {messages.map((message, at) => (
        <MessageView key={at} message={message} mode="reading" />
      ))}
      {attributes !== null && (
        <details>
          <summary>{t('trace.tab.attributes')}</summary>
          <CodeBlock text={attributes} lines={60} />
        </details>
      )}
    </>
  );
}

function SharedLogs({ token }: { token: string }) {
  const t = useT();
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(sharedLogsQuery(token));
  const lines = data?.pages.flatMap(({ logs }) => logs) ?? [];
  return (
    <section className="sheet pane">
      <h2>{t('logs.title')}</h2>
      {error && <ErrorMessage error={error} />}
      <ol className="share-logs text-small">
        {lines.map((line) => (
          <li key={line.log_id}>
            <Timestamp at={line.time} /> <LogLevel level={line.level} />{' '}
            {line.messages_hidden ? <HiddenMessage /> : <UserText text={line.body} />}
          </li>
        ))}
      </ol>
      {hasNextPage && (
        <button type="button" className="button" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {t('issues.more')}
        </button>
      )}
    </section>
  );
}
