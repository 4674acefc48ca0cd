// Sentry for JavaScript beside the packages of the providers. One mode is one trace.
//     node --import ./sentry_instrument.mjs sentry_js.mjs MODE
// Environment: SENTRY_DSN, LLM_BASE_URL.
import * as Sentry from '@sentry/node';

const base = process.env.LLM_BASE_URL;
const asked = 'What is the capital of France?';
const weather = 'How is the weather in Tokyo?';
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

const openai = async () => new (await import('openai')).default({ baseURL: `${base}/v1`, apiKey: 'none', maxRetries: 0 });
const anthropic = async () => new (await import('@anthropic-ai/sdk')).default({ baseURL: base, apiKey: 'none', maxRetries: 0 });
const google = async () => new (await import('@google/genai')).GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: base } });

async function drain(stream) {
  for await (const _ of stream);
}

const modes = {
  'openai-stream': async () =>
    drain(await (await openai()).chat.completions.create({ model: 'gpt-4o', stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: asked }] })),
  'openai-stream-no-usage': async () =>
    drain(await (await openai()).chat.completions.create({ model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: asked }] })),
  'openai-tools': async () => {
    const client = await openai();
    const tools = [{ type: 'function', function: { name: 'get_weather', description: 'Weather of a city', parameters } }];
    const messages = [{ role: 'user', content: weather }];
    const first = await client.chat.completions.create({ model: 'gpt-4.1', messages, tools });
    const call = first.choices[0].message;
    messages.push(call, { role: 'tool', tool_call_id: call.tool_calls[0].id, content: '18 °C' });
    await client.chat.completions.create({ model: 'gpt-4.1', messages, tools });
  },
  'openai-responses': async () => {
    const client = await openai();
    await client.responses.create({ model: 'gpt-5-mini', instructions: 'Be brief.', input: asked });
    await drain(await client.responses.create({ model: 'gpt-5-mini', input: asked, stream: true }));
  },
  'openai-responses-tools': async () => {
    const client = await openai();
    const tools = [{ type: 'function', name: 'get_weather', parameters, strict: false }];
    const first = await client.responses.create({ model: 'gpt-5-mini', input: weather, tools });
    const call = first.output.find(({ type }) => type === 'function_call');
    const input = [{ role: 'user', content: weather }, call, { type: 'function_call_output', call_id: call.call_id, output: '18 °C' }];
    await client.responses.create({ model: 'gpt-5-mini', input, tools });
  },
  'openai-embeddings': async () => (await openai()).embeddings.create({ model: 'text-embedding-3-small', input: ['The quick brown fox', 'jumps'] }),
  'openai-concurrent': async () => {
    const client = await openai();
    await Promise.all(['gpt-4o', 'gpt-4o-mini', 'gpt-4.1'].map((model) => client.chat.completions.create({ model, messages: [{ role: 'user', content: asked }] })));
  },
  'openai-conversation': async () => {
    Sentry.setConversationId?.('conversation-9');
    await (await openai()).chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: asked }] });
  },
  'anthropic-stream': async () =>
    drain(await (await anthropic()).messages.create({ model: 'claude-sonnet-4-5-20250929', max_tokens: 100, stream: true, messages: [{ role: 'user', content: asked }] })),
  'anthropic-message-stream': async () =>
    (await anthropic()).messages.stream({ model: 'claude-sonnet-4-5-20250929', max_tokens: 100, system: 'Be brief.', messages: [{ role: 'user', content: asked }] }).finalMessage(),
  'anthropic-tools': async () => {
    const client = await anthropic();
    const ask = { model: 'claude-sonnet-4-5-20250929', max_tokens: 100, tools: [{ name: 'get_weather', input_schema: parameters }] };
    const messages = [{ role: 'user', content: weather }];
    const first = await client.messages.create({ ...ask, messages });
    const call = first.content.find(({ type }) => type === 'tool_use');
    messages.push({ role: 'assistant', content: first.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: '18 °C' }] });
    await client.messages.create({ ...ask, messages });
  },
  'anthropic-error': async () => (await anthropic()).messages.create({ model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'Fail please [[429]]' }] }),
  'google-generate': async () => (await google()).models.generateContent({ model: 'gemini-2.5-flash', contents: asked, config: { systemInstruction: 'Be brief.' } }),
  'google-stream': async () => drain(await (await google()).models.generateContentStream({ model: 'gemini-2.5-flash', contents: asked })),
  'google-chat': async () => {
    const chat = (await google()).chats.create({ model: 'gemini-2.5-flash' });
    await chat.sendMessage({ message: asked });
    await drain(await chat.sendMessageStream({ message: weather }));
  },
  'google-tools': async () => {
    const client = await google();
    const config = { tools: [{ functionDeclarations: [{ name: 'get_weather', parametersJsonSchema: parameters }] }] };
    const contents = [{ role: 'user', parts: [{ text: weather }] }];
    const first = await client.models.generateContent({ model: 'gemini-2.5-flash', contents, config });
    const call = first.functionCalls[0];
    contents.push(first.candidates[0].content, { role: 'user', parts: [{ functionResponse: { name: call.name, response: { celsius: 18 } } }] });
    await client.models.generateContent({ model: 'gemini-2.5-flash', contents, config });
  },
  'google-embed': async () => (await google()).models.embedContent({ model: 'gemini-embedding-001', contents: ['The quick brown fox'] }),
  'google-error': async () => (await google()).models.generateContent({ model: 'gemini-2.5-flash', contents: 'Fail please [[400]]' }),
};

const mode = process.argv[2];
Sentry.setUser({ id: 'user-42' });
Sentry.setTag('tenant', 'acme');
await Sentry.startSpan({ op: 'task', name: mode }, async () => {
  try {
    await modes[mode]();
  } catch (error) {
    Sentry.captureException(error);
  }
});
await Sentry.flush(5000);
