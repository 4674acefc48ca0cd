import type { useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useState } from 'react';
import type { LogLinePage } from '../../api/types';
import { emptyPagesAtEnd } from './log-pages';

/** After so many pages without a match, the reader decides whether older lines are searched. */
const MAX_EMPTY_PAGES = 20;

type Pages = Pick<
  ReturnType<typeof useInfiniteQuery<LogLinePage>>,
  'data' | 'fetchNextPage' | 'hasNextPage' | 'isFetchingNextPage' | 'isFetchNextPageError' | 'isPlaceholderData'
>;

/** Loads pages of older lines. The server searches only so many lines for a page: one without a match is followed by the next. */
export function useOlderLines({ data, fetchNextPage, hasNextPage, isFetchingNextPage, isFetchNextPageError, isPlaceholderData }: Pages) {
  const pages = (data as { pages: LogLinePage[] } | undefined)?.pages ?? [];
  const emptyPages = emptyPagesAtEnd(pages);
  const [searchedPages, setSearchedPages] = useState(0);
  const isPaused = hasNextPage && emptyPages - (searchedPages <= emptyPages ? searchedPages : 0) >= MAX_EMPTY_PAGES;
  const more = useCallback(() => {
    if (!isFetchingNextPage && !isPaused) void fetchNextPage();
  }, [fetchNextPage, isFetchingNextPage, isPaused]);
  const isFirst = hasNextPage && emptyPages === pages.length && !isPlaceholderData && !isFetchNextPageError;
  useEffect(() => {
    if (isFirst) more();
  }, [isFirst, emptyPages, more]);
  return {
    more,
    /** Whether no page has a line yet, and there are more pages. */
    isSearchingFirst: isFirst,
    /** Whether the last pages had no line. */
    isSearching: emptyPages > 0,
    isPaused,
    searchOn: () => setSearchedPages(emptyPages),
  };
}
