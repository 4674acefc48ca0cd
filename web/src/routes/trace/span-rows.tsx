import { memo, useEffect, useMemo, useRef, type KeyboardEvent } from 'react';
import { usageOf } from '../../api/status';
import type { LogLine } from '../../api/types';
import { plain, type Format } from '../../format';
import { useT } from '../../i18n';
import { Glyph, Icon, kindColor, StatusGlyph } from '../../components/icons';
import { Duration, EstimatedMark, NumberWithUnit } from '../../components/values';
import { useIsPhone, useVirtualRows } from '../../components/virtual-rows';
import { useLocale } from '../../locale';
import { useTraceView, useSelectedSpan } from './context';
import { exclusionKey } from './model/exclusion';
import { selfIntervals, type TimeAxis, type Interval } from './model/time';
import { isModelCall, millis, type SpanNode } from './model/tree';
import { linesBySpan, isSevere, useTraceLogs } from './use-logs';

const ROW_HEIGHT = 24;
const PHONE_ROW_HEIGHT = 36;
/** Bar, tools and head of the tree stay in sight. */
const COVERED_HEIGHT = 44 + 44 + 23;
const PHONE_COVERED_HEIGHT = 44 + 84 + 24;
const TAB_BAR_HEIGHT = 54;
/** Deeper than this the indent grows no more: names need their room. */
const MAX_INDENT_DEPTH = 14;

interface SpanRowsProps {
  rows: SpanNode[];
  timeline: boolean;
  folded: ReadonlySet<string>;
  onFold: (node: SpanNode, fold: boolean) => void;
  /** Null without a search. */
  found: ReadonlySet<SpanNode> | null;
  onKey: (event: KeyboardEvent) => void;
  onPick: (node: SpanNode) => void;
}

