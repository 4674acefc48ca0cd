// Mastra: an agent with a tool.  node mastra_js.mjs generate|stream
// Environment: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, LLM_BASE_URL.
import { createOpenAI } from '@ai-sdk/openai';
import { Agent } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { createTool } from '@mastra/core/tools';
import { Observability } from '@mastra/observability';
import { OtelExporter } from '@mastra/otel-exporter';
import { z } from 'zod';

const openai = createOpenAI({ baseURL: `${process.env.LLM_BASE_URL}/v1`, apiKey: 'none' });
const get_weather = createTool({ id: 'get_weather', description: 'Weather of a city', inputSchema: z.object({ city: z.string() }), execute: async () => ({ celsius: 18 }) });
const agent = new Agent({ id: 'weather-bot', name: 'weather-bot', instructions: 'Be brief.', model: openai.chat('gpt-4.1'), tools: { get_weather } });
const headers = Object.fromEntries((process.env.OTEL_EXPORTER_OTLP_HEADERS ?? '').split(',').filter(Boolean).map((pair) => pair.split('=')));
const endpoint = `${process.env.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces`;
const exporter = new OtelExporter({ provider: { custom: { endpoint, headers, protocol: 'http/protobuf' } } });
const mastra = new Mastra({ agents: { agent }, observability: new Observability({ configs: { otel: { serviceName: 'mastra-demo', exporters: [exporter] } } }) });
const question = 'How is the weather in Tokyo?';
if (process.argv[2] === 'stream') {
  const answer = await mastra.getAgent('agent').stream(question);
  for await (const _ of answer.textStream);
} else {
  console.log((await mastra.getAgent('agent').generate(question)).text);
}
await new Promise((resolve) => setTimeout(resolve, 1000));
await mastra.shutdown?.();
await exporter.shutdown();
