import { expect, test } from 'vitest';
import { en } from '../../i18n/en';
import { setupChecksOf } from './checks';
import { SNIPPETS } from './snippets';

const HERE = 'http://0123456789abcdef0123456789abcdef@127.0.0.1:8119/7';
const THERE = 'https://0123456789abcdef0123456789abcdef@hinomi.example/7';

test('every client has things to check, with the address and the key of its project', () => {
  for (const { id } of SNIPPETS) {
    const checks = setupChecksOf(id, HERE);
    for (const { text } of checks) expect(en[text], `${id} ${text}`).toBeTruthy();
    const code = checks.map((check) => check.code).join('\n');
    expect(code, id).toContain('curl http://127.0.0.1:8119/healthz');
    expect(code, id).toContain('0123456789abcdef0123456789abcdef');
  }
});

test('the container hint is shown if the address is loopback only', () => {
  expect(setupChecksOf('python', HERE).map(({ text }) => text)).toContain('setup.check.localAddress');
  expect(setupChecksOf('python', THERE).map(({ text }) => text)).not.toContain('setup.check.localAddress');
});
