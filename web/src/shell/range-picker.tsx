import * as Popover from '@radix-ui/react-popover';
import { useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { zoneOffset } from '../charts/scale';
import type { Format } from '../format';
import { useT } from '../i18n';
import { Icon } from '../parts/icons';
import { LASTS, type RangeSearch, type Span } from '../range';
import { useRange, useReader } from '../reader';
import { lengthText } from './length';

/** A time as a `datetime-local` field takes it, in the page's zone. */
const toField = (at: number, zone: string) => new Date(at + zoneOffset(zone, at)).toISOString().slice(0, 16);

function fromField(value: string, zone: string): number {
  const asUtc = Date.parse(`${value}:00Z`);
  return asUtc - zoneOffset(zone, asUtc - zoneOffset(zone, asUtc));
}

/** The day stands twice only where it is not the same. */
function betweenText(format: Format, { from, to }: Span): string {
  const days = [format.day(from), format.day(to)];
  const end = days[0] === days[1] ? format.hourMinute(to) : `${days[1]} ${format.hourMinute(to)}`;
  return `${days[0]} ${format.hourMinute(from)} – ${end}`;
}

export function RangePicker() {
  const t = useT();
  const range = useRange();
  const { format, zone } = useReader();
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
    const from = fromField(String(data.get('from')), zone);
    const to = fromField(String(data.get('to')), zone);
    if (to > from) go({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
  };

  const name = range.last ? t('bar.last', { length: lengthText(t, range.last) }) : betweenText(format, range.span);

  return (
    <Popover.Root
      open={open}
      onOpenChange={(next) => {
        if (next) setEnd(range.last ? Date.now() : Date.parse(range.span.to));
        setOpen(next);
      }}
    >
      <Popover.Trigger asChild>
        <button type="button" className="pick box" title={t('bar.range')}>
          <b>{name}</b>
          <Icon name="down" size="xs" />
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="menu" align="end" sideOffset={4} aria-label={t('bar.range')}>
          {LASTS.map((last) => (
            <button
              key={last}
              type="button"
              className={range.last === last ? 'mi on' : 'mi'}
              aria-pressed={range.last === last}
              onClick={() => go({ last })}
            >
              <span className="tickm">{range.last === last && <Icon name="check" size="xs" />}</span>
              {t('bar.last', { length: lengthText(t, last) })}
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
              defaultValue={toField(end - range.ms, zone)}
            />
            <label htmlFor="range-to">{t('bar.to')}</label>
            <input className="field" id="range-to" name="to" type="datetime-local" required defaultValue={toField(end, zone)} />
            <button type="submit" className="btn">
              {t('bar.apply')}
            </button>
          </form>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
