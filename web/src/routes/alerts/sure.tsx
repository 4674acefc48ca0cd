import { useState } from 'react';
import { useT } from '../../i18n';

interface SureProps {
  label: string;
  disabled?: boolean;
  onSure: () => void;
}

/** Asks once more in place before something goes that cannot be brought back. */
export function Sure({ label, disabled, onSure }: SureProps) {
  const t = useT();
  const [sure, setSure] = useState(false);
  return (
    <button
      type="button"
      className={sure ? 'btn danger' : 'btn quiet'}
      disabled={disabled}
      onBlur={() => setSure(false)}
      onClick={() => (sure ? onSure() : setSure(true))}
    >
      {sure ? t('settings.removeConfirm') : label}
    </button>
  );
}
