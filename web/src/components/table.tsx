import type { ReactNode } from 'react';
import { useT } from '../i18n';
import { useRowNavigation } from '../keyboard';

/** What stands above a column of any table, and the field that the table can be sorted by there. */
export interface ColumnHead {
  key: string;
  head: ReactNode;
  sort?: string;
}

export interface Column<Row> extends ColumnHead {
  cell: (row: Row) => ReactNode;
  /** Right-aligned, as figures are. */
  num?: boolean;
  /** Takes the room that is left, and cuts off what does not fit. */
  grow?: boolean;
  /** Left out where half a page is narrow. */
  optional?: boolean;
  foot?: ReactNode;
}

/** How `sort` (`cost`, or `-cost` from the largest) orders a column; undefined where it orders another. */
export function sortDirection(column: ColumnHead, sort: string | undefined): 'ascending' | 'descending' | undefined {
  if (column.sort === undefined || column.sort !== sort?.replace('-', '')) return undefined;
  return sort.startsWith('-') ? 'descending' : 'ascending';
}

interface HeadLabelProps {
  column: ColumnHead;
  sort: string | undefined;
  onSort: ((sort: string) => void) | undefined;
}

/** The text of a head, which sorts where the column can: from the largest first, then from the smallest. */
export function HeadLabel({ column, sort, onSort }: HeadLabelProps) {
  const t = useT();
  const direction = sortDirection(column, sort);
  const arrow = direction === 'descending' ? ' ↓' : direction ? ' ↑' : '';
  if (!column.sort || !onSort) {
    return (
      <>
        {column.head}
        {arrow}
      </>
    );
  }
  return (
    <button
      type="button"
      title={typeof column.head === 'string' ? t('common.sortBy', { name: column.head }) : undefined}
      onClick={() => onSort(direction === 'descending' ? column.sort! : `-${column.sort}`)}
    >
      {column.head}
      {arrow}
    </button>
  );
}

interface TableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  onOpen?: (row: Row) => void;
  /** Whether what the row leads to is shown on the same page. */
  isOpen?: (row: Row) => boolean;
  sort?: string;
  onSort?: (field: string) => void;
  foot?: boolean;
  /** Old rows stay, paler, while new ones load. */
  stale?: boolean;
  /** Whether `j`, `k` and Enter belong to this table. */
  keys?: boolean;
}

const columnClasses = (column: { num?: boolean; grow?: boolean; optional?: boolean }) =>
  [column.num && 'numeric', column.grow && 'column-grow', column.optional && 'column-optional'].filter(Boolean).join(' ') || undefined;

export function Table<Row>(props: TableProps<Row>) {
  const { label, columns, rows, rowKey, onOpen, isOpen, sort, onSort, foot = false, stale = false, keys = false } = props;
  const { cursor, setCursor, bodyRef } = useRowNavigation<HTMLTableSectionElement>(
    rows.length,
    keys ? (at) => rows[at] && onOpen?.(rows[at]) : null,
  );

  return (
    <div className="table-scroll">
      <table className={stale ? 'data-table is-stale' : 'data-table'} aria-busy={stale || undefined} aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => {
              const direction = sortDirection(column, sort);
              return (
                <th
                  key={column.key}
                  scope="col"
                  className={[columnClasses(column), direction && 'is-sorted'].filter(Boolean).join(' ') || undefined}
                  aria-sort={direction}
                >
                  <HeadLabel column={column} sort={sort} onSort={onSort} />
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody ref={bodyRef}>
          {rows.map((row, at) => (
            <tr
              key={rowKey(row)}
              className={[onOpen && 'is-clickable', (cursor === at || isOpen?.(row)) && 'is-current'].filter(Boolean).join(' ') || undefined}
              onClick={
                onOpen &&
                ((event) => {
                  // A link or a field in the row goes its own way, and text that was just selected is not a click.
                  if ((event.target as HTMLElement).closest('a,button,label')) return;
                  if (window.getSelection()?.isCollapsed === false) return;
                  setCursor(at);
                  onOpen(row);
                })
              }
            >
              {columns.map((column) => (
                <td key={column.key} className={columnClasses(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
        {foot && (
          <tfoot>
            <tr>
              {columns.map((column) => (
                <td key={column.key} className={columnClasses({ ...column, grow: false })}>
                  {column.foot}
                </td>
              ))}
            </tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}
