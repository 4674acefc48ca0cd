// OpenInference for JavaScript.  node openinference_js.mjs openai|anthropic|langchain|vercel
// Environment: OTEL_EXPORTER_OTLP_*, LLM_BASE_URL.
import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { NodeSDK } from '@opentelemetry/sdk-node';

const base = process.env.LLM_BASE_URL;
const mode = process.argv[2];
const exporter = new OTLPTraceExporter();
const spanProcessors = [];
if (mode === 'vercel') {
  const { OpenInferenceSimpleSpanProcessor } = await import('@arizeai/openinference-vercel');
  spanProcessors.push(new OpenInferenceSimpleSpanProcessor({ exporter }));
}
const sdk = new NodeSDK({ serviceName: 'openinference-demo', ...(spanProcessors.length ? { spanProcessors } : { traceExporter: exporter }) });
sdk.start();
const question = [{ role: 'user', content: 'What is the capital of France?' }];
const parameters = { type: 'object', properties: { city: { type: 'string' } } };

const modes = {
  async openai() {
    const { OpenAIInstrumentation } = await import('@arizeai/openinference-instrumentation-openai');
    const OpenAI = (await import('openai')).default;
    new OpenAIInstrumentation().manuallyInstrument(OpenAI);
    const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: 'none', maxRetries: 0 });
    await client.chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'system', content: 'Be brief.' }, ...question] });
    for await (const _ of await client.chat.completions.create({ model: 'gpt-4o-mini', messages: question, stream: true, stream_options: { include_usage: true } }));
    await client.chat.completions.create({ model: 'gpt-4.1', messages: question, tools: [{ type: 'function', function: { name: 'get_weather', parameters } }] });
    await client.responses.create({ model: 'gpt-5-mini', input: question[0].content });
    await client.embeddings.create({ model: 'text-embedding-3-small', input: ['The quick brown fox', 'jumps'] });
    await client.chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Fail please [[429]]' }] }).catch(() => {});
  },
  async anthropic() {
    const { AnthropicInstrumentation } = await import('@arizeai/openinference-instrumentation-anthropic');
    const Anthropic = (await import('@anthropic-ai/sdk')).default;
    new AnthropicInstrumentation().manuallyInstrument(Anthropic);
    const client = new Anthropic({ baseURL: base, apiKey: 'none', maxRetries: 0 });
    await client.messages.create({ model: 'claude-sonnet-4-5-20250929', max_tokens: 100, system: 'Be brief.', messages: question });
    for await (const _ of await client.messages.create({ model: 'claude-sonnet-4-5-20250929', max_tokens: 100, messages: question, stream: true }));
    await client.messages.create({ model: 'claude-haiku-4-5', max_tokens: 100, messages: question, tools: [{ name: 'get_weather', input_schema: parameters }] });
  },
  async langchain() {
    const { LangChainInstrumentation } = await import('@arizeai/openinference-instrumentation-langchain');
    const callbacks = await import('@langchain/core/callbacks/manager');
    new LangChainInstrumentation().manuallyInstrument(callbacks);
    const { ChatOpenAI } = await import('@langchain/openai');
    const { ChatPromptTemplate } = await import('@langchain/core/prompts');
    const model = new ChatOpenAI({ model: 'gpt-4o', apiKey: 'none', configuration: { baseURL: `${base}/v1` } });
    await ChatPromptTemplate.fromMessages([['system', 'Be brief.'], ['user', '{question}']]).pipe(model).invoke({ question: question[0].content });
  },
  async vercel() {
    const { createOpenAI } = await import('@ai-sdk/openai');
    const { generateText, embed, stepCountIs, tool } = await import('ai');
    const { z } = await import('zod');
    const openai = createOpenAI({ baseURL: `${base}/v1`, apiKey: 'none' });
    const experimental_telemetry = { isEnabled: true, functionId: 'weather-bot', metadata: { userId: 'user-42', sessionId: 'session-7' } };
    const tools = { get_weather: tool({ inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => ({ city, celsius: 18 }) }) };
    await generateText({ model: openai.chat('gpt-4.1'), prompt: 'How is the weather in Tokyo?', tools, stopWhen: stepCountIs(3), experimental_telemetry });
    await embed({ model: openai.embedding('text-embedding-3-small'), value: 'The quick brown fox', experimental_telemetry });
  },
};
await trace.getTracer('demo').startActiveSpan(`openinference ${mode}`, async (span) => {
  await modes[mode]();
  span.end();
});
await sdk.shutdown();
