import { useT } from '../i18n';
import { Icon } from './icons';

/** In place of texts that the server did not send, or above rows without them. */
export function HiddenMessagesNote() {
  const t = useT();
  return (
    <p className="hidden-messages text-dim text-small" role="note" title={t('hidden.messagesWhy')}>
      <Icon name="key" size="small" />
      {t('hidden.messages')}
    </p>
  );
}

/** The same for a place within a line. */
export function HiddenMessage({ className }: { className?: string }) {
  const t = useT();
  return <span className={className ? `${className} text-dim` : 'text-dim'}>{t('hidden.messages')}</span>;
}
