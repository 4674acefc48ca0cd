import { crawler } from './sample-traces/crawler.mjs';
import { failedCall } from './sample-traces/failed-call.mjs';
import { hostileContent } from './sample-traces/hostile-content.mjs';
import { tripAgent } from './sample-traces/trip-agent.mjs';

// Deterministic data for the mock server: one project with traffic, one that is empty.
const HOUR = 3_600_000;
export const START = Math.floor(Date.now() / 1000) * 1000;

function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
const rnd = random(20261123);
const pick = (list) => list[Math.floor(rnd() * list.length)];
const hex = (length) => Array.from({ length }, () => Math.floor(rnd() * 16).toString(16)).join('');

/** dollars per million tokens: input, cached input, output */
const PRICES = {
  'gpt-4o': [2.5, 1.25, 10],
  'gpt-4o-mini': [0.15, 0.075, 0.6],
  'claude-sonnet-4-5': [3, 0.3, 15],
  'gpt-3.5-turbo-0125': [0.5, 0.5, 1.5],
};
const PROVIDERS = {
  'gpt-4o': 'openai',
  'gpt-4o-mini': 'openai',
  'claude-sonnet-4-5': 'anthropic',
  'gpt-3.5-turbo-0125': 'openai',
  'swallow-70b-instruct': 'vllm',
};
const PIPELINES = [
  { name: 'support-answer', weight: 48, models: ['gpt-4o', 'gpt-4o-mini'], input: 1900, output: 200, ms: 2200, cached: 0.48 },
  { name: 'doc-search', weight: 28, models: ['gpt-4o-mini', 'gpt-4o-mini'], input: 2100, output: 120, ms: 900, cached: 0.07 },
  { name: 'review-digest', weight: 14, models: ['gpt-4o-mini'], input: 6000, output: 260, ms: 4400, cached: 0 },
  { name: 'intent-lab', weight: 7, models: ['swallow-70b-instruct'], input: 520, output: 94, ms: 800, cached: 0 },
  {
    name: 'trip-planner',
    weight: 4,
    models: ['claude-sonnet-4-5', 'gpt-4o-mini', 'claude-sonnet-4-5', 'claude-sonnet-4-5'],
    input: 11_000,
    output: 380,
    ms: 5200,
    cached: 0.84,
  },
];
const TALK = [
  ['キャンセル料はいつから発生しますか', 'ご出発の21日前から20%、7日前から30%、前日は50%が発生します。'],
  ['鎌倉から日帰りで行ける温泉と、混雑しない時間帯を教えて', '箱根湯本なら平日の午前中が比較的すいています。'],
  [
    'Is travel insurance included in the Okinawa family package?',
    'Yes. Section 4.2 covers medical costs up to ¥10 million; cancellation is separate.',
  ],
  ['来週末に金沢へ2泊、海鮮と美術館を中心に', '2泊3日の案をまとめました。1日目は近江町市場と21世紀美術館です。'],
  ['How do I download the invoice for a group booking?', 'Open Bookings, choose the group, then "Documents".'],
  ['領収書を再発行してほしい', '{"intent":"receipt_reissue","confidence":0.97}'],
  ['<img src=x onerror=alert(1)> と書いたら?', 'その文字列はそのまま表示されます。'],
  ['ペットと泊まれる宿はありますか', 'はい、全国で142軒ございます。'],
];
const ERRORS = [
  ['RateLimitError', '429 Rate limit reached for gpt-4o (tokens per min)', 'answer in support/pipeline.py'],
  ['TimeoutError', 'search_flights: no answer after 10 s', 'search_flights in tools/flights.py'],
  ['JSONDecodeError', 'Expecting value: line 1 column 1 (char 0)', 'parse in lab/intent.py'],
];

const iso = (at) => new Date(at).toISOString().replace('Z', '000Z');
const total = PIPELINES.reduce((sum, { weight }) => sum + weight, 0);

