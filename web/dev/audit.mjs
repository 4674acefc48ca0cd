// The audit log of the mock server.
import { iso, START } from './data.mjs';

const HOUR = 3_600_000;

const entry = (action, more = {}) => ({
  actor: { account_id: 2, name: 'ann@example.com', credential: 'session 3' },
  object: '',
  project_id: null,
  address: '192.0.2.17',
  details: {},
  action,
  ...more,
});

const KINDS = [
  entry('session.create', { details: { method: 'password' } }),
  entry('accounts.update', {
    object: 'account 5',
    details: { role: 'member', state: 'deactivated', changes: { role: { before: 'admin', after: 'member' }, state: { before: 'active', after: 'deactivated' } } },
  }),
  entry('keys.create', { object: 'key 4', project_id: 1 }),
  entry('keys.delete.denied', { object: 'key 1', project_id: 1, actor: { account_id: 3, name: 'bob@example.com', credential: 'token 7' } }),
  entry('alerts.rules.mute.create', { project_id: 1 }),
  entry('session.create.failed', {
    actor: { account_id: null, name: '', credential: '' },
    address: '198.51.100.23',
    details: { method: 'password', reason: 'wrong_password' },
  }),
  entry('tokens.create', { actor: { account_id: null, name: 'root', credential: 'command' }, address: null, object: 'token 9' }),
  entry('messages.read', { project_id: 1, details: { trace_id: '4b7910ef39c097d9d6f2106a05e242b7' } }),
  entry('requests.denied', { details: { count: 41, actions: { 'keys.delete.denied': 41 } }, address: '198.51.100.23' }),
  entry('members.replace', { object: 'account 4', project_id: 1, details: { role: 'admin', changes: { role: { before: null, after: 'admin' } } } }),
  entry('projects.update', { project_id: 1, object: '<img src=x onerror=alert(1)>' }),
];

const entries = Array.from({ length: 230 }, (_, at) => ({ ...KINDS[at % KINDS.length], sequence: 230 - at, time: iso(START - at * 1.7 * HOUR) }));

/** The entries that a request selects, the newest first. */
export function auditAnswer(params) {
  const project = params.get('project');
  const account = params.get('account');
  const action = params.get('action');
  const days = /^-(\d+)([mhd])$/.exec(params.get('from') ?? '');
  const from = days ? Date.now() - Number(days[1]) * { m: 60_000, h: HOUR, d: 24 * HOUR }[days[2]] : Date.parse(params.get('from') ?? 0);
  const found = entries.filter(
    (one) =>
      Date.parse(one.time) >= from &&
      one.sequence < Number(params.get('cursor') ?? Infinity) &&
      (project === null || one.project_id === Number(project)) &&
      (account === null || one.actor.account_id === Number(account)) &&
      (action === null || one.action === action || one.action.startsWith(`${action}.`)),
  );
  const shown = found.slice(0, Number(params.get('limit') ?? 100));
  return { entries: shown, next_cursor: shown.length < found.length ? String(shown.at(-1).sequence) : null };
}
