import type { TextKey } from '../../i18n';
import { chosenSnippet, otlpSettings } from './snippets';

/** After this long without anything it is time to look for the reason. */
export const CHECKS_DELAY_MS = 60_000;

/** One thing to look at: what it is, and the line that shows or mends it. */
export interface SetupCheck {
  text: TextKey;
  code?: string;
}

/** What to look at when nothing comes from a client, the likeliest first. */
export function setupChecksOf(client: string, dsn: string): SetupCheck[] {
  const { origin, hostname, port, protocol } = new URL(dsn);
  const { key } = otlpSettings(dsn);
  const { begin, flush, debug } = chosenSnippet(client).snippet.checks;
  const here = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  return [
    { text: 'setup.check.address', code: `curl ${origin}/healthz` },
    ...(here ? [{ text: 'setup.check.localAddress' as const, code: `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}` }] : []),
    { text: 'setup.check.firewall', code: `export NO_PROXY=${hostname}` },
    { text: 'setup.check.key', code: key },
    { text: begin },
    ...(flush ? [{ text: 'setup.check.flush' as const, code: flush }] : [{ text: 'setup.check.flushAgent' as const }]),
    ...(debug ? [{ text: 'setup.check.debug' as const, code: debug }] : []),
    { text: 'setup.check.content' },
  ];
}
