import type { ListedLogLine } from '../../api/types';
import { Icon } from '../../components/icons';
import { useT } from '../../i18n';
import { LineDetail } from './line-detail';
import { LogRow } from './log-row';

interface LinkedLineSectionProps {
  project: number;
  /** Undefined if there is no such line. */
  line: ListedLogLine | undefined;
  onClose: () => void;
  onFilter: (term: string) => void;
  onSurroundings: (line: ListedLogLine) => void;
}

/** The line that the address names, where filter or range leave it out of the list. */
export function LinkedLineSection({ project, line, onClose, onFilter, onSurroundings }: LinkedLineSectionProps) {
  const t = useT();
  return (
    <section className="logs-linked" aria-label={t('logs.linked')}>
      <p className="logs-linked-note" role="status">
        <span>{t(line ? 'logs.linkedElsewhere' : 'logs.linkedMissing')}</span>
        <button type="button" className="icon-button-small" aria-label={t('common.close')} title={t('common.close')} onClick={onClose}>
          <Icon name="close" size="tiny" />
        </button>
      </p>
      {line && (
        <div className="logs-item logs-item-alone">
          <LogRow project={project} line={line} isOpen onToggle={onClose} />
          <LineDetail project={project} line={line} onFilter={onFilter} onSurroundings={() => onSurroundings(line)} />
        </div>
      )}
    </section>
  );
}
