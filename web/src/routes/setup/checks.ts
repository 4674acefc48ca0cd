import type { TextKey } from '../../i18n';
import { otlpSettings } from './snippets';

/** After this long without anything it is time to look for the reason. */
export const CHECKS_DELAY_MS = 60_000;

/** One thing to look at: what it is, and the line that shows or mends it. */
export interface SetupCheck {
  text: TextKey;
  code?: string;
}

interface ClientChecks {
  begin: TextKey;
  flush: string | null;
  debug: string;
}

/** What differs between clients, by the tab that is chosen. */
const CLIENT_CHECKS: Record<string, ClientChecks> = {
  python: { begin: 'setup.check.startPython', flush: 'sentry_sdk.flush()', debug: 'sentry_sdk.init(..., debug=True)' },
  'python-sdk-3': { begin: 'setup.check.startPython', flush: 'sentry_sdk.flush()', debug: 'sentry_sdk.init(..., debug=True)' },
  javascript: { begin: 'setup.check.startJavascript', flush: 'await Sentry.flush(2000)', debug: 'Sentry.init({ ..., debug: true })' },
  opentelemetry: {
    begin: 'setup.check.startOpentelemetry',
    flush: 'opentelemetry.trace.get_tracer_provider().force_flush()',
    debug: 'opentelemetry-instrument --traces_exporter console,otlp python app.py',
  },
  langfuse: { begin: 'setup.check.startLangfuse', flush: 'get_client().flush()', debug: 'export LANGFUSE_DEBUG=true' },
};
const AGENT_CHECKS: ClientChecks = { begin: 'setup.check.startAgent', flush: null, debug: 'export OTEL_LOG_LEVEL=debug' };

/** What to look at when nothing comes from a client, the likeliest first. */
export function setupChecksOf(client: string, dsn: string): SetupCheck[] {
  const { origin, hostname, port, protocol } = new URL(dsn);
  const { key } = otlpSettings(dsn);
  const { begin, flush, debug } = CLIENT_CHECKS[client] ?? AGENT_CHECKS;
  const here = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  return [
    { text: 'setup.check.address', code: `curl ${origin}/healthz` },
    ...(here ? [{ text: 'setup.check.localAddress' as const, code: `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}` }] : []),
    { text: 'setup.check.firewall', code: `export NO_PROXY=${hostname}` },
    { text: 'setup.check.key', code: key },
    { text: begin },
    ...(flush ? [{ text: 'setup.check.flush' as const, code: flush }] : [{ text: 'setup.check.flushAgent' as const }]),
    { text: 'setup.check.debug', code: debug },
    { text: 'setup.check.content' },
  ];
}
