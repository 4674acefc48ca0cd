import { useT } from '../i18n';

const isKnown = (level: string) => ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].includes(level);

/** The level of a log line: a word, with a mark in its colour. */
export function LogLevel({ level }: { level: string | null }) {
  const t = useT();
  if (level === null) {
    return (
      <span className="log-level" title={t('logs.noLevel')}>
        –
      </span>
    );
  }
  return (
    <span className={isKnown(level) ? `log-level log-level-${level}` : 'log-level'}>
      <i />
      <span className="ellipsis">{level}</span>
    </span>
  );
}
