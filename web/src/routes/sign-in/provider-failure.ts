import { en } from '../../i18n/en';

type FailureKey = Extract<keyof typeof en, `provider.failed.${string}`>;

/** The text for the reason that the server adds to the address after a failed sign-in; null if it is another one. */
export function failureKey(code: string): FailureKey | null {
  const key = `provider.failed.${code}`;
  return Object.hasOwn(en, key) ? (key as FailureKey) : null;
}
