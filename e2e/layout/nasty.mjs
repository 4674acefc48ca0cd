// A project full of what strains a layout: long names without a space, scripts of both directions, wide letters, markup, figures of any size,
// many of everything, and nothing at all. It is sent as programs send it.
import { randomBytes } from 'node:crypto';
import { eventually } from '../support.mjs';

const hex = (digits) => randomBytes(digits / 2).toString('hex');
const long = (word, letters) => word.repeat(Math.ceil(letters / word.length)).slice(0, letters);

export const LONG = {
  name: long('reconcile_every_invoice_', 500).replaceAll('_', ''),
  id: long('0c5f9e1b7a', 200),
  model: long('swallow-70b-instruct-', 200),
  short: long('Supercalifragilistic', 90),
};
/** One of each kind of text that people and programs put into a name. */
const TEXTS = {
  long: LONG.name,
  japanese: long('四半期決算報告書自動要約生成処理', 120),
  rtl: 'تلخيص التقرير المالي للربع الثالث من السنة \u202Eabc\u202C وإرساله إلى جميع المديرين في الشركة',
  emoji: long('👩‍👩‍👧‍👦🏳️‍🌈🚀', 400),
  html: '<img src=x onerror="document.title=\'owned\'"><b>bold</b></td></tr></table><script>alert(1)</script>',
  ordinary: 'POST /api/trips/plan',
};
const MESSAGE = `Traceback: ${long('the upstream provider closed the connection while the answer was being read; ', 1400)}\n${long('eyJhbGciOiJIUzI1NiJ9', 800)}\n${long('接続が切断されました。', 800)}`;
const PROSE = [
  `# ${LONG.short}`,
  long('This paragraph has ordinary words and wraps wherever it likes. ', 700),
  LONG.name,
  TEXTS.rtl,
  TEXTS.japanese,
  TEXTS.html,
  `| ${Array.from({ length: 14 }, (_, at) => `column ${at}`).join(' | ')} |\n|${'---|'.repeat(14)}\n| ${Array.from({ length: 14 }, () => 'a cell of a table').join(' | ')} |`,
  `\`\`\`json\n{"${LONG.short}": "${LONG.name}"}\n\`\`\``,
  `- [a link](https://example.com/${LONG.name})\n- ${TEXTS.emoji}\n  - ${LONG.id}`,
].join('\n\n');

const MODELS = Array.from({ length: 40 }, (_, at) => ['gpt-4o-2024-08-06', 'claude-sonnet-4-5-20250929', 'gemini-2.5-pro', LONG.model, 'モデル・日本語特化型大規模言語'][at % 5] + (at < 5 ? '' : `-${at}`));

/** A trace as Sentry's SDKs send it, of spans `{ op, name, data, status, at, takes, below }` (seconds; `below` the index of its parent). */
function transaction({ name, spans, seconds = 12, user, tags = {}, release = '2026.11.4', environment = 'production', op = 'function', status = 'ok', ago = 600 }) {
  const trace = hex(32);
  const root = hex(16);
  const ids = spans.map(() => hex(16));
  const start = Date.now() / 1000 - ago;
  const sdk = { name: 'sentry.python', version: '2.75.0' };
  const of = (span, at) => {
    const from = start + (span.at ?? 0.01 * at);
    return {
      trace_id: trace,
      span_id: ids[at],
      parent_span_id: span.below === undefined ? root : ids[span.below],
      op: span.op,
      description: span.name,
      start_timestamp: from,
      timestamp: from + (span.takes ?? 1.2),
      status: span.status ?? 'ok',
      origin: 'auto.ai.openai',
      data: span.data ?? {},
    };
  };
  const payload = {
    event_id: hex(32),
    type: 'transaction',
    transaction: name,
    platform: 'python',
    sdk,
    release,
    environment,
    tags,
    user: user === undefined ? undefined : { id: user },
    start_timestamp: start,
    timestamp: start + seconds,
    contexts: { trace: { trace_id: trace, span_id: root, op, status, origin: 'manual' } },
    spans: spans.map(of),
  };
  return { trace, root, ids, payload, time: start };
}

const messages = (system, question) => JSON.stringify([{ role: 'system', content: system }, { role: 'user', content: question }]);

