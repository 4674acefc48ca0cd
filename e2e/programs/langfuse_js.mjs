// Langfuse's SDK 4 and 5 for JavaScript, which report by OTLP.  node langfuse_js.mjs manual|openai|langchain
// Environment: LANGFUSE_BASE_URL, LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY, LLM_BASE_URL.
import { LangfuseSpanProcessor } from '@langfuse/otel';
import * as tracing from '@langfuse/tracing';
import { NodeSDK } from '@opentelemetry/sdk-node';
import OpenAI from 'openai';

const { startObservation, startActiveObservation } = tracing;
const sdk = new NodeSDK({ spanProcessors: [new LangfuseSpanProcessor({ environment: 'staging', release: '2026.11' })] });
sdk.start();
const url = `${process.env.LLM_BASE_URL}/v1`;
const client = new OpenAI({ baseURL: url, apiKey: 'none', maxRetries: 0 });
const question = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'What is the capital of France?' }];

// SDK 4 sets a trace's user at the trace, SDK 5 for all that runs inside.
const ofUser = (span, run) => {
  const traits = { userId: 'user-42', sessionId: 'session-7', tags: ['prod'] };
  if (tracing.propagateAttributes) return tracing.propagateAttributes(traits, run);
  span.updateTrace(traits);
  return run();
};

const modes = {
  manual: () =>
    startActiveObservation('support-answer', (span) =>
      ofUser(span, async () => {
        span.update({ input: { question: question[1].content } });
        span.startObservation('search', { input: { query: 'refund policy' } }, { asType: 'retriever' }).update({ output: ['doc 1'] }).end();
        span.startObservation('get_weather', { input: { city: 'Tokyo' } }, { asType: 'tool' }).update({ output: { celsius: 18 } }).end();
        const generation = span.startObservation('answer', { model: 'gpt-4o', modelParameters: { temperature: 0.1 }, input: question }, { asType: 'generation' });
        const answer = await client.chat.completions.create({ model: 'gpt-4o', messages: question });
        const cached = answer.usage.prompt_tokens_details.cached_tokens;
        generation
          .update({
            output: answer.choices[0].message,
            completionStartTime: new Date(),
            usageDetails: { input: answer.usage.prompt_tokens - cached, input_cached_tokens: cached, output: answer.usage.completion_tokens, total: answer.usage.total_tokens },
          })
          .end();
        span.startObservation('own-llm', { model: 'my-finetune-7b', input: 'q', output: 'a', usageDetails: { input: 120, output: 30 }, costDetails: { input: 0.0012, output: 0.0009, total: 0.0021 } }, { asType: 'generation' }).end();
        span.startObservation('refused', { model: 'gpt-4o-mini', input: question, level: 'ERROR', statusMessage: 'Rate limit reached' }, { asType: 'generation' }).end();
        span.startObservation('embed', { model: 'text-embedding-3-small', input: 'fox', usageDetails: { input: 9 } }, { asType: 'embedding' }).end();
        span.update({ output: answer.choices[0].message.content });
      }),
    ),
  openai: () =>
    startActiveObservation('wrapped', (span) =>
      ofUser(span, async () => {
        const { observeOpenAI } = await import('@langfuse/openai');
        await observeOpenAI(client, { generationName: 'plain' }).chat.completions.create({ model: 'gpt-4o', messages: question });
        const streamed = observeOpenAI(client, { generationName: 'streamed' });
        for await (const _ of await streamed.chat.completions.create({ model: 'gpt-4o-mini', messages: question, stream: true, stream_options: { include_usage: true } }));
        await observeOpenAI(client, { generationName: 'responses' }).responses.create({ model: 'gpt-5-mini', input: question[1].content });
        await observeOpenAI(client, { generationName: 'refused' }).chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Fail please [[429]]' }] }).catch(() => {});
      }),
    ),
  async langchain() {
    const { CallbackHandler } = await import('@langfuse/langchain');
    const { ChatOpenAI } = await import('@langchain/openai');
    const { ChatPromptTemplate } = await import('@langchain/core/prompts');
    const { StringOutputParser } = await import('@langchain/core/output_parsers');
    const handler = new CallbackHandler({ userId: 'user-42', sessionId: 'session-7' });
    const model = new ChatOpenAI({ model: 'gpt-4o', apiKey: 'none', configuration: { baseURL: url } });
    const chain = ChatPromptTemplate.fromMessages([['system', 'Be brief.'], ['user', '{question}']]).pipe(model).pipe(new StringOutputParser());
    await chain.invoke({ question: 'What is the capital of France?' }, { callbacks: [handler] });
  },
};
await modes[process.argv[2]]();
await sdk.shutdown();
