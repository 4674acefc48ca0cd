import { useState, type ReactNode } from 'react';
import { ApiError } from '../api/client';
import { useT } from '../i18n';
import { Icon, type IconName } from './icons';
import { PageLoadError } from './lazy-page';
import { InlineCodeText } from './inline-code-text';

interface ErrorMessageProps {
  error: unknown;
  onRetry?: () => void;
  /** What failed, where that is not the loading of this part. */
  title?: string;
  /** While it is tried again. */
  busy?: boolean;
}

/** In place of the part that failed, or below the form that was not saved; the rest of the page lives on. */
export function ErrorMessage({ error, onRetry, title, busy = false }: ErrorMessageProps) {
  const t = useT();
  const known = error instanceof ApiError ? error : null;
  const code = error instanceof PageLoadError;
  const why = code ? t('common.pageCodeFailedWhy') : known?.code === 'offline' ? t('common.offline') : (known?.message ?? String(error));
  return (
    <div className="error-message" role="alert">
      <Icon name="issues" className="text-error" />
      <div>
        <b>{title ?? t(code ? 'common.pageCodeFailed' : 'common.failed')}</b>
        <p>
          <InlineCodeText text={why} />
        </p>
        {known?.hint && (
          <p className="text-dim">
            <InlineCodeText text={known.hint} />
          </p>
        )}
      </div>
      {onRetry && (
        <button type="button" className="button" disabled={busy} onClick={onRetry}>
          <Icon name="retry" size="small" />
          {t(busy ? 'common.retrying' : 'common.tryAgain')}
        </button>
      )}
    </div>
  );
}

export function EmptyState({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty-state">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

const SKELETON_WIDTHS = [88, 64, 76, 52, 70, 58];

/** Bars at the true height of the rows that will come. */
export function Skeleton({ rows = 5, height = 30 }: { rows?: number; height?: number }) {
  const t = useT();
  return (
    <div role="status" aria-label={t('common.loading')} data-testid="skeleton">
      {Array.from({ length: rows }, (_, at) => (
        <div key={at} style={{ height, display: 'flex', alignItems: 'center' }}>
          <span className="skeleton" style={{ width: `${SKELETON_WIDTHS[at % SKELETON_WIDTHS.length]}%` }} />
        </div>
      ))}
    </div>
  );
}

interface CopyButtonProps {
  /** A function is asked at the time of the click. */
  text: string | (() => string);
  label?: string;
  quiet?: boolean;
  icon?: IconName;
}

export function CopyButton({ text, label, quiet = false, icon = 'copy' }: CopyButtonProps) {
  const t = useT();
  const [done, setDone] = useState(false);
  const copy = async () => {
    await copyText(typeof text === 'string' ? text : text());
    setDone(true);
    window.setTimeout(() => setDone(false), 1600);
  };
  return (
    <button type="button" className={quiet ? 'button button-quiet' : 'button'} title={label} onClick={() => void copy()}>
      <Icon name={done ? 'check' : icon} size="small" />
      <span aria-live="polite">{done ? t('common.copied') : (label ?? t('common.copy'))}</span>
    </button>
  );
}

/** The same without words, where many stand close. */
export function CopyIconButton({ text, label }: { text: string; label?: string }) {
  const t = useT();
  const [done, setDone] = useState(false);
  const copy = async () => {
    await copyText(text);
    setDone(true);
    window.setTimeout(() => setDone(false), 1600);
  };
  const name = done ? t('common.copied') : (label ?? t('common.copy'));
  return (
    <button type="button" className="icon-button-small" title={name} aria-label={name} onClick={() => void copy()}>
      <Icon name={done ? 'check' : 'copy'} size="tiny" />
    </button>
  );
}

/** The clipboard needs a secure page; on plain HTTP from another machine the old way still works. */
export async function copyText(text: string) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const field = document.createElement('textarea');
  field.value = text;
  field.style.position = 'fixed';
  field.style.opacity = '0';
  document.body.append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}
