import { usageOf } from '../../api/status';
import type { Compared, Span } from '../../api/types';
import { plain } from '../../format';
import { useT } from '../../i18n';
import { Chip } from '../../components/values';
import { useLocale } from '../../locale';

/** Below this difference nothing is said to be faster or slower. */
const NOTABLE_DIFFERENCE = 0.05;

export type PaceDifference = { kind: 'faster' | 'slower'; percent: number } | { kind: 'times'; times: number } | { kind: 'same' };

/** A figure against the median of its kind. */
export function compareToMedian(value: number, median: number): PaceDifference {
  if (!(median > 0)) return { kind: 'same' };
  const ratio = value / median;
  if (Math.abs(ratio - 1) < NOTABLE_DIFFERENCE) return { kind: 'same' };
  if (ratio < 1) return { kind: 'faster', percent: Math.min(99, Math.round((1 - ratio) * 100)) };
  if (ratio < 2) return { kind: 'slower', percent: Math.round((ratio - 1) * 100) };
  return { kind: 'times', times: ratio };
}

/** Whether a figure that is lower than usual says nothing: what failed did not do all of its work. */
export const isUntelling = (pace: PaceDifference, failed: boolean) => failed && pace.kind === 'faster';

interface PaceChipProps {
  span: Span;
  compared: Compared;
  /** Whether something failed in it, although its own status may be ok. */
  failed?: boolean;
}

/** `93 % faster than usual`, and what is usual; nothing if it is fast because it failed. */
export function PaceChip({ span, compared, failed = span.status !== 'ok' }: PaceChipProps) {
  const t = useT();
  const { format } = useLocale();
  const pace = compareToMedian(span.duration_ms ?? 0, compared.median_ms);
  if (isUntelling(pace, failed)) return null;
  const title = t('trace.medianOf', {
    median: plain(format.duration(compared.median_ms)),
    n: format.count(compared.n),
    op: span.op,
    name: span.name,
  });
  if (pace.kind === 'same') return <Chip title={title}>{t('trace.sameAsUsual')}</Chip>;
  if (pace.kind === 'times') {
    return (
      <Chip tone="warning" title={title}>
        {t('trace.timesUsual', { times: format.threeDigits(pace.times) })}
      </Chip>
    );
  }
  return (
    <Chip tone={pace.kind === 'faster' ? 'good' : 'warning'} title={title}>
      {t(pace.kind === 'faster' ? 'trace.faster' : 'trace.slower', { percent: pace.percent })}
    </Chip>
  );
}

/** Tokens that came out in a second, from the first of them on where that is known. */
export function tokensPerSecond(span: Span): number | null {
  const { duration_ms: ms, time_to_first_token_ms: first } = span;
  const tokens = usageOf(span)?.output_tokens ?? null;
  if (tokens === null || tokens === 0 || ms === null) return null;
  const time = ms - (first ?? 0);
  return time <= 0 ? null : tokens / (time / 1000);
}
