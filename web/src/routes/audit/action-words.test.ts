import { expect, test } from 'vitest';
import { actionWords } from './action-words';

test('an action is an area, what is between, and a verb', () => {
  expect(actionWords('keys.create')).toEqual({ area: 'audit.area.keys', middle: '', verb: 'audit.verb.create', failure: null });
  expect(actionWords('alerts.rules.mute.create')).toMatchObject({ area: 'audit.area.alerts', middle: 'rules.mute', verb: 'audit.verb.create' });
  expect(actionWords('score-definitions.replace')).toMatchObject({ area: 'audit.area.scoreDefinitions', verb: 'audit.verb.update' });
});

test('what was denied or failed keeps its verb', () => {
  expect(actionWords('keys.delete.denied')).toMatchObject({ area: 'audit.area.keys', verb: 'audit.verb.delete', failure: 'denied' });
  expect(actionWords('session.create.failed')).toMatchObject({ verb: 'audit.verb.create', failure: 'failed' });
  expect(actionWords('requests.denied')).toMatchObject({ area: 'audit.area.requests', middle: '', failure: 'denied' });
});

test('an action of a newer server stays as it is written', () => {
  expect(actionWords('rockets.launch')).toEqual({ area: null, middle: 'launch', verb: null, failure: null });
  expect(actionWords('constructor.create')).toMatchObject({ area: null });
});
