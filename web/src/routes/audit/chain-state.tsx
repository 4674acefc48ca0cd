import type { AuditEntry } from '../../api/types';
import { Icon } from '../../components/icons';
import { InlineCodeText } from '../../components/inline-code-text';
import { useT } from '../../i18n';
import { useLocale } from '../../locale';
import { missingRanges } from './entry-facts';

interface ChainStateProps {
  /** The newest first. */
  entries: AuditEntry[];
  /** Whether the list leaves entries out. */
  isFiltered: boolean;
}

/** Whether entries are missing from the list, and how to verify their hashes, which the page does not receive. */
export function ChainState({ entries, isFiltered }: ChainStateProps) {
  const t = useT();
  const { format } = useLocale();
  const missing = isFiltered ? [] : missingRanges(entries);
  const ranges = missing.map(([from, to]) => (from === to ? format.count(from) : `${format.count(from)}–${format.count(to)}`)).join(', ');
  const newest = format.count(entries[0]?.sequence ?? 0);
  const oldest = format.count(entries.at(-1)?.sequence ?? 0);
  return (
    <p className={missing.length > 0 ? 'audit-chain is-broken' : 'audit-chain'} role={missing.length > 0 ? 'alert' : undefined}>
      <Icon name={missing.length > 0 ? 'issues' : 'link'} size="small" />
      <span>
        {missing.length > 0 ? (
          <b>{t('audit.chainMissing', { ranges })}</b>
        ) : (
          t(isFiltered ? 'audit.chainFiltered' : 'audit.chainComplete', { oldest, newest })
        )}{' '}
        <InlineCodeText text={t('audit.chainVerify')} />
      </span>
    </p>
  );
}
