// Facts about the API that the server's OpenAPI document does not contain yet. Comments name the place in the server's source that defines them.
// `npm run check` fails if the document contains an entry, so that it is removed here; `e2e/tests/api.test.mjs` checks the entries against a
// real server.

const nullable = (schema) => ({ oneOf: [schema, { type: 'null' }] });
const ref = (name) => ({ $ref: `#/components/schemas/${name}` });
const list = (items) => ({ type: 'array', items });
/** An object with these fields. All are required except those in `leftOut`. */
const object = (properties, ...leftOut) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((field) => !leftOut.includes(field)),
});
const oneOf = (...names) => ({ type: 'string', enum: names });
const text = { type: 'string' };
const number = { type: 'number' };
const boolean = { type: 'boolean' };
const textOrNull = { type: ['string', 'null'] };
const numberOrNull = { type: ['number', 'null'] };
const anything = { type: 'object', additionalProperties: true };
const tuple = (...prefixItems) => ({ type: 'array', prefixItems, items: false, minItems: prefixItems.length });
/** The start of each interval and its value. */
const points = list(tuple(text, numberOrNull));

/** Serde serializes `None` as null, but utoipa describes each `Option` as a field that may be absent unless it has `#[schema(required)]`. */
export const ALWAYS_SENT = true;

/** Fields that may really be absent in an answer (`skip_serializing_if`). */
export const LEFT_OUT = {
  // query/src/response.rs: only for a single span with a computed cost.
  CallCost: ['buckets', 'computed_total'],
  // api/targets.rs: only in the answer to the request that created it.
  NotificationTargetView: ['signing_secret'],
};

const PRICE_BUCKETS = [
  'input',
  'cache_read',
  'cache_write_5m',
  'cache_write_1h',
  'input_audio',
  'input_image',
  'output',
  'reasoning',
  'output_audio',
  'output_image',
  'request',
  'web_search',
  'image',
  'hour',
];
const SERIES_MEASURES = [
  'calls',
  'failed',
  'errors',
  'cost',
  'input_tokens',
  'output_tokens',
  'new_input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'duration_p50',
  'duration_p95',
  'duration_p99',
  'runs',
  'spans',
];
const METRIC_MEASURES = ['increase', 'rate', 'value', 'mean', 'min', 'max', 'count', 'sum', 'p50', 'p95', 'p99'];

/** A map from some of these names to values. */
const some = (names, schema) => ({ type: 'object', additionalProperties: false, properties: Object.fromEntries(names.map((name) => [name, schema])) });

