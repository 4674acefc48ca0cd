import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { usageOf } from '../../api/status';
import { pipelineOf, traceName } from '../../api/trace-name';
import type { Span, TraceSummary } from '../../api/types';
import type { Palette } from '../../colors';
import { useT, type T } from '../../i18n';
import { Glyph, Icon, StatusGlyph } from '../../components/icons';
import { EstimatedMark, NumberWithUnit, UnknownValue } from '../../components/values';
import { useLocale } from '../../locale';
import { exclusionKey } from '../trace/model/exclusion';
import { Cell, DurationBar, ModelChip, CostValue, PromptAndAnswer } from './cells';
import type { ListRow } from './list-pages';

/** What a row leads to, with what the list was narrowed to, so that its neighbours can be found. */
export function targetOf(project: number, row: ListRow, q: string | undefined, sort: string | undefined) {
  const traceId = row.of === 'traces' ? row.trace.trace_id : row.span.trace_id;
  return {
    to: '/p/$project/traces/$trace' as const,
    params: { project: String(project), trace: traceId },
    search: {
      span: row.of === 'spans' ? row.span.span_id : undefined,
      at: row.of === 'traces' ? row.trace.start_time : row.span.start_time,
      q,
      sort,
    },
  };
}

/** What failed, in a word. */
function failureText(t: T, trace: TraceSummary): string | null {
  if (trace.status !== 'error') return null;
  if (trace.error_count > 0) return t('traces.errors', { n: trace.error_count });
  if (trace.failed_llm_calls > 0) return t('traces.failedCalls', { n: trace.failed_llm_calls });
  return t('status.error');
}

interface CellsProps<Of> {
  row: Of;
  link: ReturnType<typeof targetOf> & { onClick: () => void };
  palette: Palette;
  children?: ReactNode;
}

function TimeCell({ at }: { at: string }) {
  const { format } = useLocale();
  return (
    <Cell className="tm">
      <time dateTime={at} title={`${format.exact(at)} ${format.zone}`}>
        {format.moment(at)}
      </time>
    </Cell>
  );
}

export function TraceCells({ row: trace, link, palette }: CellsProps<TraceSummary>) {
  const t = useT();
  const { format } = useLocale();
  const { status } = trace;
  const name = traceName(trace);
  const pipeline = pipelineOf(trace);
  const failed = failureText(t, trace);
  const tokensKnown =
    trace.llm_calls === 0 || trace.calls_without_usage < trace.llm_calls - trace.failed_llm_calls || trace.total_tokens > 0;
  const quiet = status === 'ok' && trace.error_count > 0;
  return (
    <>
      <Cell>
        <StatusGlyph status={status} />
      </Cell>
      <TimeCell at={trace.start_time} />
      <span role="cell" className="nm2 ell">
        <Link {...link} title={[name, pipeline && `${t('traces.pipeline')} ${pipeline}`, trace.op].filter(Boolean).join(' · ')}>
          <b>{name}</b>
          {pipeline && (
            <span className="chip">
              <span className="vh">{t('traces.pipeline')}</span>
              <Icon name="chain" size="xs" />
              <span className="ell">{pipeline}</span>
            </span>
          )}
        </Link>
      </span>
      <ModelChip models={trace.models} unpriced={trace.unpriced_calls > 0 && trace.cost === null} colorOf={palette.among(trace.models)} />
      <PromptAndAnswer
        input={trace.input_preview}
        missing={t(trace.llm_calls > 0 ? 'traces.noPrompt' : 'traces.noCall')}
        output={status === 'cancelled' ? t('traces.cancelled') : failed ? null : trace.output_preview}
        failed={failed}
        reason={trace.error_preview}
      />
      <Cell className="ex">
        {quiet && <span className="chip bad">{t('traces.errors', { n: trace.error_count })}</span>}
        {trace.retries > 0 && (
          <span className="chip" title={t('traces.retriesWhy')}>
            {t('traces.retries', { n: trace.retries })}
          </span>
        )}
        {status === 'ok' && trace.failed_llm_calls > trace.retries && (
          <span className="chip">{t('traces.failedCalls', { n: trace.failed_llm_calls - trace.retries })}</span>
        )}
      </Cell>
      <Cell className="n tk">
        {trace.llm_calls === 0 ? (
          <span className="dim">–</span>
        ) : !tokensKnown ? (
          <UnknownValue />
        ) : (
          <span
            title={`${t('traces.inOut', { in: format.count(trace.input_tokens), out: format.count(trace.output_tokens) })}${trace.calls_without_usage > 0 ? `, ${t('traces.noUsage', { n: trace.calls_without_usage })}` : ''}`}
          >
            {trace.estimated_calls > 0 && <EstimatedMark calls={trace.estimated_calls} />}
            <NumberWithUnit v={format.tokensCell(trace.total_tokens)} />
            {trace.calls_without_usage > 0 && <span className="u">+</span>}
          </span>
        )}
      </Cell>
      <Cell className="n cs">
        <CostValue cost={trace.cost} calls={trace.llm_calls} missing={trace.unpriced_calls} estimated={trace.estimated_calls} />
      </Cell>
      <DurationBar ms={trace.duration_ms} failed={status === 'error'} />
      <Cell className="dim ell us" title={trace.user_id ?? undefined}>
        {trace.user_id ?? '–'}
      </Cell>
    </>
  );
}

