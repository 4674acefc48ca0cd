import type { HintName } from '../../api/types';

/** The client's own words for a setting, by what the name of its SDK begins with. The first that fits. */
type BySdk = readonly (readonly [begins: string, code: string])[];

const PYTHON = `sentry_sdk.init(
    dsn=...,
    traces_sample_rate=1.0,
    send_default_pii=True,
)`;
const JAVASCRIPT = `Sentry.init({
  dsn: ...,
  tracesSampleRate: 1.0,
  sendDefaultPii: true,
});`;
/** Where OpenTelemetry's instrumentations of models put prompts and answers. Those of before 2026 know `true` alone. */
export const CAPTURE = 'SPAN_AND_EVENT';
const OTEL = `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=${CAPTURE}
# before 2026: true`;

/** What to change for each hint; nothing where no setting answers it. */
const SETTINGS: Record<HintName, BySdk> = {
  prompts_not_sent: [
    ['sentry.python', PYTHON],
    ['sentry.', JAVASCRIPT],
    ['', OTEL],
  ],
  stream_without_usage: [
    ['sentry.javascript', `stream: true, stream_options: { include_usage: true }`],
    ['', `stream=True, stream_options={"include_usage": True}`],
  ],
  langchain_hides_openai: [
    [
      '',
      `from sentry_sdk.integrations.langchain import LangchainIntegration

sentry_sdk.init(
    dsn=...,
    disabled_integrations=[LangchainIntegration()],
)`,
    ],
  ],
  sampled: [
    ['sentry.python', `traces_sample_rate=1.0`],
    ['sentry.', `tracesSampleRate: 1.0`],
    ['', `OTEL_TRACES_SAMPLER=parentbased_always_on`],
  ],
  old_sdk: [
    ['sentry.python', `pip install --upgrade sentry-sdk`],
    ['sentry.javascript', `npm install @sentry/node@latest`],
  ],
  clock_off: [],
  no_response_model: [],
  unpriced_model: [],
};

/** The lines that answer a hint for an SDK; null where no setting does. */
export const settingFor = (hint: HintName, sdk: string | null | undefined): string | null =>
  SETTINGS[hint].find(([begins]) => (sdk ?? '').startsWith(begins))?.[1] ?? null;

/** Which setting keeps the texts back, for the client that reported. */
export function captureOf(sdk: string | undefined): {
  code: string;
  words: 'trace.missing.python' | 'trace.missing.javascript' | 'trace.missing.otel';
} {
  const code = settingFor('prompts_not_sent', sdk) ?? OTEL;
  if (sdk?.startsWith('sentry.python')) return { code, words: 'trace.missing.python' };
  return { code, words: sdk?.startsWith('sentry.') ? 'trace.missing.javascript' : 'trace.missing.otel' };
}
