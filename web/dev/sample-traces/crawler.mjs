import { finish } from '../data.mjs';
import { http, traceBuilder } from './builder.mjs';

/** A crawl: three thousand spans, many of them alike, some at once, with a pause in the middle. */
export function crawler(at) {
  const b = traceBuilder('crawl', at, { pipeline: 'index-docs', user_id: null });
  const root = b.add(null, { name: 'index-docs', op: 'ai.pipeline', kind: 'chain' }, 0, 61_000);
  let left = 3000 - 1;
  let offset = 20;
  let under = root;
  for (let page = 0; left > 0; page += 1) {
    if (page === 300) {
      root.duration_ms = offset + 80;
      offset += 240_000;
      under = b.add(null, { name: 'index-docs, resumed', op: 'ai.pipeline', kind: 'chain' }, offset, 9000);
      left -= 1;
    }
    const one = b.add(
      under,
      { name: `index page ${page + 1}`, op: 'function.index', kind: 'function', thread: `worker-${page % 4}` },
      offset,
      70,
    );
    http(
      b,
      one,
      `GET docs.tabi.internal/page/${page + 1}`,
      offset + 1,
      30,
      page % 97 === 13 ? { status: 'error', status_detail: '503 Service Unavailable' } : {},
    );
    b.add(one, { name: 'split', op: 'function.split', kind: 'function' }, offset + 31, 2.4);
    b.add(
      one,
      {
        name: 'embeddings text-embedding-3-small',
        op: 'gen_ai.embeddings',
        kind: 'embedding',
        operation: 'embeddings',
        provider: 'openai',
        model: 'text-embedding-3-small',
        request_model: 'text-embedding-3-small',
        response_model: 'text-embedding-3-small',
        usage: {
          input_tokens: 610,
          output_tokens: 0,
          total_tokens: 610,
          cache_read_tokens: null,
          cache_write_tokens: null,
          reasoning_tokens: null,
          source: 'reported',
        },
        cost: {
          total: 0.0000122,
          input: 0.0000122,
          output: 0,
          source: 'computed',
          price: 'openai:text-embedding-3-small',
          client_total: null,
        },
      },
      offset + 34,
      28,
    );
    b.add(one, { name: 'INSERT chunks', op: 'db.query', kind: 'db' }, offset + 63, 5.5);
    left -= 5;
    offset += page % 4 === 3 ? 72 : 6;
  }
  under.duration_ms = offset + 100 - (Date.parse(under.start_time) - at);
  return finish(b.trace, b.spans, b.errors);
}
