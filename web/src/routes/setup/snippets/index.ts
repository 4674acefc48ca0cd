import type { TextKey } from '../../../i18n';
import { CODING_AGENT_SNIPPETS } from './coding-agents';
import { GATEWAY_SNIPPETS } from './gateways';
import { LANGFUSE_SNIPPETS } from './langfuse';
import { OPENTELEMETRY_SNIPPETS } from './opentelemetry';
import { SENTRY_SNIPPETS } from './sentry';
import type { Snippet } from './snippet';

export { otlpSettings, snippetText, type ClientChecks, type Snippet, type SnippetToken } from './snippet';

export interface SnippetGroup {
  id: string;
  label: TextKey;
  snippets: Snippet[];
}

/** What a program may speak: one group is one tab, and one snippet is one choice in it. */
export const SNIPPET_GROUPS: SnippetGroup[] = [
  { id: 'sentry', label: 'setup.group.sentry', snippets: SENTRY_SNIPPETS },
  { id: 'otel', label: 'setup.group.opentelemetry', snippets: OPENTELEMETRY_SNIPPETS },
  { id: 'langfuse', label: 'setup.group.langfuse', snippets: LANGFUSE_SNIPPETS },
  { id: 'agents', label: 'setup.group.agents', snippets: CODING_AGENT_SNIPPETS },
  { id: 'gateways', label: 'setup.group.gateways', snippets: GATEWAY_SNIPPETS },
];

export const SNIPPETS: Snippet[] = SNIPPET_GROUPS.flatMap(({ snippets }) => snippets);

/** The group and snippet of an address; the first ones if it names none. */
export function chosenSnippet(id: string | undefined): { group: SnippetGroup; snippet: Snippet } {
  const group = SNIPPET_GROUPS.find(({ snippets }) => snippets.some((snippet) => snippet.id === id)) ?? SNIPPET_GROUPS[0]!;
  return { group, snippet: group.snippets.find((snippet) => snippet.id === id) ?? group.snippets[0]! };
}