export function SpanCells({ row: span, link, palette }: CellsProps<Span>) {
  const t = useT();
  const { format } = useLocale();
  const call = span.kind === 'llm' || span.kind === 'embedding';
  const usage = usageOf(span);
  const { subtree } = span;
  const below = !call && subtree !== null && subtree.llm_calls > 0 ? subtree : null;
  const tokens = usage?.total_tokens ?? null;
  const failed = span.status === 'error';
  return (
    <>
      <Cell>
        <StatusGlyph status={span.status} />
      </Cell>
      <TimeCell at={span.start_time} />
      <span role="cell" className="nm2 ell">
        <Link {...link} title={`${span.name} · ${span.op}`}>
          <Glyph kind={span.kind} />
          <b className="ell">{span.title || span.name || span.op}</b>
        </Link>
      </span>
      <ModelChip models={span.model ? [span.model] : []} unpriced={call && usage !== null && span.cost === null} colorOf={palette.of} />
      <PromptAndAnswer
        input={span.input_preview ?? (call ? null : span.op)}
        missing={t('traces.noPrompt')}
        output={failed ? null : span.output_preview}
        failed={failed ? t('status.error') : null}
        reason={span.error_preview}
      />
      <Cell className="ex">
        {!span.counted && call && (
          <span className="chip" title={t(exclusionKey(span.exclusion))}>
            {t('traces.notCounted')}
          </span>
        )}
      </Cell>
      {/* Of what stands above calls the sum, paler: only ink adds up. */}
      <Cell className={below ? 'n tk dim' : 'n tk'} title={below ? t('trace.sumOf', { n: below.llm_calls }) : undefined}>
        {below ? (
          <NumberWithUnit v={format.tokensCell(below.input_tokens + below.output_tokens)} />
        ) : !call || (failed && usage === null) ? (
          <span className="dim">–</span>
        ) : tokens === null ? (
          <UnknownValue />
        ) : (
          <>
            {usage?.source === 'estimated' && <EstimatedMark />}
            <NumberWithUnit v={format.tokensCell(tokens)} />
          </>
        )}
      </Cell>
      <Cell className={below ? 'n cs dim' : 'n cs'}>
        {below ? (
          <CostValue cost={below.cost} calls={below.llm_calls} missing={below.unpriced_calls} estimated={below.estimated_calls} />
        ) : (
          <CostValue
            cost={span.cost?.total ?? null}
            calls={call && !(failed && usage === null) ? 1 : 0}
            missing={0}
            estimated={usage?.source === 'estimated' ? 1 : 0}
          />
        )}
      </Cell>
      <DurationBar ms={span.duration_ms} failed={failed} />
      <Cell className="dim ell us" title={span.user_id ?? undefined}>
        {span.user_id ?? '–'}
      </Cell>
    </>
  );
}
