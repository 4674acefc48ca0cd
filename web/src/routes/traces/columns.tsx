import { Link } from '@tanstack/react-router';
import type { ComponentType } from 'react';
import { usageOf } from '../../api/status';
import { pipelineOf, traceName } from '../../api/trace-name';
import type { Span, TraceSummary } from '../../api/types';
import type { Palette } from '../../colors';
import { FindingsChip } from '../../components/findings';
import { Glyph, Icon, StatusGlyph } from '../../components/icons';
import { EstimatedMark, NumberWithUnit, UnknownValue } from '../../components/values';
import { useT, type T } from '../../i18n';
import { useLocale } from '../../locale';
import { exclusionKey } from '../trace/model/exclusion';
import { Cell, CostValue, DurationBar, ModelChip, PromptAndAnswer, TimeValue, type CellAttributes } from './cells';
import type { RowKind } from './list-pages';
import type { targetOf } from './row-link';

export interface CellProps<Row> {
  /** For the element that has the role of a cell. */
  cell: CellAttributes;
  row: Row;
  link: ReturnType<typeof targetOf> & { onClick: () => void };
  palette: Palette;
}

/** A track of the grid, for both lists or for each; null leaves the column out. */
type Track = string | Record<RowKind, string> | null;

/** Widths of the list, in pixels, from which on there is less room. traces.css has a container query for each. */
export const WIDTH_STEPS = [1120, 1040, 960] as const;

/** A column of the list of traces and of the list of spans: all that there is to say of it. */
export interface TraceListColumn {
  key: string;
  head: (t: T, kind: RowKind) => string;
  /** Whether its head is said to screen readers alone. */
  headHidden?: boolean;
  /** Right-aligned, as figures are. */
  num?: boolean;
  sort?: string;
  /** `wide` up to the first step that says otherwise. */
  width: { wide: Track } & Partial<Record<(typeof WIDTH_STEPS)[number], Track>>;
  /** On a phone a row is a card of two lines: the place of the cell in its grid, and whether the head stands above the cards. */
  card: { area: string | null; head: boolean };
  TraceCell: ComponentType<CellProps<TraceSummary>>;
  SpanCell: ComponentType<CellProps<Span>>;
}

const isCall = (span: Span) => span.kind === 'llm' || span.kind === 'embedding';
const hasFailedWithoutUsage = (span: Span) => span.status === 'error' && usageOf(span) === null;
/** Of what stands above calls the sum, paler: only ink adds up. */
const sumBelow = (span: Span) => (!isCall(span) && span.subtree !== null && span.subtree.llm_calls > 0 ? span.subtree : null);

/** What failed, in a word. */
function failureText(t: T, trace: TraceSummary): string | null {
  if (trace.status !== 'error') return null;
  if (trace.error_count > 0) return t('traces.errors', { n: trace.error_count });
  if (trace.failed_llm_calls > 0) return t('traces.failedCalls', { n: trace.failed_llm_calls });
  return t('status.error');
}

