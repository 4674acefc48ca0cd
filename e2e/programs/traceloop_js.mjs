// OpenLLMetry (Traceloop) for JavaScript.  node traceloop_js.mjs openai|anthropic|langchain
// Environment: TRACELOOP_BASE_URL, TRACELOOP_HEADERS, LLM_BASE_URL.
import * as traceloop from '@traceloop/node-server-sdk';

const base = process.env.LLM_BASE_URL;
const OpenAI = (await import('openai')).default;
const Anthropic = (await import('@anthropic-ai/sdk')).default;
traceloop.initialize({ appName: 'traceloop-demo', disableBatch: true, silenceInitializationMessage: true, instrumentModules: { openAI: OpenAI, anthropic: await import('@anthropic-ai/sdk'), langchain: true } });
const question = [{ role: 'user', content: 'What is the capital of France?' }];

const modes = {
  async openai() {
    const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: 'none', maxRetries: 0 });
    await client.chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'system', content: 'Be brief.' }, ...question] });
    for await (const _ of await client.chat.completions.create({ model: 'gpt-4o-mini', messages: question, stream: true, stream_options: { include_usage: true } }));
    await client.chat.completions.create({ model: 'gpt-4.1', messages: question, tools: [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } }] });
    await traceloop.withTool({ name: 'get_weather' }, async (city) => ({ city, celsius: 18 }), 'Tokyo');
    await client.chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Fail please [[429]]' }] }).catch(() => {});
  },
  async anthropic() {
    const client = new Anthropic({ baseURL: base, apiKey: 'none', maxRetries: 0 });
    await client.messages.create({ model: 'claude-sonnet-4-5-20250929', max_tokens: 100, system: 'Be brief.', messages: question });
    for await (const _ of await client.messages.create({ model: 'claude-sonnet-4-5-20250929', max_tokens: 100, messages: question, stream: true }));
  },
  async langchain() {
    const { ChatOpenAI } = await import('@langchain/openai');
    const { ChatPromptTemplate } = await import('@langchain/core/prompts');
    const model = new ChatOpenAI({ model: 'gpt-4o', apiKey: 'none', configuration: { baseURL: `${base}/v1` } });
    await ChatPromptTemplate.fromMessages([['user', '{question}']]).pipe(model).invoke({ question: question[0].content });
  },
};
await traceloop.withAssociationProperties({ user_id: 'user-42', session_id: 'session-7' }, () =>
  traceloop.withWorkflow({ name: 'answer' }, () => traceloop.withTask({ name: 'ask' }, modes[process.argv[2]])),
);
await traceloop.forceFlush();
