/** Attributes that every instrumentation of OpenTelemetry or Sentry sends, and that no rule needs. */
const COMMON = /^(otel\.|service\.|telemetry\.|sentry\.|process\.|host\.|os\.|thread\.|server\.|code\.|deployment\.)/;

const quoted = (text: string) => JSON.stringify(text);

/** The start of a rule for a span: its conditions, and a commented line for each attribute that may become a field. */
export function ruleDraft(span: { name: string; origin: string | null; attributes: Record<string, unknown> }, name: string): string {
  const condition = span.origin ? `scope = ${quoted(span.origin)}` : `span = ${quoted(span.name)}`;
  const names = Object.keys(span.attributes).filter((attribute) => !COMMON.test(attribute));
  const lines = names.map((attribute) => `# ${quoted(attribute)} = ""`);
  return ['[[rule]]', `name = ${quoted(name)}`, condition, 'kind = "llm"', '', '[rule.fields]', ...lines, ''].join('\n');
}

/** The text with a rule added at its end, whose name no other rule has. */
export function withRule(text: string, span: { name: string; origin: string | null; attributes: Record<string, unknown> }): string {
  const base = span.name.trim() || 'Rule';
  let name = base;
  for (let number = 2; text.includes(`name = ${quoted(name)}`); number += 1) name = `${base} ${number}`;
  const before = text.trimEnd();
  return `${before === '' ? '' : `${before}\n\n`}${ruleDraft(span, name)}`;
}
