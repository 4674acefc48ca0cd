// Unmodified programs with real SDKs, and what the API then says.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, KEY, run, startProvider, startServer } from '../support.mjs';

const ANSWER = 'AI(人工知能)とは、人間の知能を模倣するコンピュータシステムやプログラムのことです。';

let server;
let provider;
before(async () => {
  [server, provider] = await Promise.all([startServer(), startProvider()]);
});
after(async () => {
  provider?.stop();
  await server?.stop();
});

// The older SDK does not send the model that answered.
for (const [sdk, model] of [['sentry-2.20', 'gpt-3.5-turbo'], ['sentry-2.75', 'gpt-3.5-turbo-0125']]) {
  test(`the article's program with ${sdk}`, async () => {
    const before = (await server.ask('/traces')).traces.length;
    const program = await run('blog_example.py', `python/${sdk}`, { dsn: server.dsn, provider });
    assert.equal(program.status, 0, program.err);
    assert.ok(program.out.startsWith(ANSWER));
    const [trace] = await eventually('its trace', async () => {
      const { traces } = await server.ask('/traces');
      return traces.length > before && traces;
    });
    assert.equal(trace.name, 'GPT-3.5 Inference');
    assert.equal(trace.op, 'ai-inference');
    assert.deepEqual([trace.llm_calls, trace.input_tokens, trace.output_tokens, trace.total_tokens], [1, 26, 217, 243]);
    assert.equal(trace.cost, 0.0003385);

    const { spans } = await server.ask(`/traces/${trace.trace_id}`);
    const pipeline = spans.find(({ op }) => op === 'ai.pipeline');
    assert.equal(pipeline.name, 'GPT-3.5 Pipeline');
    const subtree = { llm_calls: 1, input_tokens: 26, output_tokens: 217, cost: 0.0003385, unpriced_calls: 0, estimated_calls: 0 };
    assert.deepEqual(pipeline.subtree, subtree);
    const call = spans.find(({ kind }) => kind === 'llm');
    assert.equal(call.parent_span_id, pipeline.span_id);
    assert.ok(spans.some(({ op, parent_span_id }) => op === 'http.client' && parent_span_id === call.span_id));

    const detail = await server.ask(`/traces/${trace.trace_id}/spans/${call.span_id}`);
    assert.equal(detail.model, model);
    assert.ok(detail.input_messages.at(-1).parts[0].text.startsWith('AIとは何ですか'));
    assert.ok(detail.output_messages[0].parts[0].text.startsWith(ANSWER));
    assert.equal(detail.cost.buckets.reduce((sum, { amount }) => sum + amount, 0), 0.0003385);
  });
}

test('a call that fails is an error at its span', async () => {
  await run('openai_error.py', 'python/sentry-2.75', { dsn: server.dsn, provider, args: ['429'] });
  const { issues } = await eventually('its issue', async () => {
    const answer = await server.ask('/issues');
    return answer.issues.length > 0 && answer;
  });
  assert.equal(issues[0].type, 'RateLimitError');
  const { trace, errors, spans } = await server.ask(`/traces/${issues[0].last_trace_id}`);
  assert.equal(trace.failed_llm_calls, 1);
  assert.ok(spans.some(({ span_id }) => span_id === errors[0].span_id));
});

for (const protocol of ['http', 'grpc']) {
  test(`OpenTelemetry over ${protocol}: spans and the messages that come by themselves`, async () => {
    const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: server.url, OTEL_EXPORTER_OTLP_HEADERS: `x-hinomi-key=${KEY}`, OTEL_EXPORTER_OTLP_INSECURE: 'true' };
    const program = await run('otel_weather.py', 'python/otel', { provider, args: [protocol], settings });
    assert.equal(program.status, 0, program.err);
    assert.equal(program.err, '');
    const { traces } = await server.ask(`/traces?q=service:weather-${protocol}`);
    assert.equal(traces.length, 1);
    assert.deepEqual([traces[0].llm_calls, traces[0].calls_without_usage, traces[0].user_id], [2, 0, 'u-1']);
    assert.ok(traces[0].cost > 0);
    const { spans } = await server.ask(`/traces/${traces[0].trace_id}`);
    const calls = spans.filter(({ kind }) => kind === 'llm');
    assert.equal(calls.length, 2);
    const [first, second] = await Promise.all(calls.map(({ span_id }) => server.ask(`/traces/${traces[0].trace_id}/spans/${span_id}`)));
    assert.equal(first.input_messages[0].parts[0].text, 'How is the weather in Tokyo?');
    assert.equal(first.output_messages[0].parts.at(-1).name, 'get_weather');
    assert.deepEqual(second.input_messages.map(({ role }) => role), ['user', 'assistant', 'tool']);
    assert.equal(second.output_messages[0].parts[0].text, program.out.trim());
  });
}

test("Langfuse's SDK 2: what it tells in pieces ends in one trace", async () => {
  const settings = { LANGFUSE_HOST: server.url, LANGFUSE_PUBLIC_KEY: KEY, LANGFUSE_SECRET_KEY: KEY };
  const program = await run('langfuse_trace.py', 'python/langfuse-2', { provider, settings });
  assert.equal(program.status, 0, program.err);
  const { trace, spans, scores } = await server.ask(`/traces/${program.out.trim()}`);
  assert.deepEqual([trace.name, trace.llm_calls, trace.input_tokens, trace.output_tokens, trace.cost], ['geography', 1, 1200, 85, 0.00257]);
  assert.deepEqual(spans.map(({ user_id }) => user_id), ['u-7', 'u-7']);
  assert.deepEqual(scores.map(({ name, value, comment }) => [name, value, comment]), [['helpful', 1, 'short']]);
});