function choosePipeline() {
  let left = rnd() * total;
  return PIPELINES.find(({ weight }) => (left -= weight) < 0) ?? PIPELINES[0];
}

const NO_USAGE = {
  input_tokens: null,
  output_tokens: null,
  total_tokens: null,
  cache_read_tokens: null,
  cache_write_tokens: null,
  reasoning_tokens: null,
  input_audio_tokens: null,
  output_audio_tokens: null,
  input_image_tokens: null,
  output_image_tokens: null,
  units: { searches: null, images: null, characters: null, audio_seconds: null, rerank_units: null },
  source: null,
};

/** Whether the tokens of a span are known. */
export const hasUsage = ({ usage }) => usage.source !== null;

export function span(trace, parent, { usage, cost, ...fields }) {
  return {
    project_id: 1,
    trace_id: trace,
    span_id: hex(16),
    parent_span_id: parent,
    name: '',
    title: null,
    op: '',
    kind: 'other',
    operation: null,
    origin: 'manual',
    provider: null,
    provider_inferred: false,
    model: null,
    request_model: null,
    response_model: null,
    status: 'ok',
    status_detail: null,
    failure: null,
    prompt_version: null,
    error_preview: null,
    scores: [],
    findings: [],
    incomplete: false,
    start_time: '',
    duration_ms: 0,
    time_to_first_token_ms: null,
    streaming: false,
    usage: { ...NO_USAGE, ...usage },
    cost: cost ? { estimated: false, ...cost } : null,
    client_cost: cost?.client_total ?? null,
    subtree: { llm_calls: 0, input_tokens: 0, output_tokens: 0, cost: null, unpriced_calls: 0, estimated_calls: 0 },
    self_time_ms: 0,
    time_source: 'sent',
    compared: null,
    counted: true,
    exclusion: null,
    also_reported: null,
    session_id: null,
    user_id: null,
    environment: 'production',
    release: 'tabi-desk@2.8.1',
    pipeline: null,
    is_run: fields.kind === 'chain',
    agent: null,
    tool: null,
    prompt: null,
    tags: {},
    input_preview: null,
    output_preview: null,
    thread: 'MainThread',
    service: 'tabi-desk',
    sdk: { name: 'sentry.python', version: '2.44.0' },
    ...fields,
  };
}

const price = (model, input, cached, output) => {
  const [fresh, read, out] = PRICES[model] ?? [];
  return fresh === undefined ? null : ((input - cached) * fresh + cached * read + output * out) / 1e6;
};

