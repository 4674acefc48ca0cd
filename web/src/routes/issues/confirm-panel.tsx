import { useEffect, useRef, type ReactNode } from 'react';
import { useT } from '../../i18n';

interface ConfirmPanelProps {
  title: string;
  children: ReactNode;
  action: string;
  busy: boolean;
  error: Error | null;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Says in place what an action does, and what undoes it, before it is done. */
export function ConfirmPanel({ title, children, action, busy, error, onConfirm, onCancel }: ConfirmPanelProps) {
  const t = useT();
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  return (
    <div
      className="issues-confirm"
      role="group"
      aria-label={title}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        // Escape would leave the page.
        event.preventDefault();
        event.stopPropagation();
        onCancel();
      }}
    >
      <b>{title}</b>
      <div className="issues-confirm-text">{children}</div>
      {error && (
        <p className="text-error" role="alert">
          {error.message}
        </p>
      )}
      <div className="form-actions">
        <button type="button" className="button button-primary" ref={button} disabled={busy} onClick={onConfirm}>
          {action}
        </button>
        <button type="button" className="button" onClick={onCancel}>
          {t('common.cancel')}
        </button>
      </div>
    </div>
  );
}
