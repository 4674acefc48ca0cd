import { expect, test } from 'vitest';
import { withRule } from './rule-draft';

const span = { name: 'relay "chat"', origin: 'acme.gateway', attributes: { 'relay.model': 'x', 'otel.scope.version': '1' } };

test('a rule is added at the end, with a commented line for each attribute of the instrumentation', () => {
  const first = withRule('', span);
  expect(first).toBe(
    '[[rule]]\nname = "relay \\"chat\\""\nscope = "acme.gateway"\nkind = "llm"\n\n[rule.fields]\n# "relay.model" = ""\n',
  );
  const both = withRule(first, span);
  expect(both.startsWith(`${first}\n[[rule]]\nname = "relay \\"chat\\" 2"`)).toBe(true);
});

test('a span without an instrumentation is selected by its name', () => {
  expect(withRule('# mine\n', { ...span, name: '', origin: null })).toContain('# mine\n\n[[rule]]\nname = "Rule"\nspan = ""');
});