export function makeTrace(at) {
  const pipeline = choosePipeline();
  const trace = hex(32);
  const user = `u_${1000 + Math.floor(rnd() * 60)}`;
  const [question, answer] = pick(TALK);
  const failed = rnd() < 0.012;
  const common = { user_id: user, session_id: `s_${user.slice(2)}`, pipeline: pipeline.name };
  const root = span(trace, null, {
    ...common,
    name: pipeline.name,
    op: 'ai.pipeline',
    kind: 'chain',
    start_time: iso(at),
    input_preview: question,
    output_preview: answer,
  });
  const spans = [root];
  let offset = 4 + rnd() * 20;
  pipeline.models.forEach((model, at2) => {
    const slow = pipeline.name === 'trip-planner' && START - at < 3 * HOUR ? 2.4 : 1;
    const ms = pipeline.ms * (0.5 + rnd() * rnd() * 2.4) * slow;
    const input = Math.round(pipeline.input * (0.6 + rnd() * 0.8) * slow);
    const cached = Math.round(input * pipeline.cached);
    const output = Math.round(pipeline.output * (0.4 + rnd() * 1.3));
    const bad = failed && at2 === pipeline.models.length - 1;
    const cost = bad ? null : price(model, input, cached, output);
    const [, , out] = PRICES[model] ?? [];
    spans.push(
      span(trace, root.span_id, {
        ...common,
        name: `chat ${model}`,
        op: 'gen_ai.chat',
        kind: 'llm',
        operation: 'chat',
        origin: 'auto.ai.openai',
        provider: PROVIDERS[model],
        model,
        request_model: model,
        response_model: model,
        status: bad ? 'error' : 'ok',
        status_detail: bad ? 'resource_exhausted' : null,
        failure: bad ? 'rate_limit' : null,
        start_time: iso(at + offset),
        duration_ms: ms,
        self_time_ms: ms,
        input_preview: question,
        output_preview: bad ? null : answer,
        usage: bad
          ? null
          : {
              input_tokens: input,
              output_tokens: output,
              total_tokens: input + output,
              cache_read_tokens: cached,
              cache_write_tokens: 0,
              reasoning_tokens: null,
              source: 'reported',
            },
        cost:
          cost === null
            ? null
            : {
                total: cost,
                input: cost - (output * out) / 1e6,
                output: (output * out) / 1e6,
                source: 'computed',
                price: `${PROVIDERS[model]}:${model}`,
                client_total: null,
              },
        subtree: {
          llm_calls: 1,
          input_tokens: bad ? 0 : input,
          output_tokens: bad ? 0 : output,
          cost,
          unpriced_calls: cost === null && !bad ? 1 : 0,
          estimated_calls: 0,
        },
      }),
    );
    offset += ms + 2;
    if (pipeline.name === 'trip-planner' && at2 < 2) {
      const tool = pick(['search_places', 'search_flights', 'hotel_rates']);
      const toolMs = 200 + rnd() * 900;
      spans.push(
        span(trace, root.span_id, {
          ...common,
          name: `execute_tool ${tool}`,
          op: 'gen_ai.execute_tool',
          kind: 'tool',
          tool,
          start_time: iso(at + offset),
          duration_ms: toolMs,
          self_time_ms: toolMs,
        }),
      );
      offset += toolMs + 1;
    }
  });
  root.duration_ms = offset + 3;
  if (failed) root.status = 'error';
  return finish(trace, spans, failed ? [failure(trace, spans.at(-1), at + offset)] : []);
}

function failure(trace, spanOf, at) {
  const which = Math.floor(rnd() * ERRORS.length);
  const [type, value, culprit] = ERRORS[which];
  return {
    event_id: hex(32),
    issue_id: which + 1,
    trace_id: trace,
    span_id: spanOf.span_id,
    type,
    value,
    title: null,
    level: 'error',
    handled: rnd() < 0.5,
    time: iso(at),
    culprit,
    user_id: spanOf.user_id,
  };
}

/** Own time and sums of all below, for each span. */
function settle(spans) {
  const byId = new Map(spans.map((one) => [one.span_id, { one, below: [] }]));
  for (const { one } of byId.values()) byId.get(one.parent_span_id)?.below.push(one);
  for (const one of spans.toReversed()) {
    const start = Date.parse(one.start_time);
    const taken = byId
      .get(one.span_id)
      .below.map((child) => [Date.parse(child.start_time) - start, Date.parse(child.start_time) - start + child.duration_ms])
      .sort((a, b) => a[0] - b[0]);
    let free = one.duration_ms;
    let until = 0;
    for (const [from, to] of taken) {
      free -= Math.max(0, Math.min(to, one.duration_ms) - Math.max(from, until));
      until = Math.max(until, to);
    }
    one.self_time_ms = Math.max(0, free);
  }
  for (const one of spans.toReversed()) {
    const sum = { llm_calls: 0, input_tokens: 0, output_tokens: 0, cost: null, unpriced_calls: 0, estimated_calls: 0 };
    if (isCall(one) && one.counted) {
      sum.llm_calls = 1;
      sum.input_tokens = one.usage.input_tokens ?? 0;
      sum.output_tokens = one.usage.output_tokens ?? 0;
      sum.cost = one.cost?.total ?? null;
      sum.unpriced_calls = hasUsage(one) && !one.cost ? 1 : 0;
    }
    for (const { subtree } of byId.get(one.span_id).below) {
      for (const key of ['llm_calls', 'input_tokens', 'output_tokens', 'unpriced_calls']) sum[key] += subtree[key];
      if (subtree.cost !== null) sum.cost = (sum.cost ?? 0) + subtree.cost;
    }
    one.subtree = sum;
  }
}

