import * as Popover from '@radix-ui/react-popover';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useRef } from 'react';
import { ApiError } from '../../api/client';
import { tracesQuery, type Scope } from '../../api/queries';
import type { WordSuggestion } from '../../api/types';
import { useT } from '../../i18n';
import { HiddenMessagesNote } from '../../components/hidden-messages';
import { FilterBar } from '../../components/filter-bar';
import { Icon } from '../../components/icons';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { useEvent } from '../../components/use-event';
import { useMediaQuery } from '../../components/virtual-rows';
import { useProject } from '../../project';
import { hasIdFilter } from '../../filter-query';
import { rangeAround } from '../../range';
import { useRange, useLocale } from '../../locale';
import { timeLengthText } from '../../shell/time-length';
import { usePageTitle } from '../../shell/page-title';
import { ExportMenu } from './export';
import { FacetList } from './facets';
import { Histogram } from './histogram';
import { TraceList } from './list';
import { NEWEST, usePages, type RowKind } from './list-pages';
import './traces.css';

/** Near enough to the top that new rows are what is looked at. */
const TOP_OF_PAGE_PX = 240;

/** Find the call: traces or spans, narrowed by filter, range and facets. */
export default function Traces() {
  const t = useT();
  usePageTitle(t('traces.title'));
  const project = useProject();
  const navigate = useNavigate();
  const range = useRange();
  const { q = '', sort, of: shown } = useSearch({ from: '/app/p/$project/traces' });
  const of: RowKind = shown === 'spans' ? 'spans' : 'traces';
  const order = sort ?? NEWEST;
  const wide = useMediaQuery('(min-width: 1181px)');
  const scope = useMemo<Scope>(() => ({ ...range.span, q: q || undefined }), [range, q]);

  const pointed = useRef(false);
  const free = () => !pointed.current && window.scrollY < TOP_OF_PAGE_PX;
  const { query, rows, waiting, gap, show } = usePages({ project: project.id, of, scope, sort: order, free });
  const { fetchNextPage, isFetchingNextPage, hasNextPage } = query;
  const more = useCallback(() => {
    if (!isFetchingNextPage) void fetchNextPage();
  }, [fetchNextPage, isFetchingNextPage]);

  const narrow = (patch: { q?: string; sort?: string; of?: string; last?: string }) =>
    void navigate({ to: '.', search: (was) => ({ ...was, ...patch }), resetScroll: true });
  const setQ = (next: string) => narrow({ q: next || undefined });
  const setSort = (next: string) => narrow({ sort: next === NEWEST ? undefined : next });
  const unread = query.error instanceof ApiError && query.error.status === 400;
  const facets = <FacetList project={project.id} of={of} scope={scope} q={q} onChange={setQ} />;
  const suggestions = query.data?.pages[0]?.suggestions ?? [];

  return (
    <>
      <h1 className="visually-hidden">{t('traces.title')}</h1>
      <FilterBar q={q} onChange={setQ} error={query.error}>
        {!wide && (
          <Popover.Root>
            <Popover.Trigger asChild>
              <button type="button" className="button">
                <Icon name="settings" size="small" />
                {t('traces.filters')}
              </button>
            </Popover.Trigger>
            <Popover.Portal>
              <Popover.Content className="menu traces-facets traces-facets-popover" align="end" sideOffset={4} collisionPadding={8}>
                {facets}
              </Popover.Content>
            </Popover.Portal>
          </Popover.Root>
        )}
      </FilterBar>
      <div className={wide ? 'traces-layout' : undefined}>
        {wide && <aside className="traces-facets">{facets}</aside>}
        <div className="traces-main">
          {!unread && (
            <Histogram project={project.id} scope={scope} of={of} onOf={(next) => narrow({ of: next === 'spans' ? next : undefined })}>
              {rows.length > 0 && !project.messages_hidden && <ExportMenu project={project.id} of={of} scope={scope} />}
            </Histogram>
          )}
          {query.isPending && (
            <div className="pane">
              <Skeleton rows={14} height={32} />
            </div>
          )}
          {query.error && !query.data && !unread && (
            <div className="pane">
              <ErrorMessage error={query.error} onRetry={() => void query.refetch()} />
            </div>
          )}
          {unread && <EmptyState title={t('traces.filterInvalid')}>{t('traces.filterInvalidWhy')}</EmptyState>}
          {query.data && !unread && rows.length === 0 && (
            <NoTraces q={q} suggestions={suggestions} onQ={setQ} onLast={(last) => narrow({ last })} />
          )}
          {rows.length > 0 && !unread && (
            <>
              {project.messages_hidden && <HiddenMessagesNote />}
              <TraceList
                project={project.id}
                of={of}
                rows={rows}
                q={q || undefined}
                sort={order}
                sortShown={sort}
                onSort={setSort}
                stale={query.isPlaceholderData}
                more={hasNextPage}
                onMore={more}
                onHoverChange={(here) => {
                  pointed.current = here;
                }}
                arrivals={
                  waiting > 0 && (
                    <button
                      type="button"
                      className="traces-new-rows"
                      onClick={() => {
                        show();
                        window.scrollTo({ top: 0 });
                      }}
                    >
                      {gap ? t('traces.newCountAtLeast', { n: waiting }) : t('traces.newCount', { n: waiting })}
                    </button>
                  )
                }
              />
              <span className="visually-hidden" aria-live="polite">
                {waiting > 0 ? t('traces.newCount', { n: waiting }) : ''}
              </span>
              <div className="traces-list-foot">
                <span className="traces-key-hints">
                  <kbd>j</kbd> <kbd>k</kbd> {t('traces.hintMove')} <kbd>Enter</kbd> {t('traces.hintOpen')}
                </span>
                {query.isFetchNextPageError ? (
                  <button type="button" className="button" onClick={() => void fetchNextPage()}>
                    <Icon name="retry" size="small" />
                    {t('common.tryAgain')}
                  </button>
                ) : (
                  <span>{hasNextPage ? t('traces.loading') : t('traces.endOfList')}</span>
                )}
              </div>
            </>
          )}
        </div>
      </div>
    </>
  );
}