/** The spans as a tree, or in the order of time, with bars on one axis. Only those in sight exist. */
export function SpanRows({ rows, timeline, folded, onFold, found, onKey, onPick }: SpanRowsProps) {
  const t = useT();
  const { axis, critical, tree } = useTraceView();
  const selected = useSelectedSpan();
  const { format } = useLocale();
  const isPhone = useIsPhone();
  const list = useRef<HTMLDivElement>(null);
  const height = isPhone ? PHONE_ROW_HEIGHT : ROW_HEIGHT;
  const { items, total, top, reveal } = useVirtualRows({
    count: rows.length,
    height,
    list,
    covered: isPhone ? PHONE_COVERED_HEIGHT : COVERED_HEIGHT,
    coveredBelow: isPhone ? TAB_BAR_HEIGHT : 0,
  });

  const { lines } = useTraceLogs();
  const logged = useMemo(() => linesBySpan(lines), [lines]);

  const at = selected ? rows.indexOf(selected) : -1;
  const opened = useRef(false);
  useEffect(() => {
    // A link to a span far down opens with it in the middle; after that the list moves no more than it must.
    if (at >= 0) reveal(at, opened.current ? 'near' : 'middle');
    opened.current = true;
    // Only a new selection moves the list, not rows that arrive.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [selected?.span.span_id, timeline]);

  return (
    <div
      className={timeline ? 'trace-tree trace-timeline' : 'trace-tree'}
      role="treegrid"
      aria-label={t('trace.spans')}
      aria-rowcount={rows.length + 1}
      aria-activedescendant={at >= 0 && selected ? `span-${selected.span.span_id}` : undefined}
      tabIndex={0}
      onKeyDown={onKey}
    >
      <div className="trace-row trace-row-head" role="row">
        <span role="columnheader" className="trace-span-name">
          {t('trace.span')}
        </span>
        <span role="columnheader" className="numeric">
          {t('trace.duration')}
        </span>
        <span role="columnheader" className="numeric trace-cell-self" title={t('trace.selfWhy')}>
          {t('trace.self')}
        </span>
        <span role="columnheader" className="numeric trace-cell-tokens">
          {t('trace.tokens')}
        </span>
        <span role="columnheader" className="numeric trace-cell-cost">
          {t('trace.cost')}
        </span>
        <TimeScale axis={axis} format={format} />
      </div>
      <div ref={list} role="rowgroup" style={{ height: total, position: 'relative' }}>
        {axis.folds.map((fold) => (
          <IdleGap key={fold.from} at={fold.at} width={fold.width} />
        ))}
        {items.map(({ index, start }) => {
          const node = rows[index];
          if (!node) return null;
          return (
            <SpanRow
              key={node.span.span_id}
              node={node}
              index={index}
              offset={start - top}
              height={height}
              timeline={timeline}
              axis={axis}
              path={critical.get(node)}
              chosen={node === selected}
              folded={folded.has(node.span.span_id)}
              found={found === null ? null : found.has(node)}
              heaviest={tree.nodes.length > 1 && node.self > 0.5 * tree.length}
              lines={logged.get(node.span.span_id)}
              origin={tree.origin}
              onFold={onFold}
              onPick={onPick}
            />
          );
        })}
      </div>
    </div>
  );
}

function TimeScale({ axis, format }: { axis: TimeAxis; format: Format }) {
  const t = useT();
  const inSeconds = axis.step >= 1000;
  const minutes = axis.step >= 60_000;
  const unit = minutes ? 'm' : inSeconds ? 's' : 'ms';
  const scale = minutes ? 60_000 : inSeconds ? 1000 : 1;
  const half = axis.step >= 100 && axis.step < 1000 && axis.ticks.some(({ time }) => time >= 1000);
  const write = (time: number) =>
    time === 0
      ? '0'
      : half
        ? format.fixed(time / 1000, axis.step % 1000 === 0 ? 0 : 1)
        : format.fixed(time / scale, axis.step >= scale ? 0 : Math.ceil(-Math.log10(axis.step / scale)));
  return (
    <span role="columnheader" className="trace-waterfall trace-time-axis" aria-label={t('trace.when')}>
      {axis.ticks.map(({ at, time }, index) => (
        <span key={time} style={{ left: `${at * 100}%` }} className={at > 0.9 ? 'trace-tick-last' : undefined}>
          {write(time)}
          {index === axis.ticks.length - 1 && <span className="unit">{half ? 's' : unit}</span>}
        </span>
      ))}
      {axis.folds.map((fold) => (
        <span key={fold.from} className="trace-idle-label" style={{ left: `${(fold.at + fold.width / 2) * 100}%` }}>
          {t('trace.idle', { time: plain(format.duration(fold.to - fold.from)) })}
        </span>
      ))}
    </span>
  );
}

/** A gap runs through all rows, in the column of the bars. */
function IdleGap({ at, width }: { at: number; width: number }) {
  return (
    <div className="trace-row trace-idle-row" aria-hidden="true">
      <span className="trace-waterfall">
        <i style={{ left: `${at * 100}%`, width: `${width * 100}%` }} />
      </span>
    </div>
  );
}

interface SpanRowProps {
  node: SpanNode;
  index: number;
  offset: number;
  height: number;
  timeline: boolean;
  axis: TimeAxis;
  path: Interval[] | undefined;
  chosen: boolean;
  folded: boolean;
  found: boolean | null;
  heaviest: boolean;
  lines: LogLine[] | undefined;
  origin: number;
  onFold: (node: SpanNode, fold: boolean) => void;
  onPick: (node: SpanNode) => void;
}

const SpanRow = memo(function Row(props: SpanRowProps) {
  const { node, index, offset, height, timeline, axis, path, chosen, folded, found, heaviest, lines, origin, onFold, onPick } = props;
  const t = useT();
  const { span } = node;
  const bad = span.status === 'error';
  const folds = !timeline && node.children.length > 0;
  const classes = [
    'trace-row',
    chosen && 'is-selected',
    bad && 'is-failed',
    found === false && 'is-faded',
    found && 'is-found',
    heaviest && 'is-heaviest',
  ];
  return (
    // The keys are the grid's: it holds the focus, and names the active row.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
    <div
      id={`span-${span.span_id}`}
      role="row"
      aria-rowindex={index + 2}
      aria-level={timeline ? undefined : node.depth + 1}
      aria-expanded={folds ? !folded : undefined}
      aria-selected={chosen}
      className={classes.filter(Boolean).join(' ')}
      style={{
        transform: `translateY(${offset}px)`,
        height,
        '--d': timeline ? 0 : Math.min(MAX_INDENT_DEPTH, node.depth),
        '--c': bad ? 'var(--error)' : kindColor(span.kind),
      }}
      tabIndex={-1}
      onClick={() => onPick(node)}
    >
      <span className="trace-span-name" role="gridcell">
        <i className="trace-row-guide" />
        {folds ? (
          <button
            type="button"
            className="trace-fold-button"
            tabIndex={-1}
            aria-label={t(folded ? 'trace.unfold' : 'trace.fold')}
            onClick={(event) => {
              event.stopPropagation();
              onFold(node, !folded);
            }}
          >
            <Icon name={folded ? 'right' : 'down'} size="tiny" />
          </button>
        ) : (
          <span className="trace-fold-button" />
        )}
        {bad ? <StatusGlyph status="error" /> : <Glyph kind={span.kind} />}
        <b className="ellipsis" title={span.name || spanLabel(node)}>
          {spanLabel(node)}
        </b>
        <SpanNotes node={node} folded={folded && folds} />
      </span>
      <span className="numeric" role="gridcell">
        <Duration ms={span.duration_ms} />
      </span>
      <span className="numeric trace-cell-self text-medium" role="gridcell">
        <Duration ms={node.self} />
      </span>
      <TokensAndCostCells node={node} />
      <SpanBar node={node} axis={axis} path={path} lines={lines} origin={origin} />
    </div>
  );
});

/** A tool is called by its name, which its glyph says is a tool. */
function spanLabel({ span }: SpanNode): string {
  if (span.kind === 'tool' && span.tool && span.name.includes(span.tool)) return span.tool;
  return span.title || span.name || span.op || span.span_id;
}

/** What sets a span apart from others of its name, in a word. */
function SpanNotes({ node, folded }: { node: SpanNode; folded: boolean }) {
  const t = useT();
  const { span, errors } = node;
  const [error] = errors;
  return (
    <>
      {folded && <em>{t('trace.hiddenCount', { n: node.below })}</em>}
      {span.status === 'error' && (
        <em className="text-error" title={error ? `${error.type}: ${error.value}` : (span.status_detail ?? undefined)}>
          {/* The glyph has its word beside it. */}
          {error ? error.type : (span.status_detail ?? t('status.error'))}
        </em>
      )}
      {span.status !== 'error' && error && (
        <em className="text-error" title={`${error.type}: ${error.value}`}>
          <StatusGlyph status="error" />
          {error.type}
        </em>
      )}
      {span.status === 'cancelled' && <em>{t('status.cancelled')}</em>}
      {!span.counted && isModelCall(span) && <em title={t(exclusionKey(span.exclusion))}>{t('traces.notCounted')}</em>}
      {span.incomplete && <em title={t('trace.incompleteWhy')}>{t('trace.incomplete')}</em>}
      {node.orphan && <em title={t('trace.orphanWhy')}>{t('trace.orphan')}</em>}
      {span.op && span.op !== span.name && (
        <span className="trace-span-operation ellipsis" title={span.op}>
          {span.op}
        </span>
      )}
    </>
  );
}

/** Tokens and cost: of a call its own, in ink; of what stands above calls their sums, paler: only ink adds up. */
function TokensAndCostCells({ node }: { node: SpanNode }) {
  const t = useT();
  const { format } = useLocale();
  const { span } = node;
  const call = isModelCall(span);
  const own = call && span.counted;
  const { took } = node;
  const usage = usageOf(span);
  const tokens = call ? (usage?.total_tokens ?? null) : took.llm_calls > 0 ? took.input_tokens + took.output_tokens : null;
  const cost = call ? (span.cost?.total ?? null) : took.llm_calls > 0 ? took.cost : null;
  const estimated = call ? (usage?.source === 'estimated' ? 1 : 0) : took.estimated_calls;
  const unknown = (call && span.status === 'ok') || (!call && took.unpriced_calls > 0);
  const tone = own ? '' : ' text-dim';
  const title = own ? undefined : call ? t('trace.excludedFromTotals') : t('trace.sumOf', { n: took.llm_calls });
  const word = (
    <span className="unknown-value" title={t('common.unknown')}>
      ?
    </span>
  );
  return (
    <>
      <span
        className={`numeric trace-cell-tokens${tone}`}
        role="gridcell"
        title={tokens === null ? title : [format.count(tokens), title].filter(Boolean).join(', ')}
      >
        {tokens !== null && estimated > 0 && <EstimatedMark calls={estimated} />}
        {tokens !== null ? <NumberWithUnit v={format.tokensCell(tokens)} /> : call && span.status === 'ok' ? word : ''}
      </span>
      <span
        className={`numeric trace-cell-cost${tone}`}
        role="gridcell"
        title={cost === null ? title : [format.moneyExact(cost), title].filter(Boolean).join(', ')}
      >
        {cost !== null && estimated > 0 && <EstimatedMark calls={estimated} />}
        {cost !== null ? format.money(cost) : unknown ? word : ''}
        {cost !== null && !call && took.unpriced_calls > 0 && <span className="unit">+</span>}
      </span>
    </>
  );
}

/** Own stretches closer than this part of the axis are drawn as one. */
const MIN_VISIBLE_GAP = 0.002;

/** Solid is own time, pale is waiting for children; the rule below is the critical path. */
interface SpanBarProps {
  node: SpanNode;
  axis: TimeAxis;
  path: Interval[] | undefined;
  lines: LogLine[] | undefined;
  origin: number;
}

const SpanBar = memo(function Bar({ node, axis, path, lines, origin }: SpanBarProps) {
  const place = (time: number) => axis.place(time) * 100;
  const box = ([from, to]: Interval) => ({
    left: `${place(from).toFixed(3)}%`,
    width: `${Math.max(0, place(to) - place(from)).toFixed(3)}%`,
  });
  const own = useMemo(() => joinNearIntervals(selfIntervals(node), axis), [node, axis]);
  // A rule shorter than a dot says nothing.
  const critical = useMemo(
    () =>
      joinNearIntervals(
        (path ?? []).toSorted((a, b) => a[0] - b[0]),
        axis,
      ).filter(([from, to]) => axis.place(to) - axis.place(from) > 2 * MIN_VISIBLE_GAP),
    [path, axis],
  );
  return (
    <span className="trace-waterfall" role="gridcell">
      <i className="trace-bar-whole" style={box([node.start, node.end])} />
      {own.map((interval) => (
        <b key={interval[0]} style={box(interval)} />
      ))}
      {critical.map((interval) => (
        <u key={interval[0]} style={box(interval)} />
      ))}
      {logMarks(lines, axis, origin).map(({ at, severe }) => (
        <s key={at} className={severe ? 'is-severe' : undefined} style={{ left: `${at.toFixed(3)}%` }} />
      ))}
    </span>
  );
});

/** Where lines were logged, in per cent of the axis; those closer than a dot are one, grave if any is. */
function logMarks(lines: LogLine[] | undefined, axis: TimeAxis, origin: number): { at: number; severe: boolean }[] {
  const marks: { at: number; severe: boolean }[] = [];
  for (const line of lines ?? []) {
    const at = Math.max(0, Math.min(100, axis.place(millis(line.time) - origin) * 100));
    const last = marks[marks.length - 1];
    if (last && at - last.at < MIN_VISIBLE_GAP * 100) last.severe ||= isSevere(line);
    else marks.push({ at, severe: isSevere(line) });
  }
  return marks;
}

function joinNearIntervals(intervals: Interval[], axis: TimeAxis): Interval[] {
  const found: Interval[] = [];
  for (const [from, to] of intervals) {
    const last = found[found.length - 1];
    if (last && axis.place(from) - axis.place(last[1]) < MIN_VISIBLE_GAP) last[1] = Math.max(last[1], to);
    else found.push([from, to]);
  }
  return found;
}
