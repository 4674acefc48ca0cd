import { useQuery } from '@tanstack/react-query';
import { memo, useId, type ReactNode } from 'react';
import { spanQuery } from '../../../api/queries';
import { usageOf } from '../../../api/status';
import type { SpanDetail } from '../../../api/span-types';
import { useT } from '../../../i18n';
import { Glyph, StatusGlyph } from '../../../parts/icons';
import { CopyIcon, ErrorPart, Skeleton } from '../../../parts/states';
import { Tabs } from '../../../parts/tabs';
import { Chip, Duration, Estimated, Unknown } from '../../../parts/values';
import { useReader } from '../../../reader';
import { useLooking } from '../context';
import { LogLines } from '../logs';
import { isCall, type Node } from '../model/tree';
import { PaceChip, tokensPerSecond } from '../speed';
import { useLogs } from '../use-logs';
import { Attributes, Raw } from './attributes';
import { CostTab } from './cost';
import { Details } from './details';
import { MessagesTab } from './messages';
import { AlsoReported, Failures, NotCounted } from './notes';
import { ReadingTab } from './reading';

const TABS = ['messages', 'cost', 'details', 'logs', 'attributes', 'reading', 'raw'] as const;
type Tab = (typeof TABS)[number];

/** Steps that say something themselves: calls, and what speaks for them. */
const SPEAKS = new Set([
  'llm',
  'embedding',
  'agent',
  'tool',
  'chain',
  'retriever',
  'reranker',
  'guardrail',
  'evaluator',
  'handoff',
  'prompt',
]);

function tabsOf({ span, took }: Node, detail: SpanDetail | undefined, logged: boolean): Tab[] {
  const messages = detail ? detail.input_messages.length + detail.output_messages.length : 0;
  const talks = span.kind === 'llm' || messages > 0 || (SPEAKS.has(span.kind) && (span.input_preview ?? span.output_preview) !== null);
  const costs = isCall(span) || took.llm_calls > 0;
  return TABS.filter((tab) => (tab !== 'messages' || talks) && (tab !== 'cost' || costs) && (tab !== 'logs' || logged));
}

/** Everything about one span. Its messages and attributes come when it is looked at. */
export const Detail = memo(function Detail({ node, tab, onTab }: { node: Node; tab: string | undefined; onTab: (tab: string) => void }) {
  const t = useT();
  const panel = useId();
  const { project, data, at } = useLooking();
  const { span } = node;
  const query = useQuery({
    ...spanQuery(project.id, data.trace.trace_id, span.span_id, at),
    placeholderData: undefined,
    staleTime: 60_000,
    meta: { live: false },
  });
  const detail = query.data;
  const lines = useLogs().lines.filter((line) => line.span_id === span.span_id);
  const tabs = tabsOf(node, detail, lines.length > 0);
  const fallback: Tab = tabs.includes('messages') ? 'messages' : SPEAKS.has(span.kind) ? 'details' : 'attributes';
  const selected = tabs.find((one) => one === tab) ?? fallback;
  const counts: Partial<Record<Tab, number>> = detail
    ? {
        messages: detail.input_messages.length + detail.output_messages.length,
        logs: lines.length,
        attributes: Object.keys(detail.attributes).length,
      }
    : {};
  const content: Record<Tab, (full: SpanDetail) => ReactNode> = {
    messages: (full) => <MessagesTab detail={full} />,
    cost: (full) => <CostTab detail={full} node={node} />,
    details: (full) => <Details detail={full} node={node} />,
    logs: () => <LogLines lines={lines} />,
    attributes: (full) => <Attributes key={span.span_id} detail={full} />,
    reading: (full) => <ReadingTab detail={full} />,
    raw: (full) => <Raw detail={full} />,
  };
  return (
    <>
      <Head node={node} />
      <Failures node={node} />
      {!span.counted && <NotCounted exclusion={span.exclusion} />}
      {span.also_reported && span.exclusion?.kind !== 'reported_elsewhere' && <AlsoReported other={span.also_reported} />}
      <Tabs<Tab>
        label={t('trace.span')}
        panel={panel}
        selected={selected}
        onSelect={onTab}
        tabs={tabs.map((id) => ({
          id,
          label: (
            <>
              {t(`trace.tab.${id}`)}
              {counts[id] !== undefined && <em>{counts[id]}</em>}
            </>
          ),
        }))}
      />
      <div className="tabp" id={panel} role="tabpanel" aria-label={t(`trace.tab.${selected}`)}>
        {detail && content[selected](detail)}
        {query.isPending && <Skeleton rows={7} height={26} />}
        {query.error && !detail && <ErrorPart error={query.error} onRetry={() => void query.refetch()} />}
      </div>
    </>
  );
});

