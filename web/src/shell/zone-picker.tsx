import * as Popover from '@radix-ui/react-popover';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState, type FormEvent } from 'react';
import { zoneOffset } from '../charts/scale';
import { useT } from '../i18n';
import { Icon } from '../components/icons';
import { useLocale } from '../locale';
import { allZones, localZone, offsetText, searchZones } from '../zones';

/** So many are offered at once; typing narrows them. */
const MAX_SHOWN = 60;

/** The zone that times are shown in: the reader's own, UTC, or any other by its name. */
export function ZonePicker() {
  const t = useT();
  const { zone } = useLocale();
  const [open, setOpen] = useState(false);
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger asChild>
        <button type="button" className="picker zone-picker" title={`${t('bar.zone')}: ${zone}`}>
          <span className="ellipsis">{zone}</span>
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="menu zone-menu" align="end" sideOffset={4} aria-label={t('bar.zone')}>
          <ZoneList onDone={() => setOpen(false)} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

/** The search and what it finds; also within the phone's menu. */
export function ZoneList({ onDone }: { onDone: () => void }) {
  const t = useT();
  const navigate = useNavigate();
  const { zone } = useLocale();
  const { tz } = useSearch({ strict: false }) as { tz?: string };
  const [typed, setTyped] = useState('');
  const [now] = useState(() => Date.now());
  const offsets = useMemo(() => new Map(allZones().map((name) => [name, offsetText(zoneOffset(name, now))])), [now]);
  const found = searchZones(typed, [...offsets.keys()], (name) => offsets.get(name) ?? '');
  const choose = (next: string | undefined) => {
    onDone();
    void navigate({ to: '.', search: (was) => ({ ...was, tz: next }) });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed && found[0]) choose(found[0]);
  };
  const row = (key: string, label: string, chosen: boolean, end: string | undefined, value: string | undefined) => (
    <button
      key={key}
      type="button"
      className={chosen ? 'menu-item is-selected' : 'menu-item'}
      aria-pressed={chosen}
      onClick={() => choose(value)}
    >
      <span className="menu-check">{chosen && <Icon name="check" size="tiny" />}</span>
      <span className="ellipsis">{label}</span>
      {end && <span className="menu-item-end">{end}</span>}
    </button>
  );
  return (
    <>
      <form onSubmit={submit}>
        <input
          className="field"
          type="search"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          placeholder={t('bar.zoneSearch')}
          aria-label={t('bar.zoneSearch')}
        />
      </form>
      {typed === '' && (
        <>
          {row('local', t('bar.local'), tz === undefined, localZone(), undefined)}
          {row('utc', 'UTC', tz === 'utc', '+00:00', 'utc')}
          <hr />
        </>
      )}
      {found.slice(0, MAX_SHOWN).map((name) => row(name, name, tz !== undefined && name === zone, offsets.get(name), name))}
      {found.length > MAX_SHOWN && <p className="text-dim zone-menu-more">{t('bar.zoneMore', { n: found.length - MAX_SHOWN })}</p>}
      {found.length === 0 && <p className="text-dim zone-menu-more">{t('bar.zoneNone')}</p>}
    </>
  );
}
