import { useCallback, useRef, type RefObject } from 'react';
import { ApiError } from '../../api/client';
import { FilterBar } from '../../components/filter-bar';
import { LOG_VOCABULARY } from '../../components/filter-vocabulary';
import { Icon } from '../../components/icons';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { useT } from '../../i18n';
import { useProject } from '../../project';
import { usePageTitle } from '../../shell/page-title';
import { DownloadLines } from './download';
import { NoLines } from './empty';
import { LevelFilter } from './level-filter';
import { useLinkedLine } from './linked-line';
import { LinkedLineSection } from './linked-line-section';
import { LogList } from './list';
import { LiveTail } from './live-tail';
import { NEWEST_FIRST } from './log-pages';
import { useLogLines } from './use-log-lines';
import { useLogView, type LogView } from './use-log-view';
import { useOlderLines } from './use-older-lines';
import './logs.css';

/** The rows begin below the bar and the head of the list. */
const TOP_OF_ROWS_PX = 60;

/** Log lines of a project: newest first, narrowed by filter, level and range, followed live. */
export default function Logs() {
  const t = useT();
  usePageTitle(t('logs.title'));
  const project = useProject();
  const view = useLogView(project.id);
  const { q, sort, scope, opened, linked, at } = view;

  const pointed = useRef(false);
  const onHoverChange = useCallback((here: boolean) => {
    pointed.current = here;
  }, []);
  const rows = useRef<HTMLOListElement>(null);
  const free = () => !pointed.current && opened.size === 0 && (rows.current?.getBoundingClientRect().top ?? Infinity) >= TOP_OF_ROWS_PX;
  const log = useLogLines({ project: project.id, scope, sort, free });
  const { query, lines } = log;
  const older = useOlderLines(query);
  const isLoaded = query.data !== undefined && !query.isPlaceholderData;
  const link = useLinkedLine({ project: project.id, line: linked, at, sort, lines, isLoaded, hasMore: query.hasNextPage, onMore: older.more });

  return (
    <>
      <h1 className="visually-hidden">{t('logs.title')}</h1>
      <FilterBar q={q} onChange={view.setQ} error={query.error} vocabulary={LOG_VOCABULARY}>
        <LiveTail isTail={log.isTail} onFollow={view.follow} />
        {lines.length > 0 && <DownloadLines project={project.id} scope={scope} sort={sort} />}
      </FilterBar>
      <div className="sheet logs-tools">
        <LevelFilter q={q} onChange={view.setQ} />
      </div>
      <div className="sheet logs-page">
        {(link.elsewhere || link.isMissing) && (
          <LinkedLineSection
            project={project.id}
            line={link.elsewhere}
            onClose={() => view.narrow({})}
            onFilter={view.addTerm}
            onSurroundings={(line) => void view.showSurroundings(line)}
          />
        )}
        {lines.length === 0 ? (
          <NoRows view={view} query={query} older={older} />
        ) : (
          <Rows project={project.id} view={view} log={log} older={older} linkedIndex={link.index} onHoverChange={onHoverChange} rows={rows} />
        )}
      </div>
    </>
  );
}

type LogLines = ReturnType<typeof useLogLines>;
type OlderLines = ReturnType<typeof useOlderLines>;

/** In place of rows: they are loading, nothing was found, or what went wrong. */
function NoRows({ view, query, older }: { view: LogView; query: LogLines['query']; older: OlderLines }) {
  const t = useT();
  if (query.isPending) {
    return (
      <div className="pane">
        <Skeleton rows={14} />
      </div>
    );
  }
  if (query.error instanceof ApiError && query.error.status === 400)
    return <EmptyState title={t('traces.filterInvalid')}>{t('traces.filterInvalidWhy')}</EmptyState>;
  if (query.error) {
    const retry = () => void (query.isFetchNextPageError ? query.fetchNextPage() : query.refetch());
    return (
      <div className="pane">
        <ErrorMessage error={query.error} onRetry={retry} />
      </div>
    );
  }
  if (older.isSearchingFirst) {
    return (
      <EmptyState
        title={t(older.isPaused ? 'logs.noneSoFar' : 'logs.searching')}
        action={older.isPaused && <SearchOlder onClick={older.searchOn} />}
      >
        <code>{view.q}</code>
      </EmptyState>
    );
  }
  return <NoLines q={view.q} onClear={() => view.setQ('')} onRange={view.narrow} />;
}

interface RowsProps {
  project: number;
  view: LogView;
  log: LogLines;
  older: OlderLines;
  linkedIndex: number;
  onHoverChange: (here: boolean) => void;
  rows: RefObject<HTMLOListElement | null>;
}

function Rows({ project, view, log, older, linkedIndex, onHoverChange, rows }: RowsProps) {
  const t = useT();
  const { query, lines, waiting, gap, show } = log;
  const { sort, scope } = view;
  const arrivals = waiting > 0 && t(gap ? 'logs.newCountAtLeast' : 'logs.newCount', { n: waiting });
  return (
    <>
      <LogList
        // The rows of another filter have other heights, and another place to begin.
        key={JSON.stringify([scope, sort])}
        project={project}
        lines={lines}
        linked={view.linked}
        linkedIndex={linkedIndex}
        opened={view.opened}
        onToggle={view.toggle}
        onFilter={view.addTerm}
        onSurroundings={(line) => void view.showSurroundings(line)}
        sort={sort}
        onSort={() => view.narrow({ sort: sort === NEWEST_FIRST ? 'time' : undefined })}
        stale={query.isPlaceholderData}
        more={query.hasNextPage}
        onMore={older.more}
        onHoverChange={onHoverChange}
        rowsRef={rows}
        arrivals={
          arrivals && (
            <button
              type="button"
              className="logs-new-lines"
              onClick={() => {
                show();
                window.scrollTo({ top: 0 });
              }}
            >
              {arrivals}
            </button>
          )
        }
      />
      <span className="visually-hidden" aria-live="polite">
        {arrivals}
      </span>
      <ListFoot query={query} older={older} />
    </>
  );
}

function SearchOlder({ onClick }: { onClick: () => void }) {
  const t = useT();
  return (
    <button type="button" className="button" onClick={onClick}>
      {t('logs.searchOlder')}
    </button>
  );
}

interface ListFootProps {
  query: LogLines['query'];
  older: OlderLines;
}

/** Keys, and what comes below the last line. */
function ListFoot({ query, older }: ListFootProps) {
  const t = useT();
  return (
    <div className="logs-foot">
      <span className="logs-key-hints">
        <kbd>j</kbd> <kbd>k</kbd> {t('traces.hintMove')} <kbd>Enter</kbd> {t('traces.hintOpen')} <kbd>l</kbd> {t('logs.hintTail')}
      </span>
      {older.isPaused ? (
        <SearchOlder onClick={older.searchOn} />
      ) : query.isFetchNextPageError ? (
        <button type="button" className="button" onClick={() => void query.fetchNextPage()}>
          <Icon name="retry" size="small" />
          {t('common.tryAgain')}
        </button>
      ) : (
        <span>{t(!query.hasNextPage ? 'traces.endOfList' : older.isSearching ? 'logs.searching' : 'traces.loading')}</span>
      )}
    </div>
  );
}
