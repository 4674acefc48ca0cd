// Sample data that belongs to no query: tokens, sessions, deletions and bills.
import { iso, START } from './data.mjs';

const DAY = 86_400_000;

export const account = { id: 1, name: 'Owner', email: null };

export const tokens = [
  {
    id: 1,
    name: 'Report',
    account,
    project_id: 1,
    role: 'viewer',
    created_at: iso(START - 20 * DAY),
    expires_at: iso(START + 10 * DAY),
    last_used_at: iso(START - 3_600_000),
  },
];

const session = (id, client, current) => ({
  id,
  account,
  client,
  address: '192.0.2.17',
  created_at: iso(START - id * DAY),
  last_used_at: iso(START - id * 60_000),
  expires_at: iso(START + 30 * DAY),
  current,
});
export const sessions = [session(1, 'Chromium on Linux', true), session(2, 'Firefox on Windows', false)];

const remove = (list, id) => {
  const at = list.findIndex((one) => one.id === id);
  if (at >= 0) list.splice(at, 1);
  return null;
};
export const revokeToken = (id) => remove(tokens, id);
export const endSession = (id) => remove(sessions, id);

export const deletions = [];

/** The receipt of a deleted trace. */
export function receipt({ summary, spans, errors }) {
  const made = {
    at: iso(Date.now()),
    project: 1,
    what: 'trace',
    subject: summary.trace_id,
    spans: spans.length,
    errors: errors.length,
    scores: 0,
    log_lines: 0,
    series: 0,
    incidents: 0,
    mentions: 0,
    until: summary.start_time,
    files: [],
    still_read: [],
    unreadable: [],
    resumed: false,
    duration_ms: 12,
  };
  deletions.unshift(made);
  return made;
}

const sums = (billed, observed) => ({
  billed,
  observed,
  gap: billed - observed,
  coverage: observed / billed,
  billed_tokens: null,
  observed_tokens: 1_284_000,
  calls: 412,
  unpriced_calls: 3,
});
const day = (back) => iso(START - back * DAY).slice(0, 10);
const imports = [];

export function importBill(name) {
  const made = { format: 'table', rows: 14, from: day(7), to: day(1), unread: 1 };
  imports.unshift({ at: iso(Date.now()), name: name ?? '', ...made });
  return { ...made, lines: 15, unread_rows: [{ line: 9, why: 'no amount' }], unknown_columns: ['cost_center'] };
}

/** Empty until something is imported. */
export function bill() {
  const models = ['gpt-4o', 'claude-sonnet-4-5'];
  const days = imports.length > 0 ? [6, 5, 4, 3, 2, 1] : [];
  return {
    from: imports[0]?.from ?? null,
    to: imports[0]?.to ?? null,
    providers: imports.length > 0 ? ['openai', 'anthropic'] : [],
    total: imports.length > 0 ? sums(61.2, 58.4) : { ...sums(1, 1), billed: null, gap: null, coverage: null },
    models: imports.length > 0 ? models.map((model) => ({ day: '', model, ...sums(30.6, 29.2) })) : [],
    days: days.map((back) => ({ day: day(back), model: '', ...sums(10.2, 9.7) })),
    rows: days.flatMap((back) => models.map((model) => ({ day: day(back), model, ...sums(5.1, 4.9) }))),
    causes: imports.length > 0 ? [{ cause: 'unpriced', model: 'swallow-70b-instruct', count: 3, amount: null, rate: null }] : [],
    imports,
  };
}