const isCall = ({ kind }) => kind === 'llm' || kind === 'embedding';

export function finish(trace, spans, errors, exact = false) {
  if (!exact) settle(spans);
  const calls = spans.filter((one) => isCall(one) && one.counted);
  const priced = calls.filter(({ cost: own }) => own);
  const root = spans[0];
  const { cost } = root.subtree;
  const sum = (get) => calls.reduce((value, call) => value + (get(call) ?? 0), 0);
  const summary = {
    trace_id: trace,
    root_span_id: root.span_id,
    name: root.name,
    title: root.title,
    op: root.op,
    start_time: root.start_time,
    duration_ms: Math.max(...spans.map((one) => Date.parse(one.start_time) + one.duration_ms)) - Date.parse(root.start_time),
    span_count: spans.length,
    llm_calls: calls.length,
    failed_llm_calls: calls.filter(({ status }) => status === 'error').length,
    retries: 0,
    tool_calls: spans.filter(({ kind }) => kind === 'tool').length,
    error_count: errors.length,
    input_tokens: sum((call) => call.usage.input_tokens),
    output_tokens: sum((call) => call.usage.output_tokens),
    total_tokens: sum((call) => call.usage.total_tokens),
    calls_without_usage: calls.filter((call) => call.status === 'ok' && !hasUsage(call)).length,
    cost: priced.length > 0 ? cost : null,
    unpriced_calls: root.subtree.unpriced_calls,
    estimated_calls: 0,
    estimated_cost: 0,
    models: [...new Set(calls.map(({ model }) => model).filter(Boolean))].sort((a, b) => (PRICES[b]?.[2] ?? 0) - (PRICES[a]?.[2] ?? 0)),
    user_id: spans.find(({ user_id: user }) => user)?.user_id ?? null,
    session_id: root.session_id,
    environment: root.environment,
    release: root.release,
    status: root.status,
    pipeline: spans.find(({ pipeline }) => pipeline)?.pipeline ?? null,
    input_preview: calls[0]?.input_preview ?? null,
    output_preview: calls.findLast((call) => call.output_preview)?.output_preview ?? null,
    error_preview: errors[0] ? `${errors[0].type}: ${errors[0].value}` : null,
    scores: [],
    findings: [],
    wasted_cost: null,
  };
  return { at: Date.parse(root.start_time), summary, spans, errors };
}

