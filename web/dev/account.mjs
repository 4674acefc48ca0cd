// Sample data that belongs to no query: tokens, sessions, deletions and bills.
import { iso, START } from './data.mjs';

const DAY = 86_400_000;

export const account = { id: 1, name: 'Owner', email: null };

const person = (id, email, state, role) => ({
  id,
  kind: email ? 'person' : 'service',
  email,
  name: email ?? 'CI',
  state,
  role,
  has_password: state === 'active' && email !== null,
  created_at: iso(START - id * DAY),
  last_sign_in_at: state === 'active' && email ? iso(START - id * 3_600_000) : null,
});
export const accounts = [
  { ...person(1, null, 'active', 'owner'), kind: 'person', name: 'Owner' },
  person(2, 'ann@example.com', 'active', 'admin'),
  person(3, 'bob@example.com', 'invited', 'viewer'),
  person(4, null, 'active', null),
  person(5, 'eve@example.com', 'deactivated', 'member'),
];
const members = [[2, 'admin'], [4, 'member']].map(([id, role]) => ({ account: referenceTo(accounts.find((one) => one.id === id)), role }));

function referenceTo({ id, name, email }) {
  return { id, name, email };
}

const LINK = 'http://127.0.0.1:8119/set-password#token=0123456789abcdef';

const created = (email, role) => {
  accounts.push(person(accounts.length + 1, email, 'invited', role));
  return accounts.at(-1);
};

/** Requests to `/accounts`. */
export function accountAnswer(method, id, isLink, body) {
  if (method === 'GET') return { accounts };
  if (isLink) return { url: LINK };
  if (!id) return { account: created(body.email ?? null, body.role), invitation_url: LINK };
  const { role, name, email, deactivated } = body;
  const changes = { role, name, email, state: deactivated === undefined ? undefined : deactivated ? 'deactivated' : 'active' };
  const account = accounts.find((one) => one.id === id);
  return Object.assign(account, Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)));
}

/** Requests to `/members` of a project. */
export function memberAnswer(method, id, body) {
  if (method === 'GET') return { members };
  if (method === 'POST') {
    const known = accounts.find(({ email }) => email === body.email);
    const account = known ?? created(body.email, null);
    members.push({ account: referenceTo(account), role: body.role });
    return { account_id: account.id, invitation_url: known ? null : LINK };
  }
  const at = members.findIndex(({ account: { id: own } }) => own === id);
  if (method === 'DELETE') members.splice(at, 1);
  return method === 'DELETE' ? null : Object.assign(members[at], body);
}

export const tokens = [
  {
    id: 1,
    kind: 'api',
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

export function createToken({ name, kind = 'api', role, project_id = null, expires_in }) {
  const expires_at = expires_in ? iso(Date.now() + Number.parseInt(expires_in, 10) * DAY) : null;
  tokens.push({ id: tokens.length + 1, kind, name, account, project_id, role, created_at: iso(Date.now()), expires_at, last_used_at: null });
  return { token: 'hnm_0123456789abcdef' };
}

const shares = [];

/** Requests to `/shares` of a project. */
export function shareAnswer(method, id, body) {
  if (method === 'GET' && !id) return { shares };
  if (method === 'GET') return shares.find((one) => one.id === id);
  if (method === 'DELETE') return remove(shares, id);
  const made = {
    id: shares.length + 1,
    target: 'trace',
    target_id: body.id,
    messages: body.messages ?? true,
    created_by: account.name,
    created_at: iso(Date.now()),
    expires_at: iso(Date.now() + Number.parseInt(body.expires_in ?? '7d', 10) * DAY),
  };
  shares.unshift(made);
  return { id: made.id, url: 'http://127.0.0.1:8119/share/0123456789abcdef', messages: made.messages, expires_at: made.expires_at };
}

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
