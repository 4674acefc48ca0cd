// Langfuse's SDK 3 for JavaScript, which reports by the older ingestion.  node langfuse_v3.mjs manual|openai|langchain
// Environment: LANGFUSE_BASEURL, LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY, LLM_BASE_URL.
import { Langfuse, observeOpenAI } from 'langfuse';
import OpenAI from 'openai';

const url = `${process.env.LLM_BASE_URL}/v1`;
const client = new OpenAI({ baseURL: url, apiKey: 'none', maxRetries: 0 });
const question = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'What is the capital of France?' }];

const modes = {
  async manual() {
    const langfuse = new Langfuse({ release: '2026.11' });
    const trace = langfuse.trace({ name: 'support-answer', userId: 'user-42', sessionId: 'session-7', tags: ['prod'], version: '7', metadata: { tenant: 'acme' }, input: { question: question[1].content } });
    const span = trace.span({ name: 'retrieve', input: { query: 'refund policy' } });
    span.event({ name: 'cache-miss', level: 'WARNING', statusMessage: 'cold cache' });
    span.end({ output: { rows: 3 } });
    const generation = trace.generation({ name: 'answer', model: 'gpt-4o', modelParameters: { temperature: 0.1 }, input: question });
    const answer = await client.chat.completions.create({ model: 'gpt-4o', messages: question });
    const cached = answer.usage.prompt_tokens_details.cached_tokens;
    generation.end({
      model: answer.model,
      output: answer.choices[0].message,
      usageDetails: { input: answer.usage.prompt_tokens - cached, input_cached_tokens: cached, output: answer.usage.completion_tokens, total: answer.usage.total_tokens },
    });
    const own = span.generation({ name: 'own-llm', model: 'my-finetune-7b', input: '自作モデルへの質問' });
    own.end({ output: '自作モデルの答え', usage: { input: 120, output: 30, total: 150, unit: 'TOKENS', inputCost: 0.0012, outputCost: 0.0009, totalCost: 0.0021 } });
    trace.generation({ name: 'fallback', model: 'gpt-4o-mini', input: question }).end({ level: 'ERROR', statusMessage: 'Rate limit reached for requests' });
    trace.update({ output: { answer: answer.choices[0].message.content } });
    trace.score({ name: 'helpful', value: 1, comment: 'user pressed the thumb' });
    trace.score({ name: 'tone', value: 'polite' });
    trace.score({ name: 'safe', value: 1, dataType: 'BOOLEAN' });
    generation.score({ name: 'quality', value: 0.9 });
    console.log(trace.id);
    await langfuse.shutdownAsync();
  },
  async openai() {
    const langfuse = new Langfuse();
    const trace = langfuse.trace({ name: 'wrapped', userId: 'user-42', sessionId: 'session-7' });
    const observed = (generationName) => observeOpenAI(client, { parent: trace, generationName });
    await observed('plain').chat.completions.create({ model: 'gpt-4o', messages: question });
    for await (const _ of await observed('streamed').chat.completions.create({ model: 'gpt-4o-mini', messages: question, stream: true, stream_options: { include_usage: true } }));
    await observed('refused').chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Fail please [[429]]' }] }).catch(() => {});
    console.log(trace.id);
    await langfuse.shutdownAsync();
  },
  async langchain() {
    const { CallbackHandler } = await import('langfuse-langchain');
    const { ChatOpenAI } = await import('@langchain/openai');
    const { ChatPromptTemplate } = await import('@langchain/core/prompts');
    const { StringOutputParser } = await import('@langchain/core/output_parsers');
    const handler = new CallbackHandler({ userId: 'user-42', sessionId: 'session-7' });
    const model = new ChatOpenAI({ model: 'gpt-4o', apiKey: 'none', configuration: { baseURL: url } });
    const chain = ChatPromptTemplate.fromMessages([['system', 'Be brief.'], ['user', '{question}']]).pipe(model).pipe(new StringOutputParser());
    await chain.invoke({ question: 'What is the capital of France?' }, { callbacks: [handler] });
    console.log(handler.traceId);
    await handler.shutdownAsync();
  },
};
await modes[process.argv[2]]();
