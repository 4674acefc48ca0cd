import type { Format } from '../format';
import type { T } from '../i18n';
import type { Range, TimeSpan } from '../range';
import { timeLengthText } from './time-length';

/** The day stands twice only where it is not the same. */
function spanText(format: Format, { from, to }: TimeSpan): string {
  const days = [format.day(from), format.day(to)];
  const end = days[0] === days[1] ? format.hourMinute(to) : `${days[1]} ${format.hourMinute(to)}`;
  return `${days[0]} ${format.hourMinute(from)} – ${end}`;
}

/** `Last 24 h`, or from when to when. */
export const rangeName = (range: Range, t: T, format: Format): string =>
  range.last ? t('bar.last', { length: timeLengthText(t, range.last) }) : spanText(format, range.span);
