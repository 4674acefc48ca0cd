import { ApiError, withParams } from '../../api/client';

/** Random hex digits; works on plain HTTP too, where crypto.randomUUID does not. */
function randomHex(digits: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(digits / 2));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

interface TestConversation {
  question: string;
  answer: string;
}

export interface TestTrace {
  trace: string;
  body: string;
}

/** A Sentry envelope as an SDK would send it: a pipeline with one call to a model, and the request below that. */
export function testEnvelope({ question, answer }: TestConversation, now: number): TestTrace {
  const trace = randomHex(32);
  const [root, pipeline, call, request] = [randomHex(16), randomHex(16), randomHex(16), randomHex(16)];
  const end = now / 1000;
  const start = end - 1.42;
  const sdk = { name: 'hinomi.page', version: '1.0.0' };
  const span = (
    id: string,
    parent: string,
    op: string,
    description: string,
    from: number,
    to: number,
    origin: string,
    data: Record<string, unknown>,
  ) => ({
    trace_id: trace,
    span_id: id,
    parent_span_id: parent,
    op,
    description,
    start_timestamp: start + from,
    timestamp: start + to,
    status: 'ok',
    origin,
    data,
  });
  const transaction = {
    event_id: randomHex(32),
    type: 'transaction',
    transaction: 'test trace',
    transaction_info: { source: 'custom' },
    platform: 'other',
    environment: 'test',
    sdk,
    start_timestamp: start,
    timestamp: end,
    tags: { 'hinomi.test': 'true' },
    contexts: { trace: { trace_id: trace, span_id: root, op: 'function', status: 'ok', origin: 'manual' } },
    spans: [
      span(pipeline, root, 'ai.pipeline', 'test-pipeline', 0.004, 1.418, 'manual', { 'gen_ai.pipeline.name': 'test-pipeline' }),
      span(call, pipeline, 'gen_ai.chat', 'chat gpt-4o-mini', 0.009, 1.415, 'auto.ai.openai', {
        'gen_ai.system': 'openai',
        'gen_ai.operation.name': 'chat',
        'gen_ai.pipeline.name': 'test-pipeline',
        'gen_ai.request.model': 'gpt-4o-mini',
        'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
        'gen_ai.request.messages': JSON.stringify([{ role: 'user', content: question }]),
        'gen_ai.response.text': JSON.stringify([answer]),
        'gen_ai.usage.input_tokens': 16,
        'gen_ai.usage.output_tokens': 41,
        'gen_ai.usage.total_tokens': 57,
      }),
      span(request, call, 'http.client', 'POST https://api.openai.com/v1/chat/completions', 0.016, 1.411, 'auto.http.client', {
        'http.response.status_code': 200,
      }),
    ],
  };
  const payload = JSON.stringify(transaction);
  const header = { event_id: transaction.event_id, sent_at: new Date(now).toISOString(), sdk };
  const item = { type: 'transaction', length: new TextEncoder().encode(payload).length, content_type: 'application/json' };
  return { trace, body: `${JSON.stringify(header)}\n${JSON.stringify(item)}\n${payload}\n` };
}

/** Posts it the way a browser SDK does, to the project's own ingest address on this server; answers the trace's id. */
export async function sendTestTrace(dsn: string, project: number, conversation: TestConversation): Promise<string> {
  const { trace, body } = testEnvelope(conversation, Date.now());
  const key = new URL(dsn).username;
  const url = withParams(`/api/${project}/envelope/`, { sentry_key: key, sentry_version: 7, sentry_client: 'hinomi.page/1.0.0' });
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'text/plain;charset=UTF-8' }, credentials: 'omit' });
  if (!response.ok) {
    const answer = (await response.json().catch(() => null)) as { detail?: string } | null;
    throw new ApiError(response.status, 'ingest', answer?.detail ?? `${response.status} ${response.statusText}`, null);
  }
  return trace;
}
