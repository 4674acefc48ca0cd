import { finish, iso } from '../data.mjs';
import { traceBuilder, hexOf } from './builder.mjs';

/** A call that was refused, of a program that sends no prompts; the wrapper repeats the usage of the call below it. */
export function failedCall(at) {
  const b = traceBuilder('refused', at, { user_id: 'u_1192', pipeline: 'support-answer' });
  const root = b.add(null, { name: 'support-answer', op: 'ai.pipeline', kind: 'chain', status: 'error' }, 0, 940);
  const quiet = { input_messages: [], output_messages: [] };
  const outer = b.llm(root, 'gpt-4o', 10, 560, { input: 1804, output: 120 }, quiet, {
    counted: false,
    exclusion: { kind: 'wraps_call', span_id: '9c41f0a27be35d18', trace_id: null },
    origin: 'auto.ai.langchain',
    name: 'ChatOpenAI',
  });
  b.llm(outer, 'gpt-4o', 14, 550, { input: 1804, output: 120 }, quiet, {
    cost: { total: 0.00571, input: 0.00451, output: 0.0012, source: 'computed', price: 'openai:gpt-4o', client_total: 0.0061 },
  });
  const failed = b.add(
    root,
    {
      name: 'chat gpt-4o',
      op: 'gen_ai.chat',
      kind: 'llm',
      provider: 'openai',
      model: 'gpt-4o',
      request_model: 'gpt-4o',
      status: 'error',
      status_detail: 'resource_exhausted',
      failure: 'rate_limit',
      origin: 'auto.ai.openai',
    },
    580,
    340,
    quiet,
  );
  b.errors.push({
    event_id: hexOf('rate', 32),
    issue_id: 1,
    title: null,
    trace_id: b.trace,
    span_id: failed.span_id,
    type: 'RateLimitError',
    value: '429 Rate limit reached for gpt-4o (tokens per min): Limit 30000, Used 29804, Requested 1804.',
    level: 'error',
    handled: false,
    time: iso(at + 918),
    culprit: 'answer in support/pipeline.py',
    user_id: 'u_1192',
  });
  return finish(b.trace, b.spans, b.errors);
}
