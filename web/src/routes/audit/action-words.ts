import type { TextKey } from '../../i18n';

/** What actions are about, by the first word of an action. */
const AREAS: Record<string, TextKey> = {
  accounts: 'audit.area.accounts',
  alerts: 'audit.area.alerts',
  audit: 'audit.area.audit',
  backup: 'audit.area.backup',
  bill: 'audit.area.bill',
  export: 'audit.area.export',
  forwards: 'audit.area.forwards',
  import: 'audit.area.import',
  issues: 'audit.area.issues',
  jobs: 'audit.area.jobs',
  keys: 'audit.area.keys',
  mapping: 'audit.area.mapping',
  me: 'audit.area.password',
  members: 'audit.area.members',
  messages: 'audit.area.messages',
  password: 'audit.area.password',
  prices: 'audit.area.prices',
  projects: 'audit.area.projects',
  reprice: 'audit.area.reprice',
  requests: 'audit.area.requests',
  retention: 'audit.area.retention',
  scim: 'audit.area.scim',
  'score-definitions': 'audit.area.scoreDefinitions',
  scores: 'audit.area.scores',
  session: 'audit.area.session',
  sessions: 'audit.area.sessions',
  shares: 'audit.area.shares',
  sign_in: 'audit.area.signIn',
  sign_in_link: 'audit.area.signIn',
  tokens: 'audit.area.tokens',
  traces: 'audit.area.traces',
  users: 'audit.area.users',
};

const VERBS: Record<string, TextKey> = {
  activate: 'audit.verb.activate',
  create: 'audit.verb.create',
  deactivate: 'audit.verb.deactivate',
  delete: 'audit.verb.delete',
  delete_all: 'audit.verb.delete',
  read: 'audit.verb.read',
  renew: 'audit.verb.renew',
  replace: 'audit.verb.update',
  unlink: 'audit.verb.unlink',
  update: 'audit.verb.update',
  use: 'audit.verb.use',
};

/** How an action ended, where it was not carried out. */
export type ActionFailure = 'denied' | 'failed';

export interface ActionWords {
  /** What the action is about; null if the page has no name for it. */
  area: TextKey | null;
  /** Words of the action between its first and its last one, as they are. */
  middle: string;
  /** What was done; null if the page has no name for it. */
  verb: TextKey | null;
  failure: ActionFailure | null;
}

/** First words of actions, for suggestions. */
export const ACTION_AREAS = Object.keys(AREAS);

const named = (table: Record<string, TextKey>, word: string) => (Object.hasOwn(table, word) ? table[word]! : null);

/** Reads an action such as `alerts.rules.mute.create` or `keys.delete.denied`. */
export function actionWords(action: string): ActionWords {
  const words = action.split('.');
  const last = words.at(-1);
  const failure = last === 'denied' || last === 'failed' ? last : null;
  const [first = '', ...rest] = failure ? words.slice(0, -1) : words;
  const verb = named(VERBS, rest.at(-1) ?? '');
  return { area: named(AREAS, first), middle: (verb ? rest.slice(0, -1) : rest).join('.'), verb, failure };
}
