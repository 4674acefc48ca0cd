import { useQueries } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { spanQuery } from '../../api/queries';
import type { SpanDetail } from '../../api/types';
import { useT } from '../../i18n';
import { Icon, kindColor, StatusGlyph } from '../../components/icons';
import { CopyButton } from '../../components/states';
import { oneLineSummary } from '../../components/text/json';
import { messageText, PartView, RoleName } from '../../components/text/message';
import { CodeBlock } from '../../components/text/code-block';
import { MessageText } from '../../components/text/message-text';
import { Duration, langOf } from '../../components/values';
import { useLocale } from '../../locale';
import { useTraceView, useSelectedSpan } from './context';
import { transcript, modelCalls, type TranscriptItem, type ToolUse } from './model/transcript';
import { isModelCall, type SpanNode } from './model/tree';

/** So many calls are read at first, and with each "more": a conversation of thousands is opened a piece at a time. */
const CALLS_PER_PAGE = 24;

/** The trace as a conversation: who said what, which tools were asked, what they answered. */
export function Transcript() {
  const t = useT();
  const { project, data, at, tree } = useTraceView();
  const selected = useSelectedSpan();
  const calls = useMemo(() => modelCalls(tree), [tree]);
  const [shown, setShown] = useState(CALLS_PER_PAGE);
  const wanted = useMemo(() => calls.slice(0, shown), [calls, shown]);
  const answers = useQueries({
    queries: wanted.map((node) => ({
      ...spanQuery(project.id, data.trace.trace_id, node.span.span_id, at),
      placeholderData: undefined,
      staleTime: 60_000,
      meta: { live: false },
    })),
    combine: (results) => results.map((result) => result.data as SpanDetail | undefined),
  });
  const items = useMemo(() => {
    const details = new Map<string, SpanDetail>();
    answers.forEach((detail) => detail && details.set(detail.span_id, detail));
    return transcript(tree, details);
  }, [tree, answers]);
  // What comes after the last call that is read waits with it.
  const end = calls.length > shown ? calls[shown]!.start : Infinity;
  const listed = items.filter((item) => itemStart(item, tree.byId) < end);

  const box = useRef<HTMLDivElement>(null);
  const chosen = selected?.span.span_id;
  useEffect(() => {
    if (chosen) box.current?.querySelector(`[data-span="${CSS.escape(chosen)}"]`)?.scrollIntoView({ block: 'nearest' });
  }, [chosen]);

  if (items.length === 0) return <p className="empty-note pane">{t('trace.noTranscript')}</p>;
  return (
    <div className="trace-transcript" ref={box}>
      {listed.map((item) => (
        <TranscriptItem key={item.key} item={item} />
      ))}
      {calls.length > shown && (
        <button type="button" className="button" onClick={() => setShown(shown + CALLS_PER_PAGE)}>
          {t('trace.moreCalls', { n: calls.length - shown })}
        </button>
      )}
    </div>
  );
}

function itemStart(item: TranscriptItem, byId: ReadonlyMap<string, SpanNode>): number {
  if (item.type === 'turn' || item.type === 'handoff') return item.node.start;
  if (item.type === 'tool') return item.use.node?.start ?? 0;
  return byId.get(item.key.split(' ', 1)[0]!)?.start ?? 0;
}

/** The whole conversation as text, for the clipboard. */
export function TranscriptSummary() {
  const t = useT();
  const { tree, data } = useTraceView();
  const calls = modelCalls(tree).length;
  const handoffs = tree.nodes.filter(({ span }) => span.kind === 'handoff').length;
  const counts = [
    t('common.calls', { n: calls }),
    data.trace.tool_calls > 0 && t('trace.toolCount', { n: data.trace.tool_calls }),
    handoffs > 0 && t('trace.handoffCount', { n: handoffs }),
  ].filter(Boolean);
  return <span className="text-dim ellipsis">{counts.join(', ')}</span>;
}

function TranscriptItem({ item }: { item: TranscriptItem }) {
  const t = useT();
  if (item.type === 'handoff') return <HandoffItem node={item.node} />;
  if (item.type === 'tool') {
    return (
      <div className="trace-turn" style={{ '--c': 'var(--op-tool)' }}>
        <div className="message-author">
          <b>{t('text.tool')}</b>
        </div>
        <div className="trace-turn-text">
          <ToolUseView use={item.use} />
        </div>
      </div>
    );
  }
  if (item.type === 'said') return <MessageTurn item={item} />;
  return <CallTurn item={item} />;
}

