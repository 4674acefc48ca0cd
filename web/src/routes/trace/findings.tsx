import { memo } from 'react';
import type { Finding } from '../../api/types';
import { useT } from '../../i18n';
import { Chip, UserText } from '../../components/values';
import { useLocale } from '../../locale';
import { useTraceView } from './context';

const TONES = { info: undefined, warning: 'warning', critical: 'bad' } as const;

/** Faults of the run that its spans show, and what they cost. */
export const Findings = memo(function Findings() {
  const t = useT();
  const { format } = useLocale();
  const { data } = useTraceView();
  const findings = data.findings ?? [];
  if (findings.length === 0) return null;
  return (
    <section className="trace-section">
      <div className="section-head">
        <h2>{t('trace.findings')}</h2>
        <span className="section-note">
          {data.wasted_cost !== null && data.wasted_cost > 0
            ? t('trace.wastedCost', { cost: format.moneyExact(data.wasted_cost) })
            : format.count(findings.length)}
        </span>
      </div>
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
  const { tree, select } = useTraceView();
  const first = finding.span_ids.map((span) => tree.byId.get(span)).find((node) => node !== undefined);
  return (
    <li>
      <Chip tone={TONES[finding.severity]}>{t(`finding.${finding.kind}`)}</Chip>
      <span>
        <UserText text={finding.explanation} />
        {first && (
          <>
            {' '}
            <button type="button" className="text-link" onClick={() => select(first.span.span_id)}>
              {first.span.title || first.span.name || first.span.op}
            </button>
          </>
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
