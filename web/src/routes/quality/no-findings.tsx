import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { findingName, FINDING_KINDS } from '../../components/findings/labels';
import { EmptyState, Skeleton } from '../../components/states';
import { useT } from '../../i18n';
import { useProject } from '../../project';

const SignalDocs = lazy(() => import('./signal-docs'));

/** Says that nothing was found, and what was searched for. */
export function NoFindings({ q, onClear }: { q: string | undefined; onClear: () => void }) {
  const t = useT();
  const project = useProject();
  const hasTraces = project.first_span_at !== null;
  const setUp = (
    <Link className="button button-primary" to="/p/$project/setup" params={{ project: String(project.id) }}>
      {t('traces.setUp')}
    </Link>
  );
  const clear = (
    <button type="button" className="button" onClick={onClear}>
      {t('findings.clear')}
    </button>
  );
  return (
    <div className="sheet">
      <EmptyState
        title={t(!hasTraces ? 'findings.noTraces' : q ? 'findings.noneFiltered' : 'findings.none')}
        action={!hasTraces ? setUp : q ? clear : undefined}
      >
        {t(hasTraces ? 'findings.noneWhy' : 'findings.noTracesWhy')}
      </EmptyState>
      <dl className="quality-signals">
        {FINDING_KINDS.map((kind) => (
          <div key={kind}>
            <dt>{findingName(t, kind)}</dt>
            <dd>{t(`finding.about.${kind}`)}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** The documentation of the signals, loaded when it is opened. */
export function SignalDocsSection() {
  const t = useT();
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="pane sheet quality-docs" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t('findings.docs')}</summary>
      {isOpen && (
        <Suspense fallback={<Skeleton rows={6} />}>
          <SignalDocs />
        </Suspense>
      )}
    </details>
  );
}
