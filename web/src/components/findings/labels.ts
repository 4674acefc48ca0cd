import type { Finding, FindingKind, FindingSeverity } from '../../api/types';
import type { T, TextKey } from '../../i18n';

/** Whether the wasted cost includes calls of findings of a kind. */
const WASTES_COST: Record<FindingKind, boolean> = {
  run_limit: true,
  answer_empty: true,
  tool_loop: true,
  retry_storm: true,
  agent_ping_pong: true,
  tool_error_ignored: false,
  bad_tool_arguments: false,
  unknown_tool: false,
  answer_truncated: false,
  context_growth: false,
  wrong_language: false,
  question_repeated: false,
  refusal: false,
};

/** All kinds, the gravest first. */
export const FINDING_KINDS = Object.keys(WASTES_COST) as FindingKind[];

export const isFindingKind = (value: string): value is FindingKind => Object.hasOwn(WASTES_COST, value);
export const wastesCost = (kind: FindingKind) => WASTES_COST[kind];

/** The text of a value of the filter field `finding`: a kind, or a detector; null for one of a newer server. */
export function findingTextKey(value: string): TextKey | null {
  if (isFindingKind(value)) return `finding.${value}`;
  return value === 'signal' ? 'finding.signal' : null;
}

/** A kind or a detector in words. */
export function findingName(t: T, value: string): string {
  const key = findingTextKey(value);
  return key ? t(key) : value.replaceAll('_', ' ');
}

export const SEVERITY_TONES = { info: undefined, warning: 'warning', critical: 'bad' } as const;

const RANKS: Record<FindingSeverity, number> = { critical: 0, warning: 1, info: 2 };

/** Sorts by severity, then by confidence. */
export const sortFindings = <F extends Pick<Finding, 'severity' | 'confidence'>>(findings: readonly F[]): F[] =>
  findings.toSorted((a, b) => RANKS[a.severity] - RANKS[b.severity] || b.confidence - a.confidence);

export interface FoundKind {
  kind: FindingKind;
  severity: FindingSeverity;
  n: number;
}

/** The kinds of findings of a trace, the most severe first. */
export function foundKinds(findings: readonly Pick<Finding, 'kind' | 'severity' | 'confidence'>[]): FoundKind[] {
  const kinds = new Map<FindingKind, FoundKind>();
  for (const { kind, severity } of sortFindings(findings)) {
    const found = kinds.get(kind);
    if (found) found.n += 1;
    else kinds.set(kind, { kind, severity, n: 1 });
  }
  return [...kinds.values()];
}
