import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import { ApiError } from '../../api/client';
import { findingSummaryQuery } from '../../api/findings';
import type { Scope } from '../../api/queries';
import type { FindingSummary } from '../../api/types';
import { FilterBar } from '../../components/filter-bar';
import { isFindingKind } from '../../components/findings/labels';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { useT } from '../../i18n';
import { useRange } from '../../locale';
import { useProject } from '../../project';
import { usePageTitle } from '../../shell/page-title';
import { FindingKinds, kindId } from './finding-kinds';
import { FindingList } from './finding-list';
import { NoFindings, SignalDocsSection } from './no-findings';
import { QualityNav } from './quality-nav';
import './quality.css';

/** A range that ends now slides on, also when nothing comes in. */
const SLIDE_MS = 60_000;

/** What goes wrong in runs: findings by kind, and the findings of one kind. */
export default function FindingsPage() {
  const t = useT();
  usePageTitle(t('findings.title'));
  const project = useProject();
  const navigate = useNavigate();
  const range = useRange();
  const { q, kind, sort } = useSearch({ from: '/app/p/$project/quality/findings' });
  const scope = useMemo<Scope>(() => ({ ...range.span, q: q || undefined }), [range, q]);
  const summary = useQuery({ ...findingSummaryQuery(project.id, scope), refetchInterval: SLIDE_MS });
  const { data, error, isPending, isPlaceholderData, refetch } = summary;
  const setQ = (next: string) => void navigate({ to: '.', search: (was) => ({ ...was, q: next || undefined }) });
  const close = () => {
    void navigate({ to: '.', search: (was) => ({ ...was, kind: undefined }), resetScroll: false });
    // The focus goes back to what opened the list.
    if (kind !== undefined) document.getElementById(kindId(kind))?.focus();
  };
  const unread = error instanceof ApiError && error.status === 400;
  const shown = unread ? undefined : data;
  const open = kind !== undefined && isFindingKind(kind) ? kind : undefined;
  return (
    <div className="quality-page quality-findings-page">
      <QualityNav />
      <h1 className="visually-hidden">{t('findings.title')}</h1>
      <FilterBar q={q ?? ''} onChange={setQ} error={error} />
      {unread && <EmptyState title={t('traces.filterInvalid')}>{t('traces.filterInvalidWhy')}</EmptyState>}
      {error && !unread && !data && (
        <div className="pane sheet">
          <ErrorMessage error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {isPending && (
        <div className="pane sheet">
          <Skeleton rows={8} height={44} />
        </div>
      )}
      {shown && shown.kinds.length > 0 && (
        <section className="pane sheet">
          <div className="section-head">
            <h2>{t('findings.title')}</h2>
            <span className="section-note">{t('findings.withFindings', { n: shown.traces_with_findings })}</span>
          </div>
          <FindingKinds summary={shown} open={open} sort={sort} stale={isPlaceholderData} />
          <p className="text-dim text-small quality-findings-note">{t('findings.sums')}</p>
          <Unsearched summary={shown} />
        </section>
      )}
      {shown && shown.kinds.length === 0 && (
        <>
          <NoFindings q={q} onClear={() => setQ('')} />
          {shown.unsearched_traces > 0 && (
            <div className="pane sheet">
              <Unsearched summary={shown} />
            </div>
          )}
        </>
      )}
      {shown && shown.kinds.length > 0 && open && <FindingList kind={open} scope={scope} onClose={close} />}
      {shown && <SignalDocsSection />}
    </div>
  );
}

/** Traces of which nothing is known are not traces without findings. */
function Unsearched({ summary: { unsearched_traces: n } }: { summary: FindingSummary }) {
  const t = useT();
  return n > 0 ? <p className="text-dim text-small quality-findings-note">{t('findings.unsearched', { n })}</p> : null;
}