export const TRACE_LIST_COLUMNS: TraceListColumn[] = [
  {
    key: 'status',
    head: (t) => t('traces.status'),
    headHidden: true,
    width: { wide: '14px' },
    card: { area: '1 / 1', head: false },
    TraceCell: ({ cell, row }) => (
      <Cell {...cell}>
        <StatusGlyph status={row.status} />
      </Cell>
    ),
    SpanCell: ({ cell, row }) => (
      <Cell {...cell}>
        <StatusGlyph status={row.status} />
      </Cell>
    ),
  },
  {
    key: 'time',
    head: (t) => t('traces.time'),
    sort: 'start_time',
    width: { wide: 'var(--time-width)' },
    card: { area: '1 / 3', head: true },
    TraceCell: ({ cell, row }) => (
      <Cell {...cell}>
        <TimeValue at={row.start_time} />
      </Cell>
    ),
    SpanCell: ({ cell, row }) => (
      <Cell {...cell}>
        <TimeValue at={row.start_time} />
      </Cell>
    ),
  },
  {
    key: 'name',
    head: (t, kind) => t(kind === 'traces' ? 'traces.trace' : 'traces.span'),
    width: {
      wide: { traces: 'minmax(118px, 0.7fr)', spans: 'minmax(150px, 0.5fr)' },
      1120: 'minmax(118px, 0.4fr)',
      1040: 'minmax(110px, 0.4fr)',
    },
    card: { area: '1 / 2', head: false },
    TraceCell: function TraceName({ cell, row, link }) {
      const t = useT();
      const name = traceName(row);
      const pipeline = pipelineOf(row);
      return (
        <Cell {...cell} modifier="ellipsis">
          <Link {...link} title={[name, pipeline && `${t('traces.pipeline')} ${pipeline}`, row.op, row.error_preview].filter(Boolean).join(' · ')}>
            <b>{name}</b>
            {pipeline && (
              <span className="chip">
                <span className="visually-hidden">{t('traces.pipeline')}</span>
                <Icon name="chain" size="tiny" />
                <span className="ellipsis">{pipeline}</span>
              </span>
            )}
          </Link>
        </Cell>
      );
    },
    SpanCell: ({ cell, row, link }) => (
      <Cell {...cell} modifier="ellipsis">
        <Link {...link} title={`${row.name} · ${row.op}`}>
          <Glyph kind={row.kind} />
          <b className="ellipsis">{row.title || row.name || row.op}</b>
        </Link>
      </Cell>
    ),
  },
  {
    key: 'model',
    head: (t, kind) => t(kind === 'traces' ? 'traces.models' : 'traces.model'),
    width: { wide: '142px', 1040: '134px', 960: null },
    card: { area: null, head: false },
    TraceCell: ({ cell, row, palette }) => (
      <Cell {...cell}>
        <ModelChip models={row.models} unpriced={row.unpriced_calls > 0 && row.cost === null} colorOf={palette.among(row.models)} />
      </Cell>
    ),
    SpanCell: ({ cell, row, palette }) => (
      <Cell {...cell}>
        <ModelChip
          models={row.model ? [row.model] : []}
          unpriced={isCall(row) && usageOf(row) !== null && row.cost === null}
          colorOf={palette.of}
        />
      </Cell>
    ),
  },
  {
    key: 'prompt',
    head: (t) => t('traces.promptAndAnswer'),
    width: { wide: 'minmax(200px, 1fr)', 1120: 'minmax(170px, 1fr)', 1040: 'minmax(150px, 1fr)', 960: 'minmax(0, 1fr)' },
    card: { area: '2 / 2 / 3 / 4', head: false },
    TraceCell: function TracePrompt({ cell, row }) {
      const t = useT();
      const failed = failureText(t, row);
      return (
        <Cell {...cell}>
          <PromptAndAnswer
            input={row.input_preview}
            missing={t(row.llm_calls > 0 ? 'traces.noPrompt' : 'traces.noCall')}
            output={row.status === 'cancelled' ? t('traces.cancelled') : failed ? null : row.output_preview}
            failed={failed}
            reason={row.error_preview}
          />
          <FindingsChip findings={row.findings} />
        </Cell>
      );
    },
    SpanCell: function SpanPrompt({ cell, row }) {
      const t = useT();
      const failed = row.status === 'error';
      return (
        <Cell {...cell}>
          <PromptAndAnswer
            input={row.input_preview ?? (isCall(row) ? null : row.op)}
            missing={t('traces.noPrompt')}
            output={failed ? null : row.output_preview}
            failed={failed ? t('status.error') : null}
            reason={row.error_preview}
          />
        </Cell>
      );
    },
  },
  {
    key: 'notes',
    head: (t) => t('traces.notes'),
    headHidden: true,
    width: { wide: 'auto' },
    card: { area: '2 / 4 / 3 / 6', head: true },
    TraceCell: function TraceNotes({ cell, row }) {
      const t = useT();
      const { status } = row;
      return (
        <Cell {...cell}>
          {status === 'ok' && row.error_count > 0 && <span className="chip chip-bad">{t('traces.errors', { n: row.error_count })}</span>}
          {row.retries > 0 && (
            <span className="chip" title={t('traces.retriesWhy')}>
              {t('traces.retries', { n: row.retries })}
            </span>
          )}
          {status === 'ok' && row.failed_llm_calls > row.retries && (
            <span className="chip">{t('traces.failedCalls', { n: row.failed_llm_calls - row.retries })}</span>
          )}
        </Cell>
      );
    },
    SpanCell: function SpanNotes({ cell, row }) {
      const t = useT();
      return (
        <Cell {...cell}>
          {!row.counted && isCall(row) && (
            <span className="chip" title={t(exclusionKey(row.exclusion))}>
              {t('traces.notCounted')}
            </span>
          )}
        </Cell>
      );
    },
  },
  {
    key: 'tokens',
    head: (t) => t('traces.tokens'),
    num: true,
    sort: 'total_tokens',
    width: { wide: '62px', 1040: '60px' },
    card: { area: null, head: true },
    TraceCell: function TraceTokens({ cell, row }) {
      const t = useT();
      const { format } = useLocale();
      const isKnown = row.llm_calls === 0 || row.calls_without_usage < row.llm_calls - row.failed_llm_calls || row.total_tokens > 0;
      const parts = t('traces.inOut', { in: format.count(row.input_tokens), out: format.count(row.output_tokens) });
      const missing = row.calls_without_usage > 0 ? `, ${t('traces.noUsage', { n: row.calls_without_usage })}` : '';
      return (
        <Cell {...cell}>
          {row.llm_calls === 0 ? (
            <span className="text-dim">–</span>
          ) : !isKnown ? (
            <UnknownValue />
          ) : (
            <span title={`${parts}${missing}`}>
              {row.estimated_calls > 0 && <EstimatedMark calls={row.estimated_calls} />}
              <NumberWithUnit v={format.tokensCell(row.total_tokens)} />
              {row.calls_without_usage > 0 && <span className="unit">+</span>}
            </span>
          )}
        </Cell>
      );
    },
    SpanCell: function SpanTokens({ cell, row }) {
      const t = useT();
      const { format } = useLocale();
      const below = sumBelow(row);
      if (below) {
        return (
          <Cell {...cell} modifier="text-dim" title={t('trace.sumOf', { n: below.llm_calls })}>
            <NumberWithUnit v={format.tokensCell(below.input_tokens + below.output_tokens)} />
          </Cell>
        );
      }
      const usage = usageOf(row);
      const tokens = usage?.total_tokens ?? null;
      return (
        <Cell {...cell}>
          {!isCall(row) || hasFailedWithoutUsage(row) ? (
            <span className="text-dim">–</span>
          ) : tokens === null ? (
            <UnknownValue />
          ) : (
            <>
              {usage?.source === 'estimated' && <EstimatedMark />}
              <NumberWithUnit v={format.tokensCell(tokens)} />
            </>
          )}
        </Cell>
      );
    },
  },
  {
    key: 'cost',
    head: (t) => t('traces.cost'),
    num: true,
    sort: 'cost',
    width: { wide: '84px', 1040: '82px' },
    card: { area: '1 / 5', head: true },
    TraceCell: ({ cell, row }) => (
      <Cell {...cell}>
        <CostValue cost={row.cost} calls={row.llm_calls} missing={row.unpriced_calls} estimated={row.estimated_calls} />
      </Cell>
    ),
    SpanCell: ({ cell, row }) => {
      const below = sumBelow(row);
      return below ? (
        <Cell {...cell} modifier="text-dim">
          <CostValue cost={below.cost} calls={below.llm_calls} missing={below.unpriced_calls} estimated={below.estimated_calls} />
        </Cell>
      ) : (
        <Cell {...cell}>
          <CostValue
            cost={row.cost?.total ?? null}
            calls={isCall(row) && !hasFailedWithoutUsage(row) ? 1 : 0}
            missing={0}
            estimated={usageOf(row)?.source === 'estimated' ? 1 : 0}
          />
        </Cell>
      );
    },
  },
  {
    key: 'duration',
    head: (t) => t('traces.duration'),
    sort: 'duration_ms',
    width: { wide: '98px', 1120: '58px' },
    card: { area: '1 / 4', head: true },
    TraceCell: ({ cell, row }) => (
      <Cell {...cell}>
        <DurationBar ms={row.duration_ms} failed={row.status === 'error'} />
      </Cell>
    ),
    SpanCell: ({ cell, row }) => (
      <Cell {...cell}>
        <DurationBar ms={row.duration_ms} failed={row.status === 'error'} />
      </Cell>
    ),
  },
  {
    key: 'user',
    head: (t) => t('traces.user'),
    width: { wide: '56px', 1040: null },
    card: { area: null, head: false },
    TraceCell: ({ cell, row }) => (
      <Cell {...cell} modifier="text-dim ellipsis" title={row.user_id ?? undefined}>
        {row.user_id ?? '–'}
      </Cell>
    ),
    SpanCell: ({ cell, row }) => (
      <Cell {...cell} modifier="text-dim ellipsis" title={row.user_id ?? undefined}>
        {row.user_id ?? '–'}
      </Cell>
    ),
  },
];

/** The track of a column where the list is as wide as a step says; null where it is left out. */
function trackAt({ width }: TraceListColumn, step: number, kind: RowKind): string | null {
  let track: Track = width.wide;
  for (const at of WIDTH_STEPS) {
    const given = width[at];
    if (at >= step && given !== undefined) track = given;
  }
  return track === null || typeof track === 'string' ? track : track[kind];
}

/** The first step at which the column is left out. */
export const hiddenFrom = (column: TraceListColumn) => WIDTH_STEPS.find((step) => trackAt(column, step, 'traces') === null);

/** `grid-template-columns` for each width of the list, as variables that traces.css picks from. */
export function gridVariables(kind: RowKind): Record<`--traces-columns-${string}`, string> {
  const template = (step: number) => TRACE_LIST_COLUMNS.flatMap((column) => trackAt(column, step, kind) ?? []).join(' ');
  return Object.fromEntries([
    ['--traces-columns-wide', template(Infinity)],
    ...WIDTH_STEPS.map((step) => [`--traces-columns-${step}`, template(step)]),
  ]);
}
