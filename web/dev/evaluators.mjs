// Evaluators of the mock server.
import { fail, traces } from './queries.mjs';

const STAMPS = { created_at: '2026-11-02T09:00:00.000000Z', updated_at: '2026-11-20T16:30:00.000000Z' };

let evaluators = [
  {
    id: 1,
    name: 'valid_plan',
    version: 2,
    type: 'json_schema',
    config: { schema: { type: 'object', required: ['days'], properties: { days: { type: 'array' } } } },
    target: 'span',
    q: 'agent:trip-planner',
    sampling: 0.25,
    seed: 1,
    daily_budget: null,
    enabled: true,
    outcomes: { scored: 1284, no_answer: 31 },
    ...STAMPS,
  },
  {
    id: 2,
    name: '日本語で回答',
    version: 1,
    type: 'language',
    config: { expected: 'ja' },
    target: 'session',
    q: '',
    sampling: [
      { q: 'status:error', rate: 1 },
      { q: '', rate: 0.05 },
    ],
    seed: 1,
    daily_budget: null,
    enabled: false,
    outcomes: {},
    ...STAMPS,
  },
];

let job = null;

/** The newest traces, each with a result; one of them is bad. */
function preview(draft) {
  const targets = traces.slice(0, 6).map(({ summary }) => ({
    trace_id: draft.target === 'session' ? null : summary.trace_id,
    span_id: null,
    session_id: draft.target === 'session' ? `chat-${summary.trace_id.slice(0, 8)}` : null,
  }));
  const results = targets.map((target, at) => ({
    target,
    outcome: at === 2 ? 'no_answer' : 'scored',
    data_type: at === 2 ? null : 'boolean',
    value: at === 2 ? null : at === 3 ? 0 : 1,
    label: null,
    explanation: at === 2 ? null : at === 3 ? 'The answer is not valid against the schema.' : 'The answer is valid against the schema.',
    evidence: at === 3 ? ['/days: "three" is not of type "array"'] : [],
  }));
  return { targets, selected: 1315, of: 5260, cost: 0, results };
}

function evaluationJob(evaluator) {
  const now = new Date().toISOString();
  job = {
    id: 900,
    project_id: 1,
    kind: 'evaluate',
    state: 'done',
    done: 1315,
    total: 1315,
    reason: null,
    created_at: now,
    started_at: now,
    ended_at: now,
    from: null,
    to: null,
    reached: now,
    result: null,
    evaluator_id: evaluator,
    outcomes: { scored: 1284, no_answer: 31 },
  };
  return job;
}

/** The last evaluation of stored data. */
export const evaluationJobs = () => ({ jobs: job ? [job] : [], next_cursor: null });

export function evaluatorAnswer(method, path, one, body) {
  if (one === 'preview') return preview(body);
  const at = evaluators.findIndex(({ id }) => id === Number(one));
  if (path.endsWith('/backfill')) return evaluationJob(Number(one));
  if (method === 'POST') {
    const stored = { id: evaluators.length + 1, version: 1, outcomes: {}, ...STAMPS, ...body, seed: body.seed ?? 1 };
    evaluators.push(stored);
    return stored;
  }
  if (!one) return { evaluators, quiet_trace_s: 60, quiet_session_s: 1800 };
  const found = evaluators[at] ?? fail(404, 'No such evaluator');
  if (method === 'PUT') return (evaluators[at] = { ...found, ...body, seed: body.seed ?? 1 });
  if (method === 'DELETE') return ((evaluators = evaluators.filter(({ id }) => id !== found.id)), null);
  return found;
}
