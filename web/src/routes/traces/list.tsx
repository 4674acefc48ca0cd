import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { HeadLabel, sortDirection } from '../../components/table';
import { useModelColors } from '../../model-colors';
import { useMediaQuery, useIsPhone, useVirtualRows } from '../../components/virtual-rows';
import { useLocale } from '../../locale';
import type { CellAttributes } from './cells';
import { gridVariables, hiddenFrom, TRACE_LIST_COLUMNS, type TraceListColumn } from './columns';
import type { RowKind, ListRow } from './list-pages';
import { targetOf } from './row-link';
import './list.css';

/** Fixed heights, so that a list of any length knows its own. */
const ROW_HEIGHT = 32;
const CARD_HEIGHT = 56;
/** The bar and the head of the list stay in sight. */
const COVERED_HEIGHT = 44 + 26;
const TAB_BAR_HEIGHT = 54;
/** So many rows before the end the next page is asked for. */
const PRELOAD_ROWS = 25;

interface TraceListProps {
  project: number;
  of: RowKind;
  rows: ListRow[];
  q: string | undefined;
  sort: string;
  sortShown: string | undefined;
  onSort: (sort: string) => void;
  stale: boolean;
  more: boolean;
  onMore: () => void;
  /** Told whenever the pointer comes to the rows or leaves them. */
  onHoverChange: (here: boolean) => void;
  arrivals: ReactNode;
}

// The row that was opened last: coming back to the list finds it.
let lastOpenedId: string | null = null;
const rememberOpened = (id: string) => {
  lastOpenedId = id;
};

export function TraceList({
  project,
  of,
  rows,
  q,
  sort,
  sortShown,
  onSort,
  stale,
  more,
  onMore,
  onHoverChange: onPoint,
  arrivals,
}: TraceListProps) {
  const t = useT();
  const { format } = useLocale();
  const navigate = useNavigate();
  const palette = useModelColors(project);
  const isPhone = useIsPhone();
  const isTouch = useMediaQuery('(pointer: coarse)');
  const list = useRef<HTMLDivElement>(null);
  const height = isPhone ? CARD_HEIGHT : ROW_HEIGHT;
  const { items, total, top, reveal } = useVirtualRows({
    count: rows.length,
    height,
    list,
    covered: COVERED_HEIGHT,
    coveredBelow: isPhone ? TAB_BAR_HEIGHT : 0,
  });
  const [cursorId, setCursorId] = useState(lastOpenedId);
  const cursor = cursorId === null ? -1 : rows.findIndex(({ id }) => id === cursorId);

  const last = items[items.length - 1]?.index ?? 0;
  useEffect(() => {
    if (more && last >= rows.length - PRELOAD_ROWS) onMore();
  }, [more, last, rows.length, onMore]);

  const columns = TRACE_LIST_COLUMNS.filter(({ card }) => !isPhone || card.area !== null);
  const open = (row: ListRow) => {
    rememberOpened(row.id);
    void navigate(targetOf(project, row, q, sortShown));
  };
  const move = (step: number) => {
    const first = items.find(({ start }) => start >= window.scrollY + COVERED_HEIGHT - 1)?.index ?? 0;
    const next = Math.max(0, Math.min(rows.length - 1, cursor < 0 ? first : cursor + step));
    const row = rows[next];
    if (!row) return;
    setCursorId(row.id);
    reveal(next);
  };
  useKeyboardShortcuts({
    j: () => move(1),
    k: () => move(-1),
    ...(cursor >= 0 && {
      Enter: (event: KeyboardEvent) => {
        const control = (event.target as HTMLElement).closest<HTMLElement>('a,button,input');
        if (control) control.click();
        else if (rows[cursor]) open(rows[cursor]);
      },
    }),
  });

  const older = rows.some((row) => format.moment(row.of === 'traces' ? row.trace.start_time : row.span.start_time).length > 8);
  return (
    <div
      className={['traces-list', older && 'traces-list-with-dates', stale && 'is-stale'].filter(Boolean).join(' ')}
      style={gridVariables(of)}
      role="table"
      aria-busy={stale || undefined}
      aria-label={t(of === 'traces' ? 'traces.title' : 'traces.spans')}
      aria-rowcount={more ? -1 : rows.length + 1}
    >
      <TraceListHead of={of} sort={sort} onSort={onSort} isPhone={isPhone}>
        {arrivals}
      </TraceListHead>
      <div
        ref={list}
        role="rowgroup"
        style={{ height: total, position: 'relative' }}
        onPointerEnter={() => !isTouch && onPoint(true)}
        onPointerLeave={() => onPoint(false)}
      >
        {items.map(({ index, start }) => {
          const row = rows[index];
          if (!row) return null;
          const link = { ...targetOf(project, row, q, sortShown), onClick: () => rememberOpened(row.id) };
          return (
            <div
              key={row.id}
              role="row"
              aria-rowindex={index + 2}
              className={row.id === cursorId ? 'traces-row traces-row-current' : 'traces-row'}
              style={{ transform: `translateY(${start - top}px)`, height }}
            >
              {columns.map((column) => {
                const { key, TraceCell, SpanCell } = column;
                const props = { cell: cellAttributes(column, isPhone), link, palette };
                return row.of === 'traces' ? (
                  <TraceCell key={key} {...props} row={row.trace} />
                ) : (
                  <SpanCell key={key} {...props} row={row.span} />
                );
              })}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** What the cells and the head of a column have in common. */
function cellAttributes(column: TraceListColumn, isPhone: boolean): CellAttributes {
  const { key, num, card } = column;
  return {
    className: num ? `numeric traces-cell-${key}` : `traces-cell-${key}`,
    style: isPhone && card.area !== null ? { '--card-area': card.area } : undefined,
    'data-hidden-from': hiddenFrom(column),
  };
}

interface TraceListHeadProps {
  of: RowKind;
  sort: string;
  onSort: (sort: string) => void;
  isPhone: boolean;
  children: ReactNode;
}

function TraceListHead({ of, sort, onSort, isPhone, children }: TraceListHeadProps) {
  const t = useT();
  return (
    <div className="traces-row traces-list-head" role="row">
      {TRACE_LIST_COLUMNS.filter(({ card }) => !isPhone || card.head).map((column) => {
        const head = { key: column.key, head: column.head(t, of), sort: column.sort };
        const direction = sortDirection(head, sort);
        const { className, 'data-hidden-from': hidden } = cellAttributes(column, isPhone);
        return (
          <span
            key={column.key}
            role="columnheader"
            className={direction ? `${className} traces-head-sorted` : className}
            data-hidden-from={hidden}
            aria-sort={direction}
          >
            {column.headHidden ? (
              <span className="visually-hidden">{head.head}</span>
            ) : (
              <HeadLabel column={head} sort={sort} onSort={onSort} />
            )}
          </span>
        );
      })}
      {children}
    </div>
  );
}
