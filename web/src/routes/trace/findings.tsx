import { memo } from 'react';
import type { Finding } from '../../api/types';
import { useT } from '../../i18n';
import { Explanation } from '../../components/findings';
import { findingName, SEVERITY_TONES, sortFindings } from '../../components/findings/labels';
import { Chip, UserText } from '../../components/values';
import { useLocale } from '../../locale';
import { useTraceView } from './context';

/** Faults of the run that its spans show, and what they cost. */
export const Findings = memo(function Findings() {
  const t = useT();
  const { format } = useLocale();
  const { data } = useTraceView();
  // A trace without spans has nothing to search.
  if (data.spans.length === 0 || data.findings?.length === 0) return null;
  const findings = sortFindings(data.findings ?? []);
  return (
    <section className="trace-section">
      <div className="section-head">
        <h2>{t('trace.findings')}</h2>
        <span className="section-note">
          {data.wasted_cost !== null && data.wasted_cost > 0
            ? t('trace.wastedCost', { cost: format.moneyExact(data.wasted_cost) })
            : data.findings && format.count(findings.length)}
        </span>
      </div>
      {data.findings === null && <p className="text-dim text-small">{t('findings.unknownOfTrace')}</p>}
      <ul className="trace-findings">
        {findings.map((finding, at) => (
          <FindingItem key={`${finding.kind} ${at}`} finding={finding} />
        ))}
      </ul>
    </section>
  );
});

function FindingItem({ finding }: { finding: Finding }) {
  const t = useT();
  const { format } = useLocale();
  const { tree, select } = useTraceView();
  const first = finding.span_ids.map((span) => tree.byId.get(span)).find((node) => node !== undefined);
  return (
    <li>
      <Chip tone={SEVERITY_TONES[finding.severity]}>{findingName(t, finding.kind)}</Chip>
      <span>
        <Explanation of={finding} />
        {first && (
          <>
            {' '}
            <button type="button" className="text-link" onClick={() => select(first.span.span_id)}>
              {first.span.title || first.span.name || first.span.op}
            </button>
          </>
        )}
        {finding.wasted_cost !== null && finding.wasted_cost > 0 && (
          <span className="text-dim"> {t('trace.wastedCost', { cost: format.moneyExact(finding.wasted_cost) })}</span>
        )}
        {finding.evidence && (
          <span className="trace-finding-evidence text-dim">
            <UserText text={finding.evidence} />
          </span>
        )}
      </span>
    </li>
  );
}
