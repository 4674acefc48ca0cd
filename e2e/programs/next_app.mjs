// A Next.js application with a route that asks a model: built, started, asked in each way that is named.
//     node next_app.mjs otel|sentry HOW...        Environment: LLM_BASE_URL, OTEL_EXPORTER_OTLP_* or SENTRY_DSN
// Its files lie in the folder next; how it reports is added as the documentation of @vercel/otel and of @sentry/nextjs says.
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const [telemetry, ...ways] = process.argv.slice(2);
const REGISTER = {
  otel: `import { registerOTel } from '@vercel/otel';
export function register() {
  registerOTel({ serviceName: 'shop' });
}
`,
  sentry: `import * as Sentry from '@sentry/nextjs';
export function register() {
  Sentry.init({ dsn: process.env.SENTRY_DSN, tracesSampleRate: 1, sendDefaultPii: true, integrations: [Sentry.vercelAIIntegration({ force: true })] });
}
export const onRequestError = Sentry.captureRequestError;
`,
};
const CONFIG = {
  otel: 'export default {};\n',
  sentry: `import { withSentryConfig } from '@sentry/nextjs';
export default withSentryConfig({}, { silent: true, telemetry: false, sourcemaps: { disable: true } });
`,
};
writeFileSync('next/instrumentation.js', REGISTER[telemetry]);
writeFileSync('next/next.config.mjs', CONFIG[telemetry]);

const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', CI: '1' };
const built = spawnSync('next', ['build'], { cwd: 'next', env, encoding: 'utf8' });
if (built.status !== 0) throw new Error(`next build: ${built.stdout} ${built.stderr}`);

const server = spawn('next', ['start', '--port', '0', '--hostname', '127.0.0.1'], { cwd: 'next', env, stdio: ['ignore', 'pipe', 'inherit'] });
const address = await new Promise((resolve, reject) => {
  let out = '';
  server.stdout.on('data', (text) => {
    out += text;
    const found = out.match(/http:\/\/127\.0\.0\.1:\d+/);
    if (found && out.includes('Ready')) resolve(found[0]);
  });
  server.once('exit', () => reject(new Error(out)));
});
for (const how of ways) {
  const answer = await fetch(`${address}/api/ask?how=${how}`);
  console.log(how, answer.status, await answer.text());
}
// It sends in batches, every few seconds.
await sleep(7000);
server.kill();