/** Schemas that are missing in the document, by the names of the server's types where these exist. */
export const SCHEMAS = {
  // model/src/span.rs: enums of `names!`.
  SpanType: oneOf(
    'llm',
    'embedding',
    'agent',
    'tool',
    'retriever',
    'reranker',
    'guardrail',
    'evaluator',
    'chain',
    'handoff',
    'prompt',
    'http',
    'db',
    'function',
    'other',
  ),
  SpanStatus: oneOf('ok', 'error', 'cancelled'),
  UsageSource: oneOf('reported', 'estimated'),
  CostSource: oneOf('computed', 'client'),
  // model/src/outcome.rs
  OutcomeKind: oneOf('accepted', 'refused', 'dropped', 'duplicate', 'client_dropped'),
  // model/src/price/bucket.rs
  PriceBucket: oneOf(...PRICE_BUCKETS),
  // model/src/hints.rs
  InstrumentationHint: oneOf(
    'stream_without_usage',
    'langchain_hides_openai',
    'prompts_not_sent',
    'sampled',
    'old_sdk',
    'clock_off',
    'no_response_model',
    'unpriced_model',
  ),
  // query/src/aggregate/measure.rs
  SeriesMeasure: oneOf(...SERIES_MEASURES),
  BucketInterval: oneOf('1m', '5m', '15m', '30m', '1h', '6h', '12h', '1d'),
  // model/src/otel_metric/mod.rs and tables/src/otel_metrics/series_query.rs
  MetricKind: oneOf('counter', 'updown_counter', 'gauge', 'histogram', 'summary'),
  MetricTemporality: oneOf('delta', 'cumulative', 'momentary'),
  OtelMetricMeasure: oneOf(...METRIC_MEASURES),
  // alerting/src/delivery/outbox.rs and alerting/src/delivery/target.rs
  DeliveryState: oneOf('waiting', 'sending', 'delivered', 'failed', 'folded', 'cancelled'),
  ChannelKind: oneOf('email', 'slack', 'discord', 'teams', 'pagerduty', 'webhook'),

  // api/queries.rs: the keys of the maps are measures.
  TimeSeriesByMeasure: some(SERIES_MEASURES, list(ref('TimeSeriesGroup'))),
  OtherTimeSeriesByMeasure: some(SERIES_MEASURES, ref('OtherTimeSeriesGroups')),
  // tables/src/otel_metrics/series.rs: the keys of the map are metrics.
  OtelMetricGroupsByMeasure: some(METRIC_MEASURES, list(ref('MetricGroup'))),

  // model/src/span.rs
  MessagePart: {
    oneOf: [
      object({ type: oneOf('text'), text }),
      object({ type: oneOf('reasoning'), text }),
      object({ type: oneOf('tool_call'), id: text, name: text, arguments: text }, 'id'),
      object({ type: oneOf('tool_result'), id: text, name: text, result: text }, 'id', 'name'),
      object({ type: oneOf('media'), modality: text, mime_type: text, content: text }, 'mime_type'),
      object({ type: oneOf('other'), content: text }),
    ],
  },
  ChatMessage: object({ role: text, parts: list(ref('MessagePart')) }),

  // model/src/provenance.rs: the other fields depend on the kind.
  FieldSource: {
    oneOf: [
      object({ kind: oneOf('attribute', 'attribute_prefix'), attribute: text }),
      object({ kind: oneOf('instrumentation', 'model_vendor', 'rest_of_total', 'start_time', 'end_time', 'event_time', 'received_at') }),
      object({ kind: oneOf('gateway_report', 'other_report'), trace_id: text, span_id: text }),
    ],
  },
  // model/src/usage.rs
  TokenCountInterpretation: object({
    sent: number,
    special: number,
    whole: number,
    rule: oneOf('inclusive', 'exclusive', 'partly'),
    because: oneOf('total_agrees', 'total', 'convention', 'impossible'),
  }),
  // model/src/explain
  CostExplanation: object({
    because: oneOf(
      'computed',
      'computed_then',
      'provider_bill',
      'client_lower',
      'client_only',
      'client_preferred',
      'failed',
      'no_usage',
      'no_model',
      'no_price',
    ),
    price: textOrNull,
    price_from: textOrNull,
    table_date: text,
    service_tier: textOrNull,
    computed: numberOrNull,
    client: numberOrNull,
    total: numberOrNull,
    lines: list(ref('CostBucket')),
  }),
  DetectedConvention: object({ name: text, attributes: number, examples: list(text) }),
  ExplainedField: object({
    field: text,
    source: ref('FieldSource'),
    inferred: boolean,
    value: { description: 'Null for texts.', type: ['string', 'number', 'boolean', 'null'] },
  }),
  IgnoredAttribute: object({ name: text, why: oneOf('better', 'unreadable', 'other_meaning', 'empty', 'no_meaning'), better: text }, 'better'),
  TraceFieldCorrection: object({ field: text, alone: textOrNull, in_trace: textOrNull }),
  SpanExplanation: object({
    conventions: list(ref('DetectedConvention')),
    instrumentation_version: textOrNull,
    fields: list(ref('ExplainedField')),
    ignored: list(ref('IgnoredAttribute')),
    input: nullable(ref('TokenCountInterpretation')),
    output: nullable(ref('TokenCountInterpretation')),
    cost: nullable(ref('CostExplanation')),
    counted: boolean,
    corrections: list(ref('TraceFieldCorrection')),
    clock_shift_us: number,
    pieces: number,
  }),

  // model/src/bill
  UnreadBillRow: object({ line: number, why: text }),
  ReconciliationTotals: object({
    billed: numberOrNull,
    observed: numberOrNull,
    gap: numberOrNull,
    coverage: numberOrNull,
    billed_tokens: numberOrNull,
    observed_tokens: number,
    calls: number,
    unpriced_calls: number,
  }),
  ReconciliationRow: { allOf: [ref('ReconciliationTotals'), object({ day: text, model: text })] },
  GapCause: object({
    cause: oneOf('sampled', 'unpriced', 'tier', 'not_instrumented', 'time_zone', 'estimated', 'no_usage', 'not_on_bill'),
    model: textOrNull,
    count: numberOrNull,
    amount: numberOrNull,
    rate: numberOrNull,
  }),
  ReconciliationReport: object({
    from: textOrNull,
    to: textOrNull,
    providers: list(text),
    total: ref('ReconciliationTotals'),
    models: list(ref('ReconciliationRow')),
    days: list(ref('ReconciliationRow')),
    rows: list(ref('ReconciliationRow')),
    causes: list(ref('GapCause')),
  }),
  // tables/src/metadata/directory.rs: `RetentionOverrides` in an answer.
  RetentionOverridesView: object({
    environments: { type: 'object', additionalProperties: number },
    flagged_days: numberOrNull,
    message_days: numberOrNull,
  }),
  // model/src/price/bucket.rs
  BucketPrices: some(PRICE_BUCKETS, number),
};

