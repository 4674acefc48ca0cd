import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { auditPagesQuery, type AuditFilter } from '../../api/audit';
import { PermissionNote, usePermission } from '../../components/permission';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { useT } from '../../i18n';
import { useRange } from '../../locale';
import { usePageTitle } from '../../shell/page-title';
import { TopBarSlot } from '../../shell/top-bar-slots';
import { ChainState } from './chain-state';
import { EntryList } from './entry-list';
import { AuditFilters, ExportMenu } from './filters';
import './audit.css';

/** A whole number of the address bar. */
const numberOf = (text: string | undefined) => (text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined);

/** Who did what to which object, when, and from where. */
export default function Audit() {
  const t = useT();
  usePageTitle(t('audit.title'));
  const permission = usePermission('get /api/v1/audit');
  return (
    <>
      <TopBarSlot side="left">
        <h1 className="picker">
          <b>{t('audit.title')}</b>
        </h1>
      </TopBarSlot>
      {permission.isAllowed ? (
        <AuditLog />
      ) : (
        <div className="pane sheet">
          <PermissionNote permission={permission} />
        </div>
      )}
    </>
  );
}

function AuditLog() {
  const t = useT();
  const range = useRange();
  const { action, account, project } = useSearch({ from: '/app/audit' });
  const filter: AuditFilter = { ...range.span, action, account: numberOf(account), project: numberOf(project) };
  const isFiltered = [filter.action, filter.account, filter.project].some((one) => one !== undefined);
  const pages = useInfiniteQuery(auditPagesQuery(filter));
  const entries = pages.data?.pages.flatMap((page) => page.entries) ?? [];
  return (
    <div className="sheet pane audit-page">
      <div className="section-head">
        <h2>{t('audit.entries')}</h2>
        <span className="section-note">{t('audit.entriesWhy')}</span>
        <span className="spacer" />
        <ExportMenu filter={filter} />
      </div>
      <AuditFilters filter={filter} />
      {pages.error && !pages.data && <ErrorMessage error={pages.error} onRetry={() => void pages.refetch()} />}
      {pages.isPending && <Skeleton rows={10} height={32} />}
      {pages.data && entries.length === 0 && <NoEntries isFiltered={isFiltered} />}
      {entries.length > 0 && (
        <>
          <ChainState entries={entries} isFiltered={isFiltered} />
          <EntryList entries={entries} isStale={pages.isPlaceholderData} />
        </>
      )}
      {pages.hasNextPage && (
        <button
          type="button"
          className="button audit-load-more"
          disabled={pages.isFetchingNextPage}
          onClick={() => void pages.fetchNextPage()}
        >
          {t('issues.more')}
        </button>
      )}
      {pages.error && pages.data && <ErrorMessage error={pages.error} onRetry={() => void pages.refetch()} />}
    </div>
  );
}

function NoEntries({ isFiltered }: { isFiltered: boolean }) {
  const t = useT();
  const { last } = useRange();
  return (
    <EmptyState
      title={t('audit.none')}
      action={
        isFiltered ? (
          <Link className="button" to="/audit" search={({ last: same, from, to, tz }) => ({ last: same, from, to, tz })}>
            {t('audit.clearFilters')}
          </Link>
        ) : (
          last !== '30d' && (
            <Link className="button" to="/audit" search={({ tz }) => ({ tz, last: '30d', from: undefined, to: undefined })}>
              {t('audit.longerRange')}
            </Link>
          )
        )
      }
    >
      {t(isFiltered ? 'audit.noneFiltered' : 'audit.noneWhy')}
    </EmptyState>
  );
}
