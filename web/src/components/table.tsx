import type { ReactNode } from 'react';
import { useT } from '../i18n';
import { useRowNavigation } from '../keyboard';

export interface Column<Row> {
  key: string;
  head: ReactNode;
  cell: (row: Row) => ReactNode;
  /** Right-aligned, as figures are. */
  num?: boolean;
  /** Takes the room that is left, and cuts off what does not fit. */
  grow?: boolean;
  /** Left out where half a page is narrow. */
  optional?: boolean;
  foot?: ReactNode;
  /** A field that the table can be sorted by. */
  sort?: string;
}

interface TableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  onOpen?: (row: Row) => void;
  sort?: string;
  onSort?: (field: string) => void;
  foot?: boolean;
  /** Old rows stay, paler, while new ones load. */
  stale?: boolean;
  /** Whether `j`, `k` and Enter belong to this table. */
  keys?: boolean;
}

const columnClasses = (column: { num?: boolean; grow?: boolean; optional?: boolean }) =>
  [column.num && 'n', column.grow && 'grow', column.optional && 'c2'].filter(Boolean).join(' ') || undefined;

export function Table<Row>(props: TableProps<Row>) {
  const { label, columns, rows, rowKey, onOpen, sort, onSort, foot = false, stale = false, keys = false } = props;
  const t = useT();
  const { cursor, setCursor, bodyRef } = useRowNavigation<HTMLTableSectionElement>(
    rows.length,
    keys ? (at) => rows[at] && onOpen?.(rows[at]) : null,
  );
  const sorted = sort?.replace('-', '');

  return (
    <div className="tblw">
      <table className={stale ? 'tbl stale' : 'tbl'} aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => {
              const here = column.sort !== undefined && column.sort === sorted;
              const arrow = here ? (sort?.startsWith('-') ? ' ↓' : ' ↑') : '';
              return (
                <th
                  key={column.key}
                  scope="col"
                  className={[columnClasses(column), here && 'sort'].filter(Boolean).join(' ') || undefined}
                  aria-sort={here ? (sort?.startsWith('-') ? 'descending' : 'ascending') : undefined}
                >
                  {column.sort && onSort ? (
                    <button
                      type="button"
                      title={typeof column.head === 'string' ? t('common.sortBy', { name: column.head }) : undefined}
                      onClick={() => onSort(here && sort?.startsWith('-') ? column.sort! : `-${column.sort}`)}
                    >
                      {column.head}
                      {arrow}
                    </button>
                  ) : (
                    <>
                      {column.head}
                      {arrow}
                    </>
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody ref={bodyRef}>
          {rows.map((row, at) => (
            <tr
              key={rowKey(row)}
              className={[onOpen && 'open', cursor === at && 'cur'].filter(Boolean).join(' ') || undefined}
              onClick={
                onOpen &&
                ((event) => {
                  // A link in the row goes its own way, and text that was just selected is not a click.
                  if ((event.target as HTMLElement).closest('a,button')) return;
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
