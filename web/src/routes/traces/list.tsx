import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { useModelColors } from '../../model-colors';
import { useMediaQuery, useIsPhone, useVirtualRows } from '../../components/virtual-rows';
import { useLocale } from '../../locale';
import { SpanCells, targetOf, TraceCells } from './rows';
import type { RowKind, ListRow } from './list-pages';

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
      className={[`list2 of-${of}`, older && 'older', stale && 'stale'].filter(Boolean).join(' ')}
      role="table"
      aria-label={t(of === 'traces' ? 'traces.title' : 'traces.spans')}
      aria-rowcount={more ? -1 : rows.length + 1}
    >
      <TraceListHead of={of} sort={sort} onSort={onSort}>
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
              className={row.id === cursorId ? 'row2 cur' : 'row2'}
              style={{ transform: `translateY(${start - top}px)`, height }}
            >
              {row.of === 'traces' ? (
                <TraceCells row={row.trace} link={link} palette={palette} />
              ) : (
                <SpanCells row={row.span} link={link} palette={palette} />
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function TraceListHead({ of, sort, onSort, children }: { of: RowKind; sort: string; onSort: (sort: string) => void; children: ReactNode }) {
  const t = useT();
  const column = (className: string, label: string, field?: string) => {
    const here = field !== undefined && sort.replace('-', '') === field;
    const down = sort.startsWith('-');
    return (
      <span
        role="columnheader"
        className={here ? `${className} sort` : className}
        aria-sort={here ? (down ? 'descending' : 'ascending') : undefined}
      >
        {field ? (
          <button type="button" title={t('common.sortBy', { name: label })} onClick={() => onSort(here && down ? field : `-${field}`)}>
            {label}
            {here && (down ? ' ↓' : ' ↑')}
          </button>
        ) : (
          label
        )}
      </span>
    );
  };
  return (
    <div className="row2 hd" role="row">
      <span role="columnheader">
        <span className="vh">{t('traces.status')}</span>
      </span>
      {column('tm', t('traces.time'), 'start_time')}
      {column('nm2', of === 'traces' ? t('traces.trace') : t('traces.span'))}
      {column('mods2', of === 'traces' ? t('traces.models') : t('traces.model'))}
      {column('qa', t('traces.promptAndAnswer'))}
      <span role="columnheader" className="ex">
        <span className="vh">{t('traces.notes')}</span>
      </span>
      {column('n tk', t('traces.tokens'), 'total_tokens')}
      {column('n cs', t('traces.cost'), 'cost')}
      {column('du', t('traces.duration'), 'duration_ms')}
      {column('us', t('traces.user'))}
      {children}
    </div>
  );
}
