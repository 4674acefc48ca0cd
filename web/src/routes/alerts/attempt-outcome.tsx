import type { Attempt } from '../../api/types';
import { plain } from '../../format';
import { useT } from '../../i18n';
import { StatusGlyph } from '../../components/icons';
import { useLocale } from '../../locale';

/** How an attempt ended, in a line. */
export function AttemptOutcome({ attempt, delivered }: { attempt: Attempt; delivered: boolean }) {
  const t = useT();
  const { format } = useLocale();
  const took = attempt.duration_ms === null ? null : plain(format.duration(attempt.duration_ms));
  const running = attempt.duration_ms === null && attempt.error === null;
  return (
    <span className="alerts-attempt-outcome">
      <StatusGlyph status={running ? 'running' : delivered ? 'ok' : 'error'} />
      <span className={delivered || running ? 'text-dim' : 'text-error'}>
        {running && t('alerts.deliveryState.sending')}
        {delivered && took !== null && t('alerts.testResult', { status: attempt.status ?? '', took })}
        {attempt.error !== null && (delivered ? `, ${attempt.error}` : attempt.error)}
      </span>
    </span>
  );
}
