/* Scores of the mock server. */

const NOW = Date.now();

let scores = [];

const scoreOf = (body, at) => ({
  id: `score-${scores.length + 1}`,
  name: body.name,
  data_type: body.data_type ?? (typeof body.value === 'boolean' ? 'boolean' : typeof body.value === 'string' ? 'categorical' : 'numeric'),
  value: typeof body.value === 'string' ? null : body.value === undefined ? null : Number(body.value),
  label: typeof body.value === 'string' ? body.value : null,
  explanation: body.explanation ?? null,
  comment: body.comment ?? null,
  metadata: {},
  source: body.source ?? 'api',
  author: body.source === 'annotation' ? 'owner' : null,
  evaluator: null,
  definition_id: null,
  trace_id: body.trace_id ?? null,
  span_id: body.span_id ?? null,
  session_id: body.session_id ?? null,
  dataset_item_id: null,
  experiment_id: null,
  queue_id: null,
  judge_trace_id: null,
  environment: null,
  probability: 1,
  superseded: false,
  timestamp: new Date(at).toISOString(),
});

export const scoresOfTrace = (trace) => scores.filter((score) => score.trace_id === trace);

function store(body) {
  const stored = [body].flat().map((one) => scoreOf(one, Date.now()));
  const isSame = (one, other) => one.name === other.name && one.trace_id === other.trace_id && one.span_id === other.span_id;
  scores = [...scores.filter((one) => !stored.some((other) => other.source === 'annotation' && isSame(one, other))), ...stored];
  return { ids: stored.map(({ id }) => id) };
}

const summary = (number) => ({
  scores:
    number === 1
      ? [
          {
            name: 'helpful',
            data_type: 'boolean',
            n: 412,
            value_n: 412,
            sources: [
              { source: 'user_feedback', n: 398 },
              { source: 'annotation', n: 14 },
            ],
            mean: 0.83,
            mean_low: 0.79,
            mean_high: 0.86,
            bad_rate: 0.17,
            bad_of: 412,
            bad_low: 0.137,
            bad_high: 0.209,
            previous_mean: 0.88,
            previous_bad_rate: 0.12,
            labels: [],
          },
          {
            name: 'tone',
            data_type: 'categorical',
            n: 96,
            value_n: 0,
            sources: [{ source: 'judge', n: 96 }],
            mean: null,
            mean_low: null,
            mean_high: null,
            bad_rate: null,
            bad_of: null,
            bad_low: null,
            bad_high: null,
            previous_mean: null,
            previous_bad_rate: null,
            labels: [
              { label: 'friendly', n: 81 },
              { label: 'curt', n: 15 },
            ],
          },
        ]
      : [],
});

export function scoreAnswer(number, method, one, body) {
  if (one === 'summary') return summary(number);
  if (method === 'POST') return store(body);
  if (method === 'DELETE') return ((scores = scores.filter(({ id }) => id !== one)), null);
  return { scores, next_cursor: null };
}

let definitions = [];

export function definitionAnswer(method, one, body) {
  if (method === 'POST') {
    const stored = { id: String(definitions.length + 1), ...body };
    definitions.push(stored);
    return stored;
  }
  if (method === 'DELETE') return ((definitions = definitions.filter(({ id }) => id !== one)), null);
  return { definitions };
}

/** The mean of a score over time. */
export function scoreSeries() {
  const points = Array.from({ length: 24 }, (_, hour) => [
    new Date(NOW - (24 - hour) * 3_600_000).toISOString(),
    0.8 + 0.1 * Math.sin(hour / 3),
  ]);
  const groups = [{ key: null, points }];
  return { bucket: '1h', groups, measures: { score: groups, score_count: [{ key: null, points: points.map(([at]) => [at, 17]) }] }, others: {} };
}
