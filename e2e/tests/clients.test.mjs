// Every client of `cases.mjs`: what the provider was asked and has answered is what the API says, each call counted once.
// `CLIENTS` selects cases (`chooseCases`).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CASES } from '../cases.mjs';
import { costOf, providerOf, sameMoney, unitPrices } from '../costs.mjs';
import { chooseCases, eventually, run, startProvider, startServer } from '../support.mjs';

const chosen = chooseCases(CASES);

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
    case 'sentry-path': {
      // As Sentry's project settings say it for OpenTelemetry: an address of the project, and the key in Sentry's own header.
      const place = `${server.url}/api/${id}/integration/otlp`;
      const headers = `x-sentry-auth=sentry sentry_key=${key}`;
      const each = ['TRACES', 'LOGS'].flatMap((signal) => [[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`, `${place}/v1/${signal.toLowerCase()}`], [`OTEL_EXPORTER_OTLP_${signal}_HEADERS`, headers]]);
      return Object.fromEntries(each);
    }
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
  if (call.status !== 200) return { input_tokens: null, output_tokens: null };
  // What nobody told is unknown, or counted from the text where there is a tokenizer, and said to be so.
  if (!call.usage_sent || lacks.includes('usage')) return { source: [null, 'estimated'] };
  // Anthropic counts what it caches beside its input.
  const beside = ['messages', 'bedrock'].includes(call.api) ? (call.cached ?? 0) + (call.cache_write ?? 0) : 0;
  const special = {
    cache_read_tokens: [call.cached, 'cached'],
    cache_write_tokens: [call.cache_write, 'written'],
    reasoning_tokens: [call.reasoning, 'reasoning'],
    input_audio_tokens: [call.input_audio, 'audio'],
    output_audio_tokens: [call.output_audio, 'audio'],
  };
  const known = Object.entries(special).filter(([, [count, name]]) => count > 0 && !lacks.includes(name));
  const output = lacks.includes('output') ? {} : { output_tokens: call.output_tokens };
  return { input_tokens: call.input_tokens + beside, ...output, ...Object.fromEntries(known.map(([name, [count]]) => [name, count])) };
}

const squeeze = (text) => text.replace(/\s+/g, '');
const texts = (messages) =>
  squeeze((messages ?? []).flatMap(({ parts }) => parts).map((part) => [part.text, part.content, part.name, part.arguments, part.result].filter(Boolean).join(' ')).join(' '));

/** Models go by the name that the client gives them: LiteLLM puts the provider before it, OpenLLMetry takes Bedrock's vendor away. */
const sameModel = (shown, { model, response_model }) =>
  [model, response_model].some((name) => name && shown && (shown === name || shown.endsWith(`/${name}`) || name.endsWith(`.${shown}`)));

const lacksOf = (wants, call) => (typeof wants.lacks === 'function' ? wants.lacks(call) : (wants.lacks ?? []));

/** Whether a span shows a call of the provider's log. */
async function shows(span, call, wants, project) {
  const lacks = lacksOf(wants, call);
  const status = call.status === 200 || lacks.includes('status') ? 'ok' : 'error';
  if (span.status !== status || !sameModel(span.model, call)) return false;
  const wanted = tokens(call, lacks);
  if (Object.entries(wanted).some(([name, count]) => ![count].flat().includes(span.usage?.[name] ?? null))) return false;
  if (lacks.includes('texts') || call.status !== 200) return true;
  const reports = await Promise.all([span, ...twins(span, wants.all ?? [])].map(({ trace_id, span_id }) => server.ask(`/traces/${trace_id}/spans/${span_id}`, project)));
  const asked = squeeze(call.input ?? '').slice(0, 40);
  const answered = squeeze(call.output ?? call.tool_call?.name ?? '').slice(0, 40);
  return reports.some((detail) => texts(detail.input_messages).includes(asked) && texts(detail.output_messages).includes(answered));
}

/** Other reports of the same call, which do not count and may be the ones that have its texts. */
const twins = (span, all) => all.filter(({ counted, exclusion }) => !counted && exclusion?.span_id === span.span_id);

/** What is shown of a call beside its tokens and texts: who answered, how long it took, what it cost. */
function assertBilled(span, call, wants, unpriced) {
  const provider = providerOf(call, wants);
  assert.equal(span.provider, provider, `who answered ${call.model}`);
  assert.ok(span.duration_ms > 0 || lacksOf(wants, call).includes('latency'), `${call.model} took time`);
  const cost = costOf(server, call, span, lacksOf(wants, call), provider);
  assert.ok(sameMoney(span.cost?.total ?? null, cost), `${call.api} ${call.model} costs ${cost}, shown are ${JSON.stringify([span.usage, span.cost])}`);
  const billed = call.status === 200 && call.usage_sent && !lacksOf(wants, call).includes('usage');
  if (billed && !unitPrices(server, span.model, provider)) assert.ok(unpriced.includes(span.model), `${span.model} is listed as unpriced: ${unpriced}`);
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
        seconds: wants.seconds ?? 240,
        dsn: wants.via === 'sentry' && !wants.alone ? 'as told' : '',
        settings: { ...settings(wants.via, project), ...wants.settings },
      });
      assert.ok([0, ...(wants.exits ?? [])].includes(program.status), `it ended with ${program.status}: ${program.out} ${program.err}`);
      const log = provider.calls().filter(wants.calls ?? (() => true));
      assert.ok(log.length > 0, 'the program has called a model');
      const known = (usage) => JSON.stringify(Object.fromEntries(Object.entries(usage ?? {}).filter(([, count]) => count !== null)));
      const line = ({ name, model, status, usage }) => `${name}: ${model} ${status} ${known(usage)}`;
      let spans = [];
      const arrived = async () => {
        spans = await spansOf(project.id);
        const counted = spans.filter(({ kind, counted }) => ['llm', 'embedding'].includes(kind) && counted);
        return counted.length >= log.length + (wants.more ?? 0) && counted;
      };
      const calls = await eventually('all calls', arrived, { seconds: 40 }).catch(({ message }) => {
        const met = spans.map((span) => `${span.kind} ${line(span)} ${span.counted ? '' : JSON.stringify(span.exclusion)}`);
        const asked = log.map(({ api, model, input, status }) => `${api} ${model} ${status} ${input}`);
        throw new Error(`${message}; asked:\n${asked.join('\n')}\nmet:\n${met.slice(0, 60).join('\n')}\n${program.err.slice(-1500)}`);
      });
      assert.equal(calls.length, log.length + (wants.more ?? 0), `each call is counted once:\n${calls.map(line).join('\n')}`);
      const left = [...calls];
      const unpriced = (await server.ask('/prices/unpriced', project.id)).models.map(({ model }) => model);
      // A later call of a conversation shows what an earlier one shows: the calls that fit the fewest spans come first.
      const shown = await Promise.all(
        log.map(async (call) => ({ call, by: (await Promise.all(calls.map(async (span) => (await shows(span, call, { ...wants, all: spans }, project.id)) && span))).filter(Boolean) })),
      );
      for (const { call, by } of shown.sort((one, other) => one.by.length - other.by.length)) {
        const place = left.findIndex((span) => by.includes(span));
        assert.ok(place >= 0, `no span shows ${JSON.stringify(call)}:\n${left.map(line).join('\n')}`);
        const [span] = left.splice(place, 1);
        assertBilled(span, call, wants, unpriced);
      }
      const total = calls.reduce((sum, { cost }) => sum + (cost?.total ?? 0), 0);
      assert.ok(sameMoney((await server.ask('/summary', project.id)).cost ?? 0, total), 'the sum is that of its calls');
      assert.equal(left.length, wants.more ?? 0);
      for (const field of ['session', 'user'].filter((field) => wants[field])) {
        assert.deepEqual([...new Set(calls.map((span) => span[`${field}_id`]))], [wants[field]], field);
      }
      await wants.also?.({ server, project: project.id, spans: await spansOf(project.id), calls, asked: provider.calls() });
    } finally {
      provider.stop();
    }
  });
}