/** Ranges that may hold what this one does not. */
const LONGER_RANGES = ['24h', '7d', '30d'];

interface NoTracesProps {
  q: string;
  suggestions: readonly WordSuggestion[];
  onQ: (q: string) => void;
  onLast: (last: string) => void;
}

const ID_TEXT = {
  user: 'traces.valueIsUser',
  session: 'traces.valueIsSession',
  trace: 'traces.valueIsTrace',
  span: 'traces.valueIsSpan',
} as const;

function NoTraces({ q, suggestions, onQ, onLast }: NoTracesProps) {
  const t = useT();
  const project = useProject();
  const range = useRange();
  const navigate = useNavigate();
  const { format } = useLocale();
  const { last, from } = useSearch({ from: '/app/p/$project/traces' });
  // Whoever asks for a conversation or a user by id means it whenever it was: the newest of it, over everything that is kept.
  const { data: newest } = useQuery({
    ...tracesQuery(project.id, { q }, '-start_time', 1),
    enabled: project.first_span_at !== null && hasIdFilter(q),
    placeholderData: undefined,
  });
  const elsewhere = newest?.traces[0];
  const around = useMemo(() => (elsewhere ? rangeAround(range, Date.parse(elsewhere.start_time)) : {}), [elsewhere, range]);
  const show = useEvent(() => void navigate({ to: '.', search: (was) => ({ ...was, ...around }), replace: true }));
  const chosen = last !== undefined || from !== undefined;
  useEffect(() => {
    // A range that nobody chose gives way.
    if (!chosen && around.from) show();
  }, [chosen, around, show]);
  if (project.first_span_at === null) {
    return (
      <EmptyState
        title={t('traces.noTraces')}
        action={
          <Link className="button button-primary" to="/p/$project/setup" params={{ project: String(project.id) }}>
            {t('traces.setUp')}
          </Link>
        }
      >
        {t('traces.noTracesWhy')}
      </EmptyState>
    );
  }
  return (
    <EmptyState
      title={q ? t('traces.noMatch') : t('traces.noTracesInRange')}
      action={
        <span className="traces-empty-actions">
          {elsewhere && around.from && (
            <button type="button" className="button button-primary" onClick={show}>
              {t('traces.showNewest', { time: format.moment(elsewhere.start_time) })}
            </button>
          )}
          {q && (
            <button type="button" className={elsewhere ? 'button' : 'button button-primary'} onClick={() => onQ('')}>
              {t('traces.clear')}
            </button>
          )}
          {LONGER_RANGES.filter((last) => range.last !== last).map((last) => (
            <button key={last} type="button" className="button" onClick={() => onLast(last)}>
              {t('bar.last', { length: timeLengthText(t, last) })}
            </button>
          ))}
        </span>
      }
    >
      {q ? <code>{q}</code> : t('traces.noTracesInRangeWhy')}
      {suggestions.map((one) => (
        <span key={one.q} className="traces-id-suggestion">
          {t(ID_TEXT[one.field], { value: one.value })}{' '}
          {one.trace_id !== null ? (
            <Link
              className="action-link"
              to="/p/$project/traces/$trace"
              params={{ project: String(project.id), trace: one.trace_id }}
              search={{ span: one.span_id ?? undefined, at: one.last_seen }}
            >
              {t('traces.openTrace')}
            </Link>
          ) : (
            <button type="button" className="action-link" onClick={() => onQ(one.q)}>
              <code>{one.q}</code>
            </button>
          )}
        </span>
      ))}
    </EmptyState>
  );
}
