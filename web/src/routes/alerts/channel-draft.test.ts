import { describe, expect, it } from 'vitest';
import type { Channel } from '../../api/types';
import { EMPTY_CHANNEL, hostInForm, formOf, draftOfForm } from './channel-draft';

const target = (address: Channel['address']): Channel => ({
  id: 1,
  name: 'ops',
  language: 'ja',
  disabled: false,
  address,
  shown: '',
  waiting: 0,
  created_at: '2026-11-23T00:00:00Z',
});

describe('a target in its form', () => {
  it.each<Channel['address']>([
    {
      kind: 'email',
      host: 'smtp.example.com',
      port: 587,
      security: 'starttls',
      username: 'h',
      from: 'h@example.com',
      to: ['a@example.com', 'b@example.com'],
    },
    { kind: 'email', host: 'smtp.example.com', security: 'none', from: 'h@example.com', to: ['a@example.com'] },
    { kind: 'slack' },
    { kind: 'pagerduty', endpoint: 'https://events.eu.pagerduty.com/v2/enqueue' },
    { kind: 'webhook', url: 'https://example.com/hook' },
  ])('$kind comes out as it went in, without a secret', (address) => {
    expect(draftOfForm(formOf(target(address)))).toEqual({ name: 'ops', language: 'ja', disabled: false, address });
  });

  it('takes recipients apart', () => {
    const form = { ...EMPTY_CHANNEL, to: ' a@example.com; b@example.com,\nc@example.com,' };
    expect(draftOfForm(form).address).toMatchObject({ to: ['a@example.com', 'b@example.com', 'c@example.com'] });
  });

  it('sends a secret only if one was entered', () => {
    expect(draftOfForm({ ...EMPTY_CHANNEL, kind: 'slack', secret: ' https://x ' })).toMatchObject({ secret: 'https://x' });
    expect('secret' in draftOfForm({ ...EMPTY_CHANNEL, kind: 'slack', secret: ' ' })).toBe(false);
  });
});

it('the host is named as the setting that allows it names it', () => {
  expect(hostInForm({ ...EMPTY_CHANNEL, kind: 'webhook', url: ' http://localhost:9000/x' })).toBe('127.0.0.1');
  expect(hostInForm({ ...EMPTY_CHANNEL, kind: 'webhook', url: 'http://[::1]:9000/x' })).toBe('::1');
  expect(hostInForm({ ...EMPTY_CHANNEL, kind: 'slack', secret: 'https://10.0.0.1/x' })).toBe('10.0.0.1');
  expect(hostInForm({ ...EMPTY_CHANNEL, kind: 'email', host: '192.168.0.2' })).toBe('192.168.0.2');
});
