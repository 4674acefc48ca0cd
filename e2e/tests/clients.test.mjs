// Every client of `cases.mjs`: what the provider was asked and has answered is what the API says, each call counted once.
// `CLIENTS=all` runs them all, else the fast ones run; `CLIENTS=TEXT` those whose name holds the text.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CASES } from '../cases.mjs';
import { eventually, run, startProvider, startServer } from '../support.mjs';

const wanted = process.env.CLIENTS ?? '';
const chosen = CASES.filter(({ name, fast }) => wanted === 'all' || (wanted ? name.includes(wanted) : fast));

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

/** Where a program reports to, as its documentation says. */
function settings(via, { id, key }) {
  const otlp = { OTEL_EXPORTER_OTLP_ENDPOINT: server.url, OTEL_EXPORTER_OTLP_HEADERS: `x-hinomi-key=${key}` };
  switch (via) {
    case 'sentry':
      return { SENTRY_DSN: `${server.url.replace('//', `//${key}@`)}/${id}`, TELEMETRY: 'sentry' };
    case 'otlp':
      return otlp;
    case 'grpc':
      return { ...otlp, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_INSECURE: 'true' };
    case 'traceloop':
      return { ...otlp, TRACELOOP_BASE_URL: server.url, TRACELOOP_HEADERS: `x-hinomi-key=${key}` };
    case 'langfuse':
      return { LANGFUSE_HOST: server.url, LANGFUSE_BASEURL: server.url, LANGFUSE_BASE_URL: server.url, LANGFUSE_PUBLIC_KEY: key, LANGFUSE_SECRET_KEY: key, TELEMETRY: 'langfuse' };
    default:
      throw new Error(`no way to report: ${via}`);
  }
}

/** The tokens that must be shown of a call of the provider's log. */
function tokens(call, lacks) {
  const unknown = call.status !== 200 || !call.usage_sent || lacks.includes('usage');
  if (unknown) return { input_tokens: null, output_tokens: null };
  // Anthropic counts what it caches beside its input.
  const beside = call.api === 'messages' ? (call.cached ?? 0) + (call.cache_write ?? 0) : 0;
  const special = { cache_read_tokens: [call.cached, 'cached'], cache_write_tokens: [call.cache_write, 'written'], reasoning_tokens: [call.reasoning, 'reasoning'] };
  const known = Object.entries(special).filter(([, [count, name]]) => count > 0 && !lacks.includes(name));
  return { input_tokens: call.input_tokens + beside, output_tokens: call.output_tokens, ...Object.fromEntries(known.map(([name, [count]]) => [name, count])) };
}

const squeeze = (text) => text.replace(/\s+/g, '');
const texts = (messages) =>
  squeeze((messages ?? []).flatMap(({ parts }) => parts).map((part) => [part.text, part.content, part.name, part.arguments, part.result].filter(Boolean).join(' ')).join(' '));

/** Whether a span shows a call of the provider's log. */
async function shows(span, call, { lacks = [] }, project) {
  const status = call.status === 200 || lacks.includes('status') ? 'ok' : 'error';
  if (span.status !== status || ![call.model, call.response_model].includes(span.model)) return false;
  const wanted = tokens(call, lacks);
  if (Object.entries(wanted).some(([name, count]) => (span.usage?.[name] ?? null) !== count)) return false;
  if (lacks.includes('texts') || call.status !== 200) return true;
  const detail = await server.ask(`/traces/${span.trace_id}/spans/${span.span_id}`, project);
  const asked = squeeze(call.input ?? '').slice(0, 40);
  const answered = squeeze(call.output ?? call.tool_call?.name ?? '').slice(0, 40);
  return texts(detail.input_messages).includes(asked) && texts(detail.output_messages).includes(answered);
}

async function spansOf(project) {
  const found = [];
  let cursor = '';
  do {
    const page = await server.ask(`/spans?limit=200${cursor}`, project);
    found.push(...page.spans);
    cursor = page.next_cursor ? `&cursor=${encodeURIComponent(page.next_cursor)}` : null;
  } while (cursor !== null);
  return found;
}

for (const wants of chosen) {
  test(wants.name, async () => {
    const provider = await startProvider();
    try {
      const project = server.project(wants.name);
      const program = await run(wants.program, wants.set, {
        provider,
        args: wants.args,
        seconds: wants.seconds ?? 60,
        dsn: wants.via === 'sentry' ? 'as told' : '',
        settings: { ...settings(wants.via, project), ...wants.settings },
      });
      assert.ok([0, ...(wants.exits ?? [])].includes(program.status), `it ended with ${program.status}: ${program.err}`);
      const log = provider.calls().filter(wants.calls ?? (() => true));
      assert.ok(log.length > 0, 'the program has called a model');
      const calls = await eventually('all calls', async () => {
        const spans = await spansOf(project.id);
        const counted = spans.filter(({ kind, counted }) => ['llm', 'embedding'].includes(kind) && counted);
        return counted.length >= log.length + (wants.more ?? 0) && counted;
      });
      const line = ({ name, model, status, usage }) => `${name}: ${model} ${status} ${JSON.stringify(usage)}`;
      assert.equal(calls.length, log.length + (wants.more ?? 0), `each call is counted once:\n${calls.map(line).join('\n')}`);
      const left = [...calls];
      for (const call of log) {
        const fits = await Promise.all(left.map((span) => shows(span, call, wants, project.id)));
        const place = fits.indexOf(true);
        assert.ok(place >= 0, `no span shows ${JSON.stringify(call)}:\n${left.map(line).join('\n')}`);
        left.splice(place, 1);
      }
      assert.equal(left.length, wants.more ?? 0);
      for (const field of ['session', 'user'].filter((field) => wants[field])) {
        assert.deepEqual([...new Set(calls.map((span) => span[`${field}_id`]))], [wants[field]], field);
      }
      await wants.also?.({ server, project: project.id, spans: await spansOf(project.id), calls });
    } finally {
      provider.stop();
    }
  });
}