function call({ model = 'gpt-4o-2024-08-06', input, output, question = 'How long will it take?', answer = 'About two hours.', agent, session, ...rest }) {
  return {
    op: 'gen_ai.chat',
    name: `chat ${model}`,
    ...rest,
    data: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': model,
      'gen_ai.response.model': model,
      'gen_ai.request.messages': messages('Answer as briefly as you can.', question),
      'gen_ai.response.text': JSON.stringify([answer]),
      ...(input !== undefined && { 'gen_ai.usage.input_tokens': input, 'gen_ai.usage.output_tokens': output, 'gen_ai.usage.input_tokens.cached': Math.floor(input / 3) }),
      ...(agent && { 'gen_ai.agent.name': agent }),
      ...(session && { 'gen_ai.conversation.id': session }),
      ...rest.data,
    },
  };
}

const tool = (name, more = {}) => ({
  op: 'gen_ai.execute_tool',
  name: `execute_tool ${name}`,
  ...more,
  data: {
    'gen_ai.tool.name': name,
    'gen_ai.tool.input': JSON.stringify({ [LONG.short]: LONG.name, html: TEXTS.html }),
    'gen_ai.tool.output': JSON.stringify({ result: MESSAGE }),
    ...more.data,
  },
});

const agent = (name, pipeline, more = {}) => ({
  op: 'gen_ai.invoke_agent',
  name: `invoke_agent ${name}`,
  ...more,
  data: { 'gen_ai.agent.name': name, 'gen_ai.pipeline.name': pipeline },
});

/** An error event as Sentry's SDKs send it. */
function failure({ type, value, of, user, tags = {} }) {
  const frame = (at) => ({
    function: at === 0 ? LONG.name : `handle_${at}`,
    module: `shop.${LONG.short}`,
    filename: `/srv/${LONG.short}/${LONG.short}/handlers.py`,
    abs_path: `/srv/${LONG.short}/${LONG.short}/handlers.py`,
    lineno: 1_000_000 + at,
    in_app: at % 2 === 0,
    context_line: `    return client.responses.create(model="${LONG.model}", input=${LONG.short})`,
    vars: { [LONG.short]: LONG.name, question: TEXTS.rtl, order: { [LONG.short]: { [LONG.short]: [LONG.name, TEXTS.html] } } },
  });
  return {
    event_id: hex(32),
    timestamp: Date.now() / 1000 - 300,
    platform: 'python',
    level: 'error',
    server_name: LONG.short,
    release: LONG.short,
    environment: LONG.short,
    transaction: LONG.name,
    user: { id: user },
    tags: { ...tags, [LONG.short.slice(0, 32)]: LONG.id },
    sdk: { name: 'sentry.python', version: '2.75.0' },
    modules: { [LONG.short]: '1.0', openai: '3.57.0' },
    contexts: { trace: of && { trace_id: of.trace, span_id: of.ids[0] ?? of.root }, [LONG.short]: { [LONG.short]: LONG.name } },
    extra: { [LONG.short]: MESSAGE },
    request: { url: `https://shop.example/${LONG.name}`, method: 'POST', headers: { 'User-Agent': LONG.name } },
    message: LONG.name,
    fingerprint: [LONG.name, '{{ default }}'],
    threads: { values: [{ id: LONG.short, name: LONG.name, stacktrace: { frames: [frame(0), frame(1)] } }] },
    breadcrumbs: {
      values: [9000, 61, 1].map((before) => ({ timestamp: Date.now() / 1000 - 300 - before, category: LONG.short, message: MESSAGE, level: 'warning', data: { [LONG.short]: LONG.name } })),
    },
    exception: { values: [{ type: LONG.short, value: TEXTS.rtl, mechanism: { type: LONG.short, source: LONG.short, help_link: `https://example.com/${LONG.name}`, data: { [LONG.short]: LONG.name } }, stacktrace: { frames: [frame(0)] } }, { type, value, module: LONG.short, mechanism: { type: 'generic', handled: false }, stacktrace: { frames: Array.from({ length: 24 }, (_, at) => frame(at)) } }] },
  };
}

