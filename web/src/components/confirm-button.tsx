import { useState } from 'react';
import { useT } from '../i18n';

interface ConfirmButtonProps {
  label: string;
  /** What the button asks; whether to remove, if left out. */
  question?: string;
  disabled?: boolean;
  onConfirm: () => void;
}

/** Asks once more in place before something goes that cannot be brought back. */
export function ConfirmButton({ label, question, disabled, onConfirm: onSure }: ConfirmButtonProps) {
  const t = useT();
  const [confirming, setConfirming] = useState(false);
  return (
    <button
      type="button"
      className={confirming ? 'button button-danger' : 'button button-quiet'}
      disabled={disabled}
      onBlur={() => setConfirming(false)}
      onClick={() => (confirming ? onSure() : setConfirming(true))}
    >
      {confirming ? (question ?? t('settings.removeConfirm')) : label}
    </button>
  );
}
