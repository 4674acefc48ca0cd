// LangChain and LangGraph for JavaScript under Sentry.  node --import ./sentry_instrument.mjs langchain_js.mjs chain|stream|agent|graph|embed|error
import * as Sentry from '@sentry/node';
import { ChatPromptTemplate } from '@langchain/core/prompts';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { z } from 'zod';

const configuration = { baseURL: `${process.env.LLM_BASE_URL}/v1` };
const model = (name) => new ChatOpenAI({ model: name, apiKey: 'none', configuration, maxRetries: 0 });
const get_weather = tool(async ({ city }) => `${city}: 18 °C`, { name: 'get_weather', description: 'Weather of a city', schema: z.object({ city: z.string() }) });
const question = 'What is the capital of France?';

const modes = {
  chain: () => ChatPromptTemplate.fromMessages([['system', 'Be brief.'], ['user', '{question}']]).pipe(model('gpt-4o')).invoke({ question }),
  stream: async () => {
    for await (const _ of await model('gpt-4o').stream(question));
  },
  agent: async () => {
    const { createAgent } = await import('langchain');
    await createAgent({ model: model('gpt-4.1'), tools: [get_weather], name: 'weather-bot' }).invoke({ messages: [{ role: 'user', content: 'How is the weather in Tokyo?' }] });
  },
  graph: async () => {
    const { StateGraph, MessagesAnnotation, START, END } = await import('@langchain/langgraph');
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('ask', async (state) => ({ messages: [await model('gpt-4o').invoke(state.messages)] }))
      .addEdge(START, 'ask')
      .addEdge('ask', END)
      .compile({ name: 'geography' });
    await graph.invoke({ messages: [{ role: 'user', content: question }] });
  },
  embed: () => new OpenAIEmbeddings({ model: 'text-embedding-3-small', apiKey: 'none', configuration }).embedQuery('The quick brown fox'),
  error: () => model('gpt-4o').invoke('Fail please [[429]]').catch(() => {}),
};
await Sentry.startSpan({ op: 'task', name: `langchain ${process.argv[2]}` }, modes[process.argv[2]]);
await Sentry.flush(5000);
