import { expect, it } from 'vitest';
import { patchOf } from './project-form';

const draft = {
  name: ' tabi-desk ',
  days: '90',
  texts: '',
  notable: '180',
  environments: 'dev=7, a=b=400',
  code: 'jpy',
  rate: '150',
  client: false,
  estimate: true,
  disabled: false,
  hidden: 'viewer' as const,
};

it('sends trimmed, typed values', () => {
  expect(patchOf(draft)).toEqual({
    name: 'tabi-desk',
    retention_days: 90,
    retention: { environments: { dev: 7, 'a=b': 400 }, message_days: null, flagged_days: 180 },
    currency: { code: 'JPY', rate: 150 },
    prefer_client_cost: false,
    estimate_usage: true,
    disabled: false,
    hide_messages: 'viewer',
  });
});

it('treats an empty currency code as dollars only', () =>
  expect(patchOf({ ...draft, code: '', rate: '' })).toMatchObject({ currency: null }));

it.each([{ rate: '0' }, { rate: 'x' }, { rate: 'Infinity' }, { code: 'YENS' }, { code: 'J1' }])('refuses the rate %o', (wrong) =>
  expect(patchOf({ ...draft, ...wrong })).toBe('settings.invalidRate'),
);

it.each(['0', '1.5', '', '99999', 'ninety'])('refuses %s days', (days) => expect(patchOf({ ...draft, days })).toBe('settings.invalidDays'));

it.each([{ texts: '0' }, { notable: 'x' }, { environments: 'dev' }, { environments: '=7' }, { environments: 'dev=0' }])(
  'refuses %o',
  (wrong) => expect(patchOf({ ...draft, ...wrong })).toBe('settings.invalidDays'),
);