/** The example that the trace page is judged by: one call, with what it ran below it. */
export function article(at, earlier = 0) {
  const trace = earlier ? hex(32) : '4f7d2c9b8e1a4d60a3f5c7e9b1d20846';
  // Its earlier runs were slow, as the one that it is compared with.
  const slower = earlier ? 13 + rnd() * 3 : 1;
  const common = { pipeline: 'GPT-3.5 Pipeline', release: null, sdk: { name: 'sentry.python', version: '2.44.0' } };
  const cost = {
    total: 0.0003385,
    input: 0.000013,
    output: 0.0003255,
    source: 'computed',
    price: 'openai:gpt-3.5-turbo',
    client_total: null,
    buckets: [
      { bucket: 'input', tokens: 26, usd_per_million: 0.5, amount: 0.000013 },
      { bucket: 'output', tokens: 217, usd_per_million: 1.5, amount: 0.0003255 },
    ],
  };
  const subtree = { llm_calls: 1, input_tokens: 26, output_tokens: 217, cost: 0.0003385, unpriced_calls: 0, estimated_calls: 0 };
  const rows = [
    [null, 'GPT-3.5 Inference', 'ai-inference', 'function', 0, 2070, 0.42, {}],
    [0, 'GPT-3.5 Pipeline', 'ai.pipeline', 'chain', 0.2, 2069.6, 10.4, {}],
    [
      1,
      'chat gpt-3.5-turbo',
      'gen_ai.chat',
      'llm',
      8.9,
      2059.42,
      13.8,
      {
        operation: 'chat',
        origin: 'auto.ai.openai',
        provider: 'openai',
        model: 'gpt-3.5-turbo-0125',
        request_model: 'gpt-3.5-turbo',
        response_model: 'gpt-3.5-turbo-0125',
        usage: {
          input_tokens: 26,
          output_tokens: 217,
          total_tokens: 243,
          cache_read_tokens: 0,
          cache_write_tokens: null,
          reasoning_tokens: null,
          source: 'reported',
        },
        cost,
        compared: { median_ms: 29_570, n: 14, ratio: 0.07 },
        input_preview: 'AIとは何ですか?簡単に説明してください。',
        output_preview: 'AI(人工知能)とは、人が行う「学ぶ・考える・見分ける・言葉を使う」といった働きを…',
      },
    ],
    [2, 'uname -p', 'subprocess', 'function', 10, 2.9, 2.9, {}],
    [2, 'uname -p', 'subprocess.communicate', 'function', 13, 1.9, 1.1, {}],
    [4, 'uname -p', 'subprocess.wait', 'function', 13.5, 0.78, 0.78, {}],
    [2, 'lsb_release -a', 'subprocess', 'function', 15, 2.9, 2.9, {}],
    [2, 'POST api.openai.com/v1/chat/completions', 'http.client', 'http', 24, 2040, 2040, {}],
  ];
  const spans = [];
  for (const [parent, name, op, kind, offset, ms, self, more] of rows) {
    spans.push(
      span(trace, parent === null ? null : spans[parent].span_id, {
        ...common,
        name,
        op,
        kind,
        start_time: iso(at + offset),
        duration_ms: ms * slower,
        self_time_ms: self * slower,
        ...(parent === null || parent < 2 ? { subtree } : {}),
        ...more,
      }),
    );
  }
  return finish(trace, spans, [], true);
}

export const ARTICLE_MESSAGES = {
  input_messages: [{ role: 'user', parts: [{ type: 'text', text: 'AIとは何ですか?簡単に説明してください。' }] }],
  output_messages: [
    {
      role: 'assistant',
      parts: [
        {
          type: 'text',
          text: 'AI(人工知能)とは、人が行う「学ぶ・考える・見分ける・言葉を使う」といった働きを、コンピューターに行わせる技術です。\n\n中心にあるのが機械学習です。たくさんの例から規則を見つけ、初めて見るものにも答えを出せるようにします。\n\n身近な例には、音声アシスタント、翻訳、写真の整理、商品のおすすめがあります。',
        },
      ],
    },
  ],
};

export function makeTraces() {
  const traces = [];
  for (let back = 30 * 24 * HOUR; back > 0;) {
    const at = START - back;
    const recent = back < 48 * HOUR;
    // Quiet at night, in Tokyo; thinner before the last two days, so that the mock stays small.
    const hour = (((at / HOUR + 9) % 24) + 24) % 24;
    const busy = 0.15 + Math.max(0, Math.sin(((hour - 6) / 18) * Math.PI));
    traces.push(makeTrace(at));
    back -= ((recent ? 140_000 : 1_400_000) / busy) * (0.4 + rnd() * 1.2);
  }
  traces.push(article(START - 71_000), tripAgent(START - 400_000), failedCall(START - 250_000), crawler(START - 900_000), hostileContent(START - 1_500_000));
  for (let n = 0; n < 14; n += 1) traces.push(article(START - (n + 1) * 9 * HOUR - n * 1_234_567, n + 1));
  return traces.sort((a, b) => a.at - b.at);
}

export { ERRORS, iso, PIPELINES, PRICES, PROVIDERS };
