import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';
import { traceQuery, tracesPagesQuery, type Scope } from '../../api/queries';
import type { TraceSummary } from '../../api/types';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { Icon } from '../../components/icons';
import { useRange, useLocale } from '../../locale';

interface NeighbourLinksProps {
  project: number;
  trace: string;
  q: string | undefined;
  sort: string | undefined;
}

/** The traces before and after this one in the list that it was opened from. */
export function NeighbourLinks({ project, trace, q, sort }: NeighbourLinksProps) {
  const t = useT();
  const { format } = useLocale();
  const navigate = useNavigate();
  const client = useQueryClient();
  const range = useRange();
  const { span } = useSearch({ from: '/app/p/$project/traces/$trace' });
  const scope: Scope = { ...range.span, q };
  const { data } = useInfiniteQuery(tracesPagesQuery(project, scope, sort ?? '-start_time'));
  const rows = data?.pages.flatMap((page) => page.traces) ?? [];
  const at = rows.findIndex(({ trace_id: id }) => id === trace);
  const before = at > 0 ? rows[at - 1] : undefined;
  const after = at >= 0 ? rows[at + 1] : undefined;
  const target = (row: TraceSummary) => ({
    to: '/p/$project/traces/$trace' as const,
    params: { project: String(project), trace: row.trace_id },
    search: { at: row.start_time, q, sort },
  });
  useKeyboardShortcuts({
    ...(before && { '[': () => void navigate(target(before)) }),
    ...(after && { ']': () => void navigate(target(after)) }),
  });
  // The next one is at hand before it is asked for.
  const afterId = after?.trace_id;
  const afterStart = after?.start_time;
  useEffect(() => {
    if (afterId && span === undefined) void client.prefetchQuery(traceQuery(project, afterId, afterStart));
  }, [client, project, afterId, afterStart, span]);

  if (at < 0) return null;
  const arrow = (row: TraceSummary | undefined, icon: 'left' | 'right', label: string, key: string) =>
    row ? (
      <Link className="icon-button" {...target(row)} title={`${label} ${key}`} aria-label={label}>
        <Icon name={icon} />
      </Link>
    ) : (
      <span className="icon-button is-at-end" aria-hidden="true">
        <Icon name={icon} />
      </span>
    );
  const last = data?.pages[data.pages.length - 1];
  const total = `${format.count(rows.length)}${last?.next_cursor ? '+' : ''}`;
  return (
    <span className="trace-neighbours">
      <span className="text-dim">{t('common.of', { n: format.count(at + 1), total })}</span>
      {arrow(before, 'left', t('trace.previous'), '[')}
      {arrow(after, 'right', t('trace.next'), ']')}
    </span>
  );
}