/** Schemas that combine a flattened struct with `deny_unknown_fields` and other fields. As described, no value is valid. */
export const MIXED = ['RuleShown', 'BudgetShown'];

/** Fields and answers that the document describes too vaguely. `whatever` also replaces a description that is wrong. */
export const NARROWED = [
  // Strings with a fixed set of values: `&'static str` or `String` in the server.
  { at: 'Span.kind', schema: ref('SpanType') },
  { at: 'Span.status', schema: ref('SpanStatus') },
  { at: 'TraceSummary.status', schema: ref('SpanStatus') },
  { at: 'CallUsage.source', schema: nullable(ref('UsageSource')) },
  { at: 'CallCost.source', schema: ref('CostSource') },
  { at: 'CostBucket.bucket', schema: ref('PriceBucket') },
  {
    at: 'SpanExclusion.kind',
    schema: oneOf('wraps_call', 'same_response', 'duplicate_report', 'reported_elsewhere', 'sum_of_calls'),
  },
  { at: 'IdSuggestion.field', schema: oneOf('user', 'session', 'trace', 'span') },
  { at: 'Hint.hint', schema: ref('InstrumentationHint') },
  { at: 'Outcome.outcome', schema: ref('OutcomeKind') },
  { at: 'MetricSeries.bucket', schema: ref('BucketInterval') },
  { at: 'OtelMetricChart.kind', schema: ref('MetricKind') },
  { at: 'OtelMetricSummary.kind', schema: ref('MetricKind') },
  { at: 'OtelMetricSummary.temporality', schema: list(ref('MetricTemporality')) },
  { at: 'OtelMetricSummary.measures', schema: list(ref('OtelMetricMeasure')) },
  { at: 'NotificationDelivery.state', schema: ref('DeliveryState') },
  { at: 'NotificationDelivery.target_kind', schema: ref('ChannelKind') },
  { at: 'DeletionReceipt.what', schema: oneOf('trace', 'user', 'project', 'budget') },

  // api/projects.rs: fields that are optional in a request are always present in an answer.
  {
    at: 'ProjectView.retention',
    whatever: true,
    schema: ref('RetentionOverridesView'),
  },

  // `value_type = Object` and the like.
  { at: 'SpanDetail.input_messages', schema: list(ref('ChatMessage')) },
  { at: 'SpanDetail.output_messages', schema: list(ref('ChatMessage')) },
  { at: 'SpanDetail.explanation', schema: ref('SpanExplanation') },
  { at: 'FieldReading.source', schema: ref('FieldSource') },
  // Whatever the client sent, usually a list.
  { at: 'SpanDetail.tool_definitions', schema: {} },
  { at: 'SpanDetail.attributes', schema: anything },
  { at: 'SpanDetail.request', schema: anything },
  { at: 'LinkedSpan.attributes', schema: anything },
  { at: 'LogLine.attributes', schema: anything },
  { at: 'CustomPriceView.prices', schema: ref('BucketPrices') },
  { at: 'CustomPriceRequest.prices', schema: ref('BucketPrices') },
  { at: 'Issue.points', schema: list(tuple(text, number)) },
  { at: 'MetricGroup.points', schema: points },
  { at: 'TimeSeriesGroup.points', schema: points },
  { at: 'OtherTimeSeriesGroups.points', schema: nullable(points) },
  { at: 'TimeSeriesResponse.bucket', schema: ref('BucketInterval') },
  { at: 'TimeSeriesResponse.measures', whatever: true, schema: ref('TimeSeriesByMeasure') },
  { at: 'TimeSeriesResponse.others', whatever: true, schema: ref('OtherTimeSeriesByMeasure') },
  { at: 'OtelMetricChart.measures', schema: ref('OtelMetricGroupsByMeasure'), whatever: true },
  // api/bill.rs: `value_type = Object` on a flattened field.
  {
    at: 'BillReconciliationResponse',
    whatever: true,
    schema: { allOf: [ref('ReconciliationReport'), object({ imports: list(ref('BillImport')) })] },
  },
  { at: 'BillImportResult.unread_rows', schema: list(ref('UnreadBillRow')) },
];