/** Instructions and what was said earlier are there, but out of the way. */
function MessageTurn({ item }: { item: Extract<TranscriptItem, { type: 'said' }> }) {
  const t = useT();
  const quiet = item.old || item.role === 'system' || item.role === 'developer';
  const text = messageText({ role: item.role, parts: item.parts });
  const color = item.role === 'user' && !item.old ? 'var(--ink)' : 'var(--line-strong)';
  const body = item.parts.map((part, at) => <PartView key={at} part={part} mode="reading" limit={900} />);
  return (
    <div className="trace-turn" style={{ '--c': color }}>
      <div className="message-author">
        <RoleName role={item.role} />
        {item.old && <span className="trace-turn-note">{t('trace.earlierTurns')}</span>}
      </div>
      <div className="trace-turn-text">
        {quiet ? (
          <details className="folded-message">
            <summary>
              <span className="ellipsis" lang={langOf(text)}>
                {text.replace(/\s+/g, ' ').slice(0, 160)}
              </span>
            </summary>
            {body}
          </details>
        ) : (
          body
        )}
        <ToolUses groups={item.uses} />
      </div>
    </div>
  );
}

/** The tools of one message; those that ran at once hang on one rule. */
function ToolUses({ groups }: { groups: ToolUse[][] }) {
  const t = useT();
  return groups.map((group) =>
    group.length > 1 ? (
      <div className="trace-concurrent-calls" key={group[0]!.id ?? group[0]!.name}>
        <span className="trace-concurrent-label">{t('trace.concurrent', { n: group.length })}</span>
        {group.map((use, at) => (
          <ToolUseView key={use.id ?? at} use={use} />
        ))}
      </div>
    ) : (
      group.map((use, at) => <ToolUseView key={use.id ?? at} use={use} />)
    ),
  );
}

function CallTurn({ item }: { item: Extract<TranscriptItem, { type: 'turn' }> }) {
  const t = useT();
  const { format } = useLocale();
  const { select } = useTraceView();
  const selected = useSelectedSpan();
  const { node, who, parts, uses, loaded } = item;
  const { span, errors } = node;
  const here = selected === node;
  const failed = span.status === 'error';
  return (
    <div
      className={here ? 'trace-turn is-selected' : 'trace-turn'}
      data-span={span.span_id}
      style={{ '--c': failed ? 'var(--error)' : kindColor(span.agent ? 'agent' : 'llm') }}
    >
      <div className="message-author">
        <button
          type="button"
          className="trace-turn-button"
          onClick={() => select(span.span_id)}
          title={`${who === 'assistant' ? t('text.assistant') : who} · ${t('trace.openSpan')}`}
        >
          <b className="ellipsis">{who === 'assistant' ? t('text.assistant') : who}</b>
        </button>
        <span className="trace-turn-note">
          {isModelCall(span) && span.cost !== null && (
            <span title={format.moneyExact(span.cost.total)}>{format.money(span.cost.total)} · </span>
          )}
          <Duration ms={span.duration_ms} />
        </span>
        {span.model && (
          <span className="trace-turn-note ellipsis" title={span.model}>
            {span.model}
          </span>
        )}
      </div>
      <div className="trace-turn-text">
        {parts.map((part, at) => (
          <PartView key={at} part={part} mode="reading" limit={1400} />
        ))}
        {failed && (
          <p className="trace-tool-result text-error">
            <StatusGlyph status="error" />
            <span className="line-clamp">
              <b>{errors[0]?.type ?? t('status.error')}</b> {errors[0]?.value ?? span.status_detail}
            </span>
          </p>
        )}
        {loaded && !failed && parts.length === 0 && uses.length === 0 && <p className="text-dim text-small">{t('trace.noText')}</p>}
        <ToolUses groups={uses} />
      </div>
    </div>
  );
}

