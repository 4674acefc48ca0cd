// A route handler that asks a model by the AI SDK: /api/ask?how=generate|stream|tools
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

export const dynamic = 'force-dynamic';

const experimental_telemetry = { isEnabled: true, recordInputs: true, recordOutputs: true, functionId: 'weather-bot', metadata: { userId: 'user-42', sessionId: 'session-7' } };

export async function GET(request) {
  const openai = createOpenAI({ baseURL: `${process.env.LLM_BASE_URL}/v1`, apiKey: 'none' });
  const tools = { get_weather: tool({ description: 'Weather of a city', inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => ({ city, celsius: 18 }) }) };
  const question = { prompt: 'What is the capital of France?', experimental_telemetry };
  switch (request.nextUrl.searchParams.get('how')) {
    case 'generate':
      return Response.json(await generateText({ model: openai.chat('gpt-4o'), ...question }).then(({ text }) => ({ text })));
    case 'stream':
      return streamText({ model: openai.responses('gpt-5-mini'), ...question }).toTextStreamResponse();
    case 'tools': {
      const { text } = await generateText({ model: openai.chat('gpt-4.1'), prompt: 'How is the weather in Tokyo?', tools, stopWhen: stepCountIs(3), experimental_telemetry });
      return Response.json({ text });
    }
    default:
      return new Response('how?', { status: 400 });
  }
}
