import { Link } from '@tanstack/react-router';
import type { ListedLogLine } from '../../api/types';
import { HiddenMessage } from '../../components/hidden-messages';
import { Icon } from '../../components/icons';
import { LogLevel } from '../../components/log-level';
import { Timestamp, UserText } from '../../components/values';
import { useT } from '../../i18n';
import { useRange } from '../../locale';
import { issueTarget, traceTarget } from './line-links';

interface LogRowProps {
  project: number;
  line: ListedLogLine;
  isOpen: boolean;
  onToggle: () => void;
}

/** A line in one row. The button is the row; the links lie above it. */
export function LogRow({ project, line, isOpen, onToggle }: LogRowProps) {
  const t = useT();
  const range = useRange();
  return (
    <div className="logs-row">
      <button
        type="button"
        className="logs-toggle"
        data-testid="log-line"
        aria-expanded={isOpen}
        aria-label={t('logs.open')}
        onClick={onToggle}
      >
        <Icon name={isOpen ? 'down' : 'right'} size="tiny" />
      </button>
      <span className="logs-time">
        <Timestamp at={line.time} precise />
      </span>
      <LogLevel level={line.level} />
      {line.messages_hidden ? (
        <HiddenMessage className="logs-body ellipsis" />
      ) : (
        <UserText className="logs-body ellipsis" text={line.body} />
      )}
      <span className="logs-links">
        {line.issue_id !== null && (
          <Link className="logs-link" {...issueTarget(project, line, range)} title={t('trace.openIssue')}>
            <Icon name="issues" size="tiny" />
            <span>#{line.issue_id}</span>
          </Link>
        )}
        {line.trace_id !== null && (
          <Link className="logs-link" {...traceTarget(project, line)} title={`${t('issues.openTrace')} ${line.trace_id}`}>
            <Icon name="traces" size="tiny" />
            <code>{line.trace_id.slice(0, 8)}</code>
          </Link>
        )}
      </span>
    </div>
  );
}