/** A tool: what it was asked, what it did on the way, what it answered. One line each until it is opened. */
function ToolUseView({ use }: { use: ToolUse }) {
  const t = useT();
  const { select } = useTraceView();
  const selected = useSelectedSpan();
  const [open, setOpen] = useState(false);
  const { node, attempts } = use;
  const failed = node?.span.status === 'error';
  const classes = ['trace-tool-call', failed && 'is-failed', node !== null && node === selected && 'is-selected'].filter(Boolean).join(' ');
  const reason = node?.errors[0];
  const why = reason ? reason.value : (node?.span.status_detail ?? null);
  return (
    <div className={classes} data-testid="tool-call" data-span={node?.span.span_id}>
      <div className="trace-tool-call-head">
        {failed ? <StatusGlyph status="error" /> : <Icon name="wrench" size="small" className="kind-icon" />}
        <button
          type="button"
          className="trace-turn-button"
          disabled={node === null}
          onClick={() => node && select(node.span.span_id, 'transcript')}
          title={`${use.name} · ${t(node ? 'trace.findInTree' : 'trace.noToolSpan')}`}
        >
          <b className="ellipsis">{use.name}</b>
        </button>
        <span className="trace-tool-arguments ellipsis" lang={langOf(use.arguments ?? '')} title={oneLineSummary(use.arguments ?? '')}>
          {oneLineSummary(use.arguments ?? '')}
        </span>
        <span className="text-dim">{node ? <Duration ms={node.span.duration_ms} /> : t('trace.notRun')}</span>
        <button
          type="button"
          className="icon-button-small"
          aria-expanded={open}
          aria-label={t('trace.unfoldCall')}
          onClick={() => setOpen(!open)}
        >
          <Icon name={open ? 'down' : 'right'} size="tiny" />
        </button>
      </div>
      {attempts.length > 0 && (
        <ul className="trace-attempts">
          {attempts.map(({ node: one, waited }) => (
            <AttemptItem key={one.span.span_id} node={one} waited={waited} />
          ))}
        </ul>
      )}
      {failed && (
        <p className="trace-tool-result text-error">
          <Icon name="go" size="tiny" />
          <span className="line-clamp">
            <b>{reason?.type ?? t('status.error')}</b> {why}
          </span>
        </p>
      )}
      {!open && use.result !== null && (
        <p className="trace-tool-result">
          <Icon name="go" size="tiny" />
          <span className="ellipsis" lang={langOf(use.result)} title={oneLineSummary(use.result, 200)}>
            {oneLineSummary(use.result, 200)}
          </span>
        </p>
      )}
      {open && (
        <div className="trace-tool-call-body">
          {use.arguments && <CodeBlock text={use.arguments} lines={16} />}
          {use.result !== null &&
            (/^\s*[{[]/.test(use.result) ? <CodeBlock text={use.result} lines={16} /> : <MessageText text={use.result} mode="reading" />)}
        </div>
      )}
    </div>
  );
}

function AttemptItem({ node, waited }: { node: SpanNode; waited: number }): ReactNode {
  const t = useT();
  const { format } = useLocale();
  const { span } = node;
  const code = /\b[1-5]\d\d\b/.exec(span.status_detail ?? '')?.[0];
  return (
    <>
      {waited >= 100 && <li className="text-dim">{t('trace.waitedFor', { s: format.threeDigits(waited / 1000) })}</li>}
      <li title={span.status_detail ?? undefined}>
        <span className={span.status === 'error' ? 'text-error' : undefined}>{code ?? t(`status.${span.status}`)}</span>{' '}
        <em>
          {t('trace.after')} <Duration ms={span.duration_ms} />
        </em>
      </li>
    </>
  );
}

function HandoffItem({ node }: { node: SpanNode }) {
  const t = useT();
  const { span } = node;
  return (
    <div className="trace-handoff" data-span={span.span_id}>
      <span>
        <Icon name="arrows" size="small" />
        <em>
          {span.agent ? t('trace.handedTo') : ''} <b>{span.agent ?? span.name}</b>
        </em>
      </span>
    </div>
  );
}

export function CopyTranscript() {
  const { tree } = useTraceView();
  const text = useMemo(
    () =>
      modelCalls(tree)
        .map(({ span }) =>
          [
            span.input_preview && `user: ${span.input_preview}`,
            span.output_preview && `${span.agent ?? 'assistant'}: ${span.output_preview}`,
          ]
            .filter(Boolean)
            .join('\n'),
        )
        .join('\n\n'),
    [tree],
  );
  return text ? <CopyButton text={text} quiet /> : null;
}
