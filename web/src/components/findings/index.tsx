import type { Finding, FindingSeverity } from '../../api/types';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { Chip, UserText } from '../values';
import { explanationText } from './explanation';
import { findingName, foundKinds, SEVERITY_TONES } from './labels';

export function SeverityChip({ severity }: { severity: FindingSeverity }) {
  const t = useT();
  return <Chip tone={SEVERITY_TONES[severity]}>{t(`finding.severity.${severity}`)}</Chip>;
}

/** Why a finding was made, in the language of the reader. */
export function Explanation({ of, className }: { of: Pick<Finding, 'reason' | 'explanation'>; className?: string }) {
  const t = useT();
  const { format } = useLocale();
  return <UserText className={className} text={explanationText(t, format.locale, of)} />;
}

/** The most severe kind of finding of a trace, and how many other kinds there are. */
export function FindingsChip({ findings }: { findings: readonly Pick<Finding, 'kind' | 'severity' | 'confidence'>[] }) {
  const t = useT();
  const kinds = foundKinds(findings);
  const [first] = kinds;
  if (first === undefined) return null;
  const all = kinds.map(({ kind, severity, n }) => {
    const name = `${findingName(t, kind)} (${t(`finding.severity.${severity}`)})`;
    return n > 1 ? `${name} × ${n}` : name;
  });
  const tone = SEVERITY_TONES[first.severity];
  return (
    <span className={`chip findings-chip${tone ? ` chip-${tone}` : ''}`} title={all.join('\n')}>
      <span className="ellipsis">{findingName(t, first.kind)}</span>
      {kinds.length > 1 && <span>+{kinds.length - 1}</span>}
    </span>
  );
}