function traces() {
  const of = (name, spans, more) => transaction({ name, spans, ...more });
  const huge = of(
    LONG.name,
    [
      agent(LONG.short, LONG.name, { takes: 11 }),
      call({ below: 0, model: LONG.model, input: 1_100_000_000_000, output: 220_000_000_000, question: PROSE, answer: PROSE, agent: LONG.short, session: LONG.id, takes: 4 }),
      tool(LONG.short, { below: 0, at: 4.5 }),
      tool(LONG.name, { below: 0, at: 6, status: 'internal_error' }),
      call({ below: 0, at: 8, model: 'gpt-4o-2024-08-06', status: 'internal_error', session: LONG.id }),
      { op: 'http.client', name: `POST https://api.example.com/${LONG.name}`, below: 1, takes: 3.5 },
      { op: long('http.client.', 120), name: TEXTS.emoji, below: 4 },
    ],
    { user: LONG.id, tags: { [LONG.short.slice(0, 32)]: LONG.id, plan: 'free' }, release: LONG.id, environment: long('production', 60), status: 'internal_error', ago: 300 },
  );
  const wide = of(
    TEXTS.ordinary,
    [agent('booking-agent', 'Trip planner', { takes: 11 }), ...MODELS.map((model, at) => call({ below: 0, at: 0.2 * at, model, input: 1200 * (at + 1), output: 90, agent: `agent ${at}` }))],
    { user: 'u_2290', session: 's1', ago: 900 },
  );
  const deep = of(
    'deep',
    Array.from({ length: 42 }, (_, at) => ({ op: 'function', name: at % 3 ? `step ${at}` : LONG.short, ...(at > 0 && { below: at - 1 }), at: at * 0.05, takes: 10 - at * 0.1 })),
    { ago: 1200 },
  );
  const texts = Object.entries(TEXTS).map(([kind, text], at) =>
    of(text, [agent(text, text, { takes: 5 }), call({ below: 0, input: 26, output: 217, question: text, answer: text, agent: text, session: text.slice(0, 200) }), tool(text, { below: 0, at: 2 })], {
      user: text.slice(0, 200),
      tags: { kind },
      ago: 1500 + at * 60,
    }),
  );
  // The same tool call again and again, each time after the model asked for it.
  const loop = of(
    LONG.name,
    [
      agent(LONG.short, LONG.name, { takes: 12 }),
      ...[0, 1, 2, 3, 4].flatMap((turn) => [call({ below: 0, at: 2 * turn, takes: 0.8, input: 1200, output: 90, answer: 'Once more.' }), tool(LONG.name, { below: 0, at: 2 * turn + 1, takes: 0.8 })]),
    ],
    { user: LONG.id, ago: 1800 },
  );
  const unknown = of('', [call({ model: LONG.model })], { ago: 2400 });
  const little = of('embed', [{ op: 'gen_ai.embeddings', name: 'embeddings text-embedding-3-small', data: { 'gen_ai.operation.name': 'embeddings', 'gen_ai.request.model': 'text-embedding-3-small', 'gen_ai.usage.input_tokens': 15 } }], { ago: 2500 });
  const million = of('month end', [call({ model: 'million', input: 1_000_000, output: 0 })], { user: 'u_1', ago: 2600 });
  return { huge, wide, deep, loop, unknown, little, million, texts };
}

/** Many small ones, so that lists have pages and charts have more than a bar. */
const many = (count) => Array.from({ length: count }, (_, at) => transaction({ name: `${TEXTS.ordinary}/${at}`, spans: [call({ input: 900 + at, output: 40, model: MODELS[at % 40] })], user: `${LONG.id}${at % 30}`, ago: 3600 + at * 700 }));

