import { useQuery } from '@tanstack/react-query';
import { memo, useId, type ReactNode } from 'react';
import { spanQuery } from '../../../api/queries';
import { usageOf } from '../../../api/status';
import type { SpanDetail } from '../../../api/types';
import { useT } from '../../../i18n';
import { Glyph, StatusGlyph } from '../../../components/icons';
import { CopyIconButton, ErrorMessage, Skeleton } from '../../../components/states';
import { Tabs } from '../../../components/tabs';
import { Chip, Duration, EstimatedMark, UnknownValue } from '../../../components/values';
import { useLocale } from '../../../locale';
import { useTraceView } from '../context';
import { LogLines } from '../logs';
import { isModelCall, type SpanNode } from '../model/tree';
import { PaceChip, tokensPerSecond } from '../pace';
import { useTraceLogs } from '../use-logs';
import { AttributesTab, RawTab } from './attributes';
import { CostTab } from './cost';
import { DetailsTab } from './details';
import { MappingLink } from './mapping-link';
import { MessagesTab } from './messages';
import { OtherReportNote, SpanFailures, ExcludedNote } from './span-notes';
import { ProvenanceTab } from './provenance';

const DETAIL_TABS = ['messages', 'cost', 'details', 'logs', 'attributes', 'reading', 'raw'] as const;
type DetailTab = (typeof DETAIL_TABS)[number];

