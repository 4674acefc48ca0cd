import { useEffect, type ReactNode, type RefObject } from 'react';
import type { ListedLogLine } from '../../api/types';
import { HeadLabel } from '../../components/table';
import { useMediaQuery } from '../../components/virtual-rows';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { LineDetail } from './line-detail';
import { LogRow } from './log-row';
import { useLineCursor } from './use-line-cursor';
import { useLineRows } from './use-line-rows';

/** So many rows before the end the next page is asked for. */
const PRELOAD_ROWS = 25;

interface LogListProps {
  project: number;
  lines: ListedLogLine[];
  /** The line that the address names. */
  linked: string | undefined;
  linkedIndex: number;
  opened: ReadonlySet<string>;
  onToggle: (line: ListedLogLine) => void;
  onFilter: (term: string) => void;
  onSurroundings: (line: ListedLogLine) => void;
  sort: string;
  onSort: (sort: string) => void;
  stale: boolean;
  more: boolean;
  onMore: () => void;
  /** Called whenever the pointer comes to the rows or leaves them. */
  onHoverChange: (here: boolean) => void;
  /** Called with the element of the rows, to find out where it stands. */
  rowsRef: RefObject<HTMLOListElement | null>;
  arrivals: ReactNode;
}

/** Log lines, one row each; a row that is opened shows the whole line below itself. */
export function LogList(props: LogListProps) {
  const { project, lines, linked, linkedIndex, opened, onToggle, onFilter, onSurroundings, sort, onSort, stale, more, onMore } = props;
  const { onHoverChange, rowsRef, arrivals } = props;
  const t = useT();
  const { format } = useLocale();
  const isTouch = useMediaQuery('(pointer: coarse)');
  const { items, top, total, measure, reveal, firstInSight } = useLineRows({ lines, opened, linkedIndex, rowsRef });

  const last = items[items.length - 1]?.index ?? 0;
  useEffect(() => {
    if (more && last >= lines.length - PRELOAD_ROWS) onMore();
  }, [more, last, lines.length, onMore]);

  const { cursorId, setCursorId } = useLineCursor({ lines, linked, opened, firstInSight, reveal, onToggle });

  // Rows that are taken away were not left by the pointer.
  useEffect(() => () => onHoverChange(false), [onHoverChange]);

  const dated = lines.some(({ time }) => format.moment(time).length > 8);
  return (
    <div className={['logs-list', dated && 'logs-list-with-dates', stale && 'is-stale'].filter(Boolean).join(' ')} aria-busy={stale || undefined}>
      <ListHead sort={sort} onSort={onSort}>
        {arrivals}
      </ListHead>
      <ol
        ref={rowsRef}
        aria-label={t('logs.title')}
        style={{ height: total, position: 'relative' }}
        onPointerEnter={() => !isTouch && onHoverChange(true)}
        onPointerLeave={() => onHoverChange(false)}
      >
        {items.map(({ index, start }) => {
          const line = lines[index];
          if (!line) return null;
          return (
            <li
              key={line.log_id}
              ref={measure}
              data-index={index}
              className={line.log_id === cursorId ? 'logs-item is-current' : 'logs-item'}
              style={{ transform: `translateY(${start - top}px)` }}
              aria-setsize={more ? -1 : lines.length}
              aria-posinset={index + 1}
            >
              <LogRow
                project={project}
                line={line}
                isOpen={opened.has(line.log_id)}
                onToggle={() => {
                  setCursorId(line.log_id);
                  onToggle(line);
                }}
              />
              {opened.has(line.log_id) && (
                <LineDetail project={project} line={line} onFilter={onFilter} onSurroundings={() => onSurroundings(line)} />
              )}
            </li>
          );
        })}
      </ol>
    </div>
  );
}

function ListHead({ sort, onSort, children }: { sort: string; onSort: (sort: string) => void; children: ReactNode }) {
  const t = useT();
  return (
    <div className="logs-row logs-head">
      <span />
      <span>
        <HeadLabel column={{ key: 'time', head: t('logs.time'), sort: 'time' }} sort={sort} onSort={onSort} />
      </span>
      <span>{t('logs.level')}</span>
      <span>{t('logs.text')}</span>
      <span>{t('logs.links')}</span>
      {children}
    </div>
  );
}
