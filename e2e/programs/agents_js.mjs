// OpenAI's Agents SDK for JavaScript under Sentry.  node --import ./sentry_instrument.mjs agents_js.mjs
import * as Sentry from '@sentry/node';
import { Agent, run, setDefaultOpenAIClient, tool } from '@openai/agents';
import OpenAI from 'openai';
import { z } from 'zod';

setDefaultOpenAIClient(new OpenAI({ baseURL: `${process.env.LLM_BASE_URL}/v1`, apiKey: 'none' }));
const get_weather = tool({ name: 'get_weather', description: 'Weather of a city', parameters: z.object({ city: z.string() }), execute: async ({ city }) => `${city}: 18 °C` });
const agent = new Agent({ name: 'weather-bot', instructions: 'Be brief.', model: 'gpt-5-mini', tools: [get_weather] });
await Sentry.startSpan({ op: 'task', name: 'agents' }, async () => console.log((await run(agent, 'How is the weather in Tokyo?')).finalOutput));
await Sentry.flush(5000);