/** Steps that say something themselves: calls, and what speaks for them. */
const KINDS_WITH_MESSAGES = new Set([
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

function tabsOf({ span, took }: SpanNode, detail: SpanDetail | undefined, logged: boolean): DetailTab[] {
  const messages = detail ? detail.input_messages.length + detail.output_messages.length : 0;
  const withMessages =
    span.kind === 'llm' || messages > 0 || (KINDS_WITH_MESSAGES.has(span.kind) && (span.input_preview ?? span.output_preview) !== null);
  const costs = isModelCall(span) || took.llm_calls > 0;
  return DETAIL_TABS.filter((tab) => (tab !== 'messages' || withMessages) && (tab !== 'cost' || costs) && (tab !== 'logs' || logged));
}

/** Everything about one span. Its messages and attributes come when it is looked at. */
export const SpanDetailPane = memo(function Detail({
  node,
  tab,
  onTab,
}: {
  node: SpanNode;
  tab: string | undefined;
  onTab: (tab: string) => void;
}) {
  const t = useT();
  const panel = useId();
  const { project, data, at } = useTraceView();
  const { span } = node;
  const query = useQuery({
    ...spanQuery(project.id, data.trace.trace_id, span.span_id, at),
    placeholderData: undefined,
    staleTime: 60_000,
    meta: { live: false },
  });
  const detail = query.data;
  const lines = useTraceLogs().lines.filter((line) => line.span_id === span.span_id);
  const tabs = tabsOf(node, detail, lines.length > 0);
  const fallback: DetailTab = tabs.includes('messages') ? 'messages' : KINDS_WITH_MESSAGES.has(span.kind) ? 'details' : 'attributes';
  const selected = tabs.find((one) => one === tab) ?? fallback;
  const counts: Partial<Record<DetailTab, number>> = detail
    ? {
        messages: detail.input_messages.length + detail.output_messages.length,
        logs: lines.length,
        attributes: Object.keys(detail.attributes).length,
      }
    : {};
  const content: Record<DetailTab, (full: SpanDetail) => ReactNode> = {
    messages: (full) => <MessagesTab detail={full} />,
    cost: (full) => <CostTab detail={full} node={node} />,
    details: (full) => <DetailsTab detail={full} node={node} />,
    logs: () => <LogLines lines={lines} />,
    attributes: (full) => <AttributesTab key={span.span_id} detail={full} />,
    reading: (full) => (
      <>
        <ProvenanceTab detail={full} />
        <MappingLink detail={full} />
      </>
    ),
    raw: (full) => <RawTab detail={full} />,
  };
  return (
    <>
      <SpanHead node={node} />
      <SpanFailures node={node} />
      {!span.counted && <ExcludedNote exclusion={span.exclusion} />}
      {span.also_reported && span.exclusion?.kind !== 'reported_elsewhere' && <OtherReportNote other={span.also_reported} />}
      <Tabs<DetailTab>
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
      <div className="trace-tab-panel" id={panel} role="tabpanel" aria-label={t(`trace.tab.${selected}`)}>
        {detail && content[selected](detail)}
        {query.isPending && <Skeleton rows={7} height={26} />}
        {query.error && !detail && <ErrorMessage error={query.error} onRetry={() => void query.refetch()} />}
      </div>
    </>
  );
});

function SpanHead({ node }: { node: SpanNode }) {
  const t = useT();
  const { span } = node;
  return (
    <div className="trace-detail-head">
      <div className="trace-detail-title">
        {span.status === 'error' ? <StatusGlyph status="error" /> : <Glyph kind={span.kind} />}
        <h2 title={span.name}>{span.title || span.name || span.op}</h2>
        {span.op && <Chip>{span.op}</Chip>}
        {span.provider && <Chip>{span.provider}</Chip>}
        {span.status !== 'ok' && <Chip tone={span.status === 'error' ? 'bad' : undefined}>{t(`status.${span.status}`)}</Chip>}
        {span.incomplete && (
          <Chip tone="warning" title={t('trace.incompleteWhy')}>
            {t('trace.incomplete')}
          </Chip>
        )}
        {span.compared && <PaceChip span={span} compared={span.compared} />}
        <span className="spacer" />
        <CopyIconButton text={window.location.href} label={t('trace.copySpanLink')} />
      </div>
      <SpanFacts node={node} />
    </div>
  );
}

function SpanFacts({ node }: { node: SpanNode }) {
  const t = useT();
  const { format } = useLocale();
  const { span } = node;
  const call = isModelCall(span);
  const speed = tokensPerSecond(span);
  const { took } = node;
  const usage = usageOf(span);
  const missing = <UnknownValue />;
  return (
    <div className="trace-facts">
      <SpanFact label={t('trace.duration')}>
        <Duration ms={span.duration_ms} />
      </SpanFact>
      <SpanFact label={t('trace.self')} title={t('trace.selfWhy')}>
        <Duration ms={node.self} />
      </SpanFact>
      {span.time_to_first_token_ms !== null && (
        <SpanFact label={t('trace.firstToken')}>
          <Duration ms={span.time_to_first_token_ms} />
        </SpanFact>
      )}
      {call && !(usage === null && span.status !== 'ok') && (
        <SpanFact label={usage?.source === 'estimated' ? t('trace.tokensEstimated') : t('trace.tokens')}>
          {usage === null ? (
            missing
          ) : (
            <>
              {usage.input_tokens === null ? missing : format.count(usage.input_tokens)} <i>{t('trace.inputTokensShort')}</i>{' '}
              {usage.output_tokens === null ? missing : format.count(usage.output_tokens)} <i>{t('trace.outputTokensShort')}</i>
            </>
          )}
        </SpanFact>
      )}
      {call && !(span.cost === null && span.status !== 'ok') && (
        <SpanFact label={t('trace.cost')}>
          {span.cost?.estimated && <EstimatedMark />}
          {span.cost?.total !== null && span.cost?.total !== undefined ? format.moneyExact(span.cost.total) : missing}
        </SpanFact>
      )}
      {!call && took.llm_calls > 0 && (
        <>
          <SpanFact label={t('trace.callsBelow')}>{format.count(took.llm_calls)}</SpanFact>
          <SpanFact label={t('trace.tokensBelow')}>
            {format.count(took.input_tokens)} <i>{t('trace.inputTokensShort')}</i> {format.count(took.output_tokens)}{' '}
            <i>{t('trace.outputTokensShort')}</i>
          </SpanFact>
          <SpanFact label={t('trace.costBelow')}>
            {took.cost === null ? missing : <span title={format.moneyExact(took.cost)}>{format.money(took.cost)}</span>}
            {took.cost !== null && took.unpriced_calls > 0 && <i>+</i>}
          </SpanFact>
        </>
      )}
      {speed !== null && span.kind === 'llm' && (
        <SpanFact label={t('trace.speed')} title={t('trace.speedWhy')}>
          {format.threeDigits(speed)} <i>{t('trace.tokensPerSecond')}</i>
        </SpanFact>
      )}
    </div>
  );
}

function SpanFact({ label, title, children }: { label: string; title?: string; children: ReactNode }) {
  return (
    <div title={title}>
      <span>{label}</span>
      <b>{children}</b>
    </div>
  );
}
