import { useState, type FormEvent } from 'react';
import { useRotateKey, useUpdateKey } from '../../api/queries';
import type { Key, KeyPatch } from '../../api/types';
import { useT, type TextKey } from '../../i18n';
import { ConfirmButton } from '../../components/confirm-button';
import { ErrorMessage } from '../../components/states';
import { NumberWithUnit } from '../../components/values';
import { useLocale } from '../../locale';

const MEGABYTE = 1_000_000;

/** How long a replaced key may still be used. */
const OVERLAPS: readonly { value: string; label: TextKey }[] = [
  { value: '1h', label: 'settings.overlapHour' },
  { value: '24h', label: 'settings.overlapDay' },
  { value: '7d', label: 'settings.overlapWeek' },
  { value: '30d', label: 'settings.overlapMonth' },
];

/** Reads the fields of the form; `null` where a number is invalid. */
export function limitsOf(items: string, megabytes: string, origins: string): KeyPatch | null {
  const number = (text: string) => (text.trim() === '' ? null : Number(text));
  const [perMinute, size] = [number(items), number(megabytes)];
  const isValid = (value: number | null) => value === null || (Number.isFinite(value) && value > 0);
  if (!isValid(perMinute) || !isValid(size) || (perMinute !== null && !Number.isInteger(perMinute))) return null;
  return {
    items_per_minute: perMinute,
    bytes_per_day: size === null ? null : Math.max(1, Math.round(size * MEGABYTE)),
    allowed_origins: origins.split(/[\s,]+/).filter(Boolean),
  };
}

/** The limits of one ingest key, and its replacement. */
export function KeyLimits({ project, stored, onClose }: { project: number; stored: Key; onClose: () => void }) {
  const t = useT();
  const { format } = useLocale();
  const update = useUpdateKey(project);
  const rotate = useRotateKey(project);
  const [items, setItems] = useState(stored.items_per_minute?.toString() ?? '');
  const [megabytes, setMegabytes] = useState(stored.bytes_per_day === null ? '' : String(stored.bytes_per_day / MEGABYTE));
  const [origins, setOrigins] = useState(stored.allowed_origins.join('\n'));
  const [overlap, setOverlap] = useState('7d');
  const patch = limitsOf(items, megabytes, origins);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (patch) update.mutate({ key: stored.id, patch }, { onSuccess: onClose });
  };
  const failed = update.error ?? rotate.error;
  return (
    <form className="settings-key-limits" onSubmit={submit} aria-label={t('settings.limitsOf', { name: stored.name })}>
      <h3>{t('settings.limitsOf', { name: stored.name })}</h3>
      <label>
        {t('settings.itemsPerMinute')}
        <input className="field" inputMode="numeric" value={items} onChange={(event) => setItems(event.target.value)} />
      </label>
      <label>
        {t('settings.megabytesPerDay')}
        <input className="field" inputMode="decimal" value={megabytes} onChange={(event) => setMegabytes(event.target.value)} />
      </label>
      <p className="text-dim text-small">
        {t('settings.bytesToday')} <NumberWithUnit v={format.bytes(stored.bytes_today)} />
      </p>
      <label>
        {t('settings.allowedOrigins')}
        <textarea
          className="field"
          rows={3}
          value={origins}
          onChange={(event) => setOrigins(event.target.value)}
          placeholder="https://*.example.com"
          spellCheck={false}
        />
      </label>
      <p className="text-dim text-small">{t('settings.limitsWhy')}</p>
      {!patch && (
        <p className="text-error text-small" role="alert">
          {t('settings.invalidLimit')}
        </p>
      )}
      <p className="row-actions">
        <button type="submit" className="button" disabled={!patch || update.isPending}>
          {t('common.save')}
        </button>
        <button type="button" className="button button-quiet" onClick={onClose}>
          {t('common.cancel')}
        </button>
      </p>
      {stored.expires_at === null && (
        <p className="row-actions">
          <select
            className="field"
            value={overlap}
            onChange={(event) => setOverlap(event.target.value)}
            aria-label={t('settings.oldKeyValid')}
            title={t('settings.oldKeyValid')}
          >
            {OVERLAPS.map(({ value, label }) => (
              <option key={value} value={value}>
                {t(label)}
              </option>
            ))}
          </select>
          <ConfirmButton
            label={t('settings.rotateKey')}
            question={t('settings.rotateConfirm')}
            disabled={rotate.isPending}
            onConfirm={() => rotate.mutate({ key: stored.id, old_key_expires_in: overlap }, { onSuccess: onClose })}
          />
        </p>
      )}
      {failed && <ErrorMessage error={failed} title={t('common.notSaved')} />}
    </form>
  );
}
