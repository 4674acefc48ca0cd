import { render, screen } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import type { Explanation } from '../../../api/types';
import { aDetail, aSpan, usageWith } from '../model/fixtures';
import { ProvenanceTab } from './provenance';

vi.mock('@tanstack/react-router', async (original) => ({ ...(await original<object>()), useSearch: () => ({}) }));

const told: Explanation = {
  conventions: [{ name: 'OpenInference', attributes: 9, examples: ['llm.model_name'] }],
  instrumentation_version: '1.2',
  fields: [
    { field: 'request_model', source: { kind: 'attribute', attribute: 'llm.model_name' }, inferred: false, value: 'gpt-4o' },
    { field: 'provider', source: { kind: 'model_vendor' }, inferred: true, value: 'openai' },
    { field: 'input_messages', source: { kind: 'attribute_prefix', attribute: 'llm.input_messages' }, inferred: false, value: null },
    { field: 'end_time', source: { kind: 'received_at' }, inferred: true, value: '2026-11-23T10:00:00Z' },
  ],
  ignored: [
    { name: 'my.own', why: 'no_meaning' },
    { name: 'llm.system', why: 'better', better: 'llm.provider' },
  ],
  input: { sent: 25, special: 2048, whole: 2073, rule: 'exclusive', because: 'impossible' },
  output: null,
  cost: {
    because: 'client_lower',
    price: 'openai:gpt-4o@2024-10-02',
    price_from: '2024-10-02',
    table_date: '2026-11-01',
    service_tier: null,
    computed: 0.002,
    client: 0.001,
    total: 0.001,
    lines: [],
  },
  counted: false,
  corrections: [{ field: 'counted', alone: 'true', in_trace: 'false' }],
  clock_shift_us: -3_600_000_000,
  pieces: 3,
};

const usage = usageWith({ input_tokens: 2073, output_tokens: 7, total_tokens: 9999, cache_read_tokens: 2048, source: 'reported' });

it('shows the source of each field, how tokens and cost were computed, and ignored attributes', () => {
  const span = aSpan('a', null, 0, 1, {
    kind: 'llm',
    usage,
    origin: 'openinference.instrumentation.openai',
    counted: false,
    exclusion: { kind: 'same_response', span_id: 'aa', trace_id: null },
  });
  const { container } = render(<ProvenanceTab detail={aDetail(span, { explanation: told })} />);
  const text = container.textContent ?? '';
  for (const said of [
    'OpenInference',
    'llm.model_name',
    'from the vendor of the model',
    'llm.input_messages.N.…',
    'from the time of receipt, because the reported time is impossible',
    'no: Another span reports the same response',
    '25 excludes 2,048 tokens of other buckets; total 2,073',
    'the count is smaller than the sum of those buckets',
    'reported total: 9,999',
    'cached tokens were possibly not reported',
    'since 2024-10-02',
    'was subtracted from the reported times',
    'merged from 3 partial spans',
    'llm.provider takes precedence',
  ])
    expect(text, said).toContain(said);
  expect(screen.getByText('2 attributes ignored')).toBeTruthy();
});