export async function fill(server) {
  const send = async (path, body, { key = new URL(server.dsn).username, type = 'application/json' } = {}) => {
    const headers = { 'content-type': type, 'x-hinomi-key': key, 'x-sentry-auth': `Sentry sentry_key=${key}, sentry_version=7` };
    const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body });
    return { ok: response.ok, text: await response.text() };
  };
  const envelope = async (payload, type) => {
    const body = JSON.stringify(payload);
    const { ok, text } = await send('/api/1/envelope/', `${JSON.stringify({ event_id: payload.event_id })}\n${JSON.stringify({ type, length: Buffer.byteLength(body) })}\n${body}\n`, { type: 'application/x-sentry-envelope' });
    if (!ok) throw new Error(`${type}: ${text}`);
  };
  const json = async (path, body) => {
    const { ok, text } = await send(path, JSON.stringify(body));
    if (!ok) throw new Error(`${path}: ${text}`);
  };

  await server.change('', { name: LONG.short, currency: { code: 'JPY', rate: 150 } }, { method: 'PATCH' });
  await server.change('/keys', { name: LONG.short });
  const prices = [{ model: 'million', prices: { input: 1_000_000 } }, { model: LONG.model, prices: { input: 0.9, output: 0.0000003 } }, { model: `${LONG.model.slice(0, 199)}*`, provider: LONG.short.toLowerCase(), service_tier: 'batch', prices: { input: 0.0000003 } }];
  for (const price of prices) await server.change('/prices', price);

  // Rules before spans, so that what comes makes them fire.
  const targets = {
    [LONG.short]: { kind: 'webhook', url: `http://127.0.0.1:9/${LONG.id}` },
    'On call': { kind: 'email', host: '127.0.0.1', port: 9, security: 'none', from: `Hinomi <hinomi@${long('example.', 60)}com>`, to: [`${long('oncall', 60)}@example.com`, 'b@example.com'] },
  };
  const ids = [];
  for (const [name, address] of Object.entries(targets)) ids.push((await server.change('/alerts/targets', { name, address })).id);
  const notify = { targets: ids };
  const budgets = [
    { name: LONG.short, amount: 0.0003, period: 'day', time_zone: 'Asia/Tokyo', steps: [50, 80, 100], notify },
    { name: 'A month', amount: 1_000_000, period: 'month', time_zone: 'UTC', steps: [50, 100], notify, filter: `user:${LONG.id}` },
    { name: '<b>bold<img src=x onerror=alert(1)>', amount: 12_345_678, period: 'week', time_zone: 'UTC', steps: [100], group_by: 'user', notify },
  ];
  for (const budget of budgets) await server.change('/alerts/budgets', budget);
  const rules = [
    { name: long(LONG.short, 100), measure: 'calls', window: '1h', warning: 0, group_by: 'user', filter: `model:${LONG.model},gpt-4o*`, owner: LONG.short, notify },
    { name: TEXTS.rtl.slice(0, 90), measure: 'cost', window: '24h', warning: 0.1, critical: 1000, notify },
    { name: '四半期決算報告書自動要約生成処理の失敗率', measure: 'error_rate', window: '7d', warning: 0.999999, notify },
  ];
  const made = [];
  for (const rule of rules) made.push(await server.change('/alerts/rules', rule));

  const all = traces();
  for (const { payload } of [all.huge, all.wide, all.deep, all.loop, all.unknown, all.little, all.million, ...all.texts, ...many(60)]) await envelope(payload, 'transaction');
  await eventually('the loop is found', async () => (await server.ask('/findings/summary')).kinds.some(({ kind }) => kind === 'tool_loop'), { seconds: 60 });
  const failures = [
    { type: LONG.id, value: MESSAGE, of: all.huge, user: LONG.id },
    { type: 'RateLimitError', value: MESSAGE, of: all.wide, user: 'u_2290' },
    ...Object.values(TEXTS).map((text) => ({ type: text.slice(0, 200), value: text, of: all.deep, user: text.slice(0, 200) })),
    ...Array.from({ length: 30 }, (_, at) => ({ type: `Error${at}`, value: `${MESSAGE.slice(0, 200)} ${at}`, of: all.deep, user: `u_${at}` })),
  ];
  for (const one of failures) await envelope(failure(one), 'event');

  const text = (key, value) => ({ key, value: { stringValue: value } });
  const now = Date.now();
  const nanos = (ms) => `${Math.round(ms)}000000`;
  const metrics = [
    { name: 'shop.orders', unit: '{order}', description: long('Orders that were paid, sent and kept. ', 600), models: MODELS },
    { name: long('shop.checkout.', 180), unit: long('{thing}', 60), description: TEXTS.rtl, models: Object.values(TEXTS).map((value) => value.slice(0, 200)) },
  ].map(({ models, ...metric }) => ({
    ...metric,
    sum: {
      isMonotonic: true,
      aggregationTemporality: 1,
      dataPoints: models.flatMap((model, at) => [2, 1, 0].map((back) => ({ timeUnixNano: nanos(now - back * 900_000), asInt: `${10 ** (at % 13)}`, attributes: [text('model', model), text(LONG.short, LONG.id)] }))),
    },
  }));
  await json('/v1/metrics', { resourceMetrics: [{ resource: { attributes: [text('service.name', LONG.short)] }, scopeMetrics: [{ metrics }] }] });
  const logRecords = [MESSAGE, TEXTS.html, TEXTS.rtl, LONG.name, 'ordinary'].map((body, at) => ({
    traceId: all.huge.trace,
    spanId: all.huge.ids[0],
    timeUnixNano: nanos(all.huge.time * 1000 + at * 100),
    severityNumber: 9 + at * 2,
    severityText: at === 1 ? LONG.short : undefined,
    body: { stringValue: body },
    attributes: [text('logger.name', LONG.short), text(LONG.short, LONG.name)],
  }));
  // Of a trace whose spans never arrive, and of none.
  const spanless = { trace: hex(32), ids: [hex(16)], root: hex(16) };
  const others = [MESSAGE, TEXTS.html, TEXTS.japanese].flatMap((body, at) =>
    [spanless.trace, undefined].map((traceId) => ({
      ...(traceId && { traceId, spanId: spanless.ids[0] }),
      timeUnixNano: nanos(now - 300_000 + at * 7_000),
      severityNumber: 5 + at * 8,
      body: { stringValue: body },
      attributes: [text(LONG.short, LONG.name)],
    })),
  );
  await json('/v1/logs', { resourceLogs: [{ scopeLogs: [{ logRecords: [...logRecords, ...others] }] }] });
  await envelope(failure({ type: LONG.id, value: MESSAGE, of: spanless, user: LONG.id }), 'event');
  for (const [name, value] of [[LONG.short, 0.123456789012], ['helpful', 1], ['label', TEXTS.japanese.slice(0, 60)]]) {
    await server.change('/scores', { name, value, trace_id: all.huge.trace, comment: MESSAGE.slice(0, 900), ...(typeof value === 'string' && { data_type: 'CATEGORICAL' }) });
  }

  // What is refused, and what nothing became of.
  await send('/api/1/envelope/', '{}', { key: long('0123456789abcdef', 32) });
  await send('/api/1/envelope/', `{"event_id":"${hex(32)}"}\n{"type":"${LONG.short}"}\n{}\n`);
  await send('/v1/traces', '{"resourceSpans":[]}', { key: LONG.short });

  const day = (back) => new Date(now - back * 86_400_000).toISOString().slice(0, 10);
  const bill = ['day,model,amount', ...MODELS.map((model, at) => `${day(1 + (at % 9))},${model},${at === 3 ? 1_000_000 : 0.0000003 * (at + 1)}`), `never,${LONG.model},1`, `${day(0)},million,1000000`].join('\n');
  const imported = await server.upload(`/bill?name=${encodeURIComponent(`${LONG.short}.csv`)}`, bill);

  const incidents = await eventually('the rules fire', async () => {
    const { incidents } = await server.ask('/alerts/incidents');
    return incidents.some(({ source }) => source === 'budget') && incidents.some(({ source }) => source === 'rule') && incidents;
  });
  const of = (source) => incidents.find((incident) => incident.source === source);
  await server.change(`/alerts/incidents/${of('budget').id}/notes`, { text: long(`${LONG.name} `, 900) });
  const { issues } = await server.ask('/issues?limit=100');
  // A receipt of a deletion; the first letters of its hash stand on the page.
  await server.change(`/traces/${all.texts.at(-1).trace}`, undefined, { method: 'DELETE' });
  const line = (await server.ask('/logs?q=level:fatal')).logs[0];
  const shares = [];
  for (const [of, messages] of [[all.huge, true], [all.deep, true], [spanless, false]]) {
    const { url } = await server.change('/shares', { target: 'trace', id: of.trace, messages });
    shares.push(new URL(url).pathname.split('/').at(-1));
  }
  return { all, spanless, line, shares, imported, rule: made[0].id, budget: of('budget').rule_id, incidents: { budget: of('budget').id, rule: of('rule').id }, issues };
}