function Head({ node }: { node: Node }) {
  const t = useT();
  const { span } = node;
  return (
    <div className="dh">
      <div className="dt">
        {span.status === 'error' ? <StatusGlyph status="error" /> : <Glyph kind={span.kind} />}
        <h2 title={span.name}>{span.title || span.name || span.op}</h2>
        {span.op && <Chip>{span.op}</Chip>}
        {span.provider && <Chip>{span.provider}</Chip>}
        {span.status !== 'ok' && <Chip tone={span.status === 'error' ? 'bad' : undefined}>{t(`status.${span.status}`)}</Chip>}
        {span.incomplete && (
          <Chip tone="wrn" title={t('trace.incompleteWhy')}>
            {t('trace.incomplete')}
          </Chip>
        )}
        {span.compared && <PaceChip span={span} compared={span.compared} />}
        <span className="sp" />
        <CopyIcon text={window.location.href} label={t('trace.copySpanLink')} />
      </div>
      <Facts node={node} />
    </div>
  );
}

function Facts({ node }: { node: Node }) {
  const t = useT();
  const { format } = useReader();
  const { span } = node;
  const call = isCall(span);
  const speed = tokensPerSecond(span);
  const { took } = node;
  const usage = usageOf(span);
  const missing = <Unknown />;
  return (
    <div className="facts">
      <Fact label={t('trace.duration')}>
        <Duration ms={span.duration_ms} />
      </Fact>
      <Fact label={t('trace.self')} title={t('trace.selfWhy')}>
        <Duration ms={node.self} />
      </Fact>
      {span.time_to_first_token_ms !== null && (
        <Fact label={t('trace.firstToken')}>
          <Duration ms={span.time_to_first_token_ms} />
        </Fact>
      )}
      {call && !(usage === null && span.status !== 'ok') && (
        <Fact label={usage?.source === 'estimated' ? t('trace.tokensEstimated') : t('trace.tokens')}>
          {usage === null ? (
            missing
          ) : (
            <>
              {usage.input_tokens === null ? missing : format.count(usage.input_tokens)} <i>{t('trace.inputTokensShort')}</i>{' '}
              {usage.output_tokens === null ? missing : format.count(usage.output_tokens)} <i>{t('trace.outputTokensShort')}</i>
            </>
          )}
        </Fact>
      )}
      {call && !(span.cost === null && span.status !== 'ok') && (
        <Fact label={t('trace.cost')}>
          {span.cost?.estimated && <Estimated />}
          {span.cost?.total !== null && span.cost?.total !== undefined ? format.moneyExact(span.cost.total) : missing}
        </Fact>
      )}
      {!call && took.llm_calls > 0 && (
        <>
          <Fact label={t('trace.callsBelow')}>{format.count(took.llm_calls)}</Fact>
          <Fact label={t('trace.tokensBelow')}>
            {format.count(took.input_tokens)} <i>{t('trace.inputTokensShort')}</i> {format.count(took.output_tokens)} <i>{t('trace.outputTokensShort')}</i>
          </Fact>
          <Fact label={t('trace.costBelow')}>
            {took.cost === null ? missing : <span title={format.moneyExact(took.cost)}>{format.money(took.cost)}</span>}
            {took.cost !== null && took.unpriced_calls > 0 && <i>+</i>}
          </Fact>
        </>
      )}
      {speed !== null && span.kind === 'llm' && (
        <Fact label={t('trace.speed')} title={t('trace.speedWhy')}>
          {format.three(speed)} <i>{t('trace.tokensPerSecond')}</i>
        </Fact>
      )}
    </div>
  );
}

function Fact({ label, title, children }: { label: string; title?: string; children: ReactNode }) {
  return (
    <div title={title}>
      <span>{label}</span>
      <b>{children}</b>
    </div>
  );
}
