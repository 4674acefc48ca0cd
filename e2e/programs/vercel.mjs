// Vercel's AI SDK (4 to 7), whose telemetry goes wherever TELEMETRY says: sentry, otlp or langfuse. One mode is one trace.
//     node [--import ./sentry_instrument.mjs] vercel.mjs MODE
// Environment: TELEMETRY, LLM_BASE_URL, and SENTRY_DSN, OTEL_EXPORTER_OTLP_ENDPOINT or LANGFUSE_*.
import { createOpenAI } from '@ai-sdk/openai';
import * as ai from 'ai';
import { z } from 'zod';

const telemetry = process.env.TELEMETRY ?? 'otlp';
let around = (name, run) => run();
let flush = async () => {};
if (telemetry === 'sentry') {
  const Sentry = await import('@sentry/node');
  around = (name, run) => Sentry.startSpan({ op: 'task', name }, run);
  flush = () => Sentry.flush(5000);
} else {
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const own =
    telemetry === 'langfuse'
      ? { spanProcessors: [new (await import('@langfuse/otel')).LangfuseSpanProcessor()] }
      : { traceExporter: new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter() };
  const sdk = new NodeSDK({ serviceName: 'vercel-demo', ...own });
  sdk.start();
  flush = () => sdk.shutdown();
}

// Version 7 reports to what is registered once. Users and sessions are its context of a run; thoughts are counted with `usage` only.
if (ai.registerTelemetry) ai.registerTelemetry(new (await import('@ai-sdk/otel')).OpenTelemetry({ runtimeContext: true, usage: true }));
const openai = createOpenAI({ baseURL: `${process.env.LLM_BASE_URL}/v1`, apiKey: 'none', compatibility: 'strict' });
const chat = (model) => (openai.chat ?? openai)(model);
const anthropic = async () => (await import('@ai-sdk/anthropic')).createAnthropic({ baseURL: `${process.env.LLM_BASE_URL}/v1`, apiKey: 'none' })('claude-sonnet-4-5-20250929');
const google = async () => (await import('@ai-sdk/google')).createGoogleGenerativeAI({ baseURL: `${process.env.LLM_BASE_URL}/v1beta`, apiKey: 'none' })('gemini-2.5-flash');
const metadata = { userId: 'user-42', sessionId: 'session-7' };
const experimental_telemetry = { isEnabled: true, recordInputs: true, recordOutputs: true, functionId: 'weather-bot', metadata };
const told = ai.registerTelemetry
  ? { telemetry: { ...experimental_telemetry, includeRuntimeContext: { userId: true, sessionId: true } }, runtimeContext: metadata }
  : { experimental_telemetry };
const schema = z.object({ city: z.string() });
const tools = { get_weather: ai.tool({ description: 'Weather of a city', parameters: schema, inputSchema: schema, execute: async ({ city }) => ({ city, celsius: 18 }) }) };
const steps = ai.stepCountIs ? { stopWhen: ai.stepCountIs(3) } : { maxSteps: 3 };
const asked = 'What is the capital of France?';
const weather = 'How is the weather in Tokyo?';

const hidden = Object.fromEntries(Object.entries(told).map(([name, value]) => [name, 'recordInputs' in value ? { ...value, recordInputs: false, recordOutputs: false } : value]));

const modes = {
  generate: () => ai.generateText({ model: chat('gpt-4o'), prompt: asked, ...told }),
  'generate-tools': () => ai.generateText({ model: chat('gpt-4.1'), system: 'Be brief.', prompt: weather, tools, ...steps, ...told }),
  stream: async () => ai.streamText({ model: chat('gpt-4o'), prompt: asked, ...told }).consumeStream(),
  'stream-tools': async () => ai.streamText({ model: chat('gpt-4.1'), prompt: weather, tools, ...steps, ...told }).consumeStream(),
  object: () => ai.generateObject({ model: chat('gpt-4o-mini'), schema, prompt: '{"city":"Tokyo"}', ...told }).catch((error) => console.error(error.message)),
  'stream-object': async () => {
    const answer = ai.streamObject({ model: chat('gpt-4o-mini'), schema, prompt: '{"city":"Tokyo"}', onError() {}, ...told });
    for await (const _ of answer.partialObjectStream);
  },
  embed: () => ai.embed({ model: (openai.embedding ?? openai.textEmbeddingModel)('text-embedding-3-small'), value: 'The quick brown fox', ...told }),
  'embed-many': () => ai.embedMany({ model: (openai.embedding ?? openai.textEmbeddingModel)('text-embedding-3-small'), values: ['The quick brown fox', 'jumps over'], ...told }),
  responses: () => ai.generateText({ model: openai.responses('gpt-5-mini'), prompt: asked, ...told }),
  anthropic: async () => ai.generateText({ model: await anthropic(), prompt: asked, ...told }),
  'anthropic-stream': async () => ai.streamText({ model: await anthropic(), prompt: asked, ...told }).consumeStream(),
  google: async () => ai.generateText({ model: await google(), prompt: asked, ...told }),
  error: () => ai.generateText({ model: chat('gpt-4o'), prompt: 'Fail please [[400]]', maxRetries: 0, ...told }).catch(() => {}),
  retry: () => ai.generateText({ model: chat('gpt-4o'), prompt: 'Fail please [[429]]', maxRetries: 1, ...told }).catch(() => {}),
  'no-texts': () => ai.generateText({ model: chat('gpt-4o'), prompt: asked, ...hidden }),
  agent: async () => {
    const Agent = ai.ToolLoopAgent ?? ai.Experimental_Agent;
    const agent = new Agent({ model: chat('gpt-4.1'), instructions: 'Be brief.', system: 'Be brief.', tools, ...steps, ...told });
    await agent.generate({ prompt: weather });
  },
};

const mode = process.argv[2];
await around(`vercel ${mode}`, modes[mode]);
await flush();
