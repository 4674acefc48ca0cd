import * as Popover from '@radix-ui/react-popover';
import { useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { zoneOffset } from '../charts/scale';
import { useT } from '../i18n';
import { Icon } from '../components/icons';
import { RELATIVE_RANGES, type RangeSearch } from '../range';
import { useRange, useLocale } from '../locale';
import { rangeName } from './range-name';
import { timeLengthText } from './time-length';

/** A time as a `datetime-local` field takes it, in the page's zone. */
const toDateTimeField = (at: number, zone: string) => new Date(at + zoneOffset(zone, at)).toISOString().slice(0, 16);

function fromDateTimeField(value: string, zone: string): number {
  const asUtc = Date.parse(`${value}:00Z`);
  return asUtc - zoneOffset(zone, asUtc - zoneOffset(zone, asUtc));
}

export function RangePicker() {
  const t = useT();
  const range = useRange();
  const { format, zone } = useLocale();
  const navigate = useNavigate();
  const [open, setOpen] = useState(false);
  // Where the custom range begins to be edited from: the range as it stood when the picker was opened.
  const [end, setEnd] = useState(0);

  const go = (next: RangeSearch) => {
    setOpen(false);
    void navigate({ to: '.', search: (was) => ({ ...was, last: undefined, from: undefined, to: undefined, ...next }) });
  };
  const custom = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const from = fromDateTimeField(String(data.get('from')), zone);
    const to = fromDateTimeField(String(data.get('to')), zone);
    if (to > from) go({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
  };

  const name = rangeName(range, t, format);

  return (
    <Popover.Root
      open={open}
      onOpenChange={(next) => {
        if (next) setEnd(range.last ? Date.now() : Date.parse(range.span.to));
        setOpen(next);
      }}
    >
      <Popover.Trigger asChild>
        <button type="button" className="picker picker-boxed" title={t('bar.range')}>
          <b>{name}</b>
          <Icon name="down" size="tiny" />
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="menu" align="end" sideOffset={4} aria-label={t('bar.range')}>
          {RELATIVE_RANGES.map((last) => (
            <button
              key={last}
              type="button"
              className={range.last === last ? 'menu-item is-selected' : 'menu-item'}
              aria-pressed={range.last === last}
              onClick={() => go({ last })}
            >
              <span className="menu-check">{range.last === last && <Icon name="check" size="tiny" />}</span>
              {t('bar.last', { length: timeLengthText(t, last) })}
            </button>
          ))}
          <hr />
          <form onSubmit={custom}>
            <label htmlFor="range-from">{t('bar.from')}</label>
            <input
              className="field"
              id="range-from"
              name="from"
              type="datetime-local"
              required
              defaultValue={toDateTimeField(end - range.ms, zone)}
            />
            <label htmlFor="range-to">{t('bar.to')}</label>
            <input className="field" id="range-to" name="to" type="datetime-local" required defaultValue={toDateTimeField(end, zone)} />
            <button type="submit" className="button">
              {t('bar.apply')}
            </button>
          </form>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
