import type { T } from '../i18n';

/** `24h` in the reader's words. */
export function timeLengthText(t: T, length: string): string {
  const match = /^(\d+)([mhd])$/.exec(length);
  if (!match) return length;
  const [, n = '', unit] = match;
  return t(unit === 'm' ? 'length.minutes' : unit === 'h' ? 'length.hours' : 'length.days', { n });
}

export const bucketWidthText = timeLengthText;
