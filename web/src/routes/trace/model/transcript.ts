import type { Message, Part, SpanDetail } from '../../../api/types';
import { isModelCall, type SpanNode, type SpanTree } from './tree';

type ToolCall = Extract<Part, { type: 'tool_call' }>;

export interface ToolAttempt {
  node: SpanNode;
  /** How long nothing was tried before it. */
  waited: number;
}

/** A tool as the model asked for it, with the span that ran it and what came back, as far as either is known. */
export interface ToolUse {
  name: string;
  arguments: string | null;
  id: string | null;
  node: SpanNode | null;
  result: string | null;
  /** Tries below it, where there was more than one. */
  attempts: ToolAttempt[];
}

export type TranscriptItem =
  /** What was said to the model: by the program, by the user, or before this trace began. */
  | { type: 'said'; key: string; role: string; parts: Part[]; uses: ToolUse[][]; old: boolean }
  /** What the model answered: its words, then the tools it asked for, those that ran at once in one group. */
  | { type: 'turn'; key: string; node: SpanNode; who: string; parts: Part[]; uses: ToolUse[][]; loaded: boolean }
  | { type: 'tool'; key: string; use: ToolUse }
  | { type: 'handoff'; key: string; node: SpanNode };

/** The calls that a transcript is made of: a wrapper around a call that is there itself says nothing of its own. */
export function modelCalls(tree: SpanTree): SpanNode[] {
  const wraps = new Set<SpanNode>();
  for (const node of tree.nodes) {
    if (!isModelCall(node.span)) continue;
    for (let up = node.parent; up; up = up.parent) if (isModelCall(up.span)) wraps.add(up);
  }
  return tree.nodes.filter((node) => node.span.kind === 'llm' && !wraps.has(node)).toSorted((a, b) => a.start - b.start);
}

const toolName = ({ span }: SpanNode) => span.tool ?? span.name.replace(/^(execute_)?tool[\s:]+/i, '');

/** The same message has the same mark, also when a client sends it back with other ids or spaces. */
function messageFingerprint({ role, parts }: Message): string {
  const said = parts.map((part) => {
    if (part.type === 'tool_call') return `${part.name}(${part.arguments})`;
    if (part.type === 'tool_result') return part.result;
    if (part.type === 'media') return part.media_id ?? part.content ?? part.modality;
    return 'text' in part ? part.text : part.content;
  });
  return `${role}\n${said.join('\n').replace(/\s+/g, ' ').trim()}`;
}

const isResult = (part: Part) => part.type === 'tool_result';

/** Tries of the same thing below a span, where one failed and another followed. */
export function attemptsOfTool(node: SpanNode): ToolAttempt[] {
  const tries: SpanNode[] = [];
  const stack = node.children.toReversed();
  for (let child = stack.pop(); child; child = stack.pop()) {
    if (child.span.kind === 'http' || (isModelCall(child.span) && isModelCall(node.span))) tries.push(child);
    else stack.push(...child.children.toReversed());
  }
  if (tries.length < 2 || !tries.some(({ span }) => span.status === 'error')) return [];
  return tries.map((one, at) => ({ node: one, waited: at === 0 ? 0 : Math.max(0, one.start - tries[at - 1]!.end) }));
}

function groupConcurrent(uses: ToolUse[]): ToolUse[][] {
  const groups: ToolUse[][] = [];
  let end = -Infinity;
  for (const use of uses) {
    const last = groups[groups.length - 1];
    if (last && use.node && use.node.start < end) last.push(use);
    else groups.push([use]);
    if (use.node) end = Math.max(end, use.node.end);
  }
  return groups;
}

const byStartTime = (uses: ToolUse[]) =>
  groupConcurrent(uses.toSorted((a, b) => (a.node?.start ?? Infinity) - (b.node?.start ?? Infinity)));

/** The conversation of a trace: each message once, tool calls with their results, in the order of time. */
export function transcript(tree: SpanTree, details: ReadonlyMap<string, SpanDetail>): TranscriptItem[] {
  const calls = modelCalls(tree);
  const tools = tree.nodes.filter(({ span }) => span.kind === 'tool').toSorted((a, b) => a.start - b.start);
  const taken = new Set<SpanNode>();
  const seen = new Set<string>();
  const open: ToolUse[] = [];
  const items: (TranscriptItem & { at: number })[] = [];
  const useOf = (call: ToolCall, ran: SpanNode | null): ToolUse => {
    if (ran) taken.add(ran);
    const use: ToolUse = {
      name: call.name,
      arguments: call.arguments,
      id: call.id ?? null,
      node: ran,
      result: null,
      attempts: ran ? attemptsOfTool(ran) : [],
    };
    open.push(use);
    return use;
  };

  /** When the first tool ran that a message asked for, or whose result follows it. */
  const beganBefore = (uses: ToolUse[], later: Message[]): number => {
    const starts = uses.map((use) => use.node?.start ?? Infinity);
    for (const part of later.flatMap(({ parts }) => parts)) {
      if (part.type !== 'tool_result') continue;
      const use = open.find(({ id }) => part.id && id === part.id);
      const ran = use?.node ?? tools.find((tool) => !taken.has(tool) && toolName(tool) === part.name);
      if (ran) starts.push(ran.start);
    }
    return Math.min(Infinity, ...starts);
  };

  for (const node of calls) {
    const { span } = node;
    const detail = details.get(span.span_id);
    const answered = detail?.output_messages ?? [];
    const first = items.length === 0;
    (detail?.input_messages ?? []).forEach((message, place, all) => {
      const mark = messageFingerprint(message);
      if (seen.has(mark)) return;
      seen.add(mark);
      // A message of the model that no span reports as an answer is known from here alone. It came before the tools that it asked for.
      const asked =
        first || message.role !== 'assistant' ? [] : message.parts.filter((part): part is ToolCall => part.type === 'tool_call');
      const uses = asked.map((call) =>
        useOf(call, tools.find((tool) => !taken.has(tool) && tool.start < node.start && toolName(tool) === call.name) ?? null),
      );
      const rest = message.parts.filter(
        (part) => !(part.type === 'tool_result' && resolvePending(open, part)) && !(part.type === 'tool_call' && asked.includes(part)),
      );
      if ((rest.length === 0 && uses.length === 0) || (message.role === 'tool' && rest.every(isResult) && !first)) return;
      // What a model said before this trace, and what was said to it then, is history.
      const old = message.role === 'assistant' || all.slice(place + 1).some(({ role }) => role === 'assistant');
      items.push({
        type: 'said',
        key: `${span.span_id} in ${place}`,
        role: message.role,
        parts: rest,
        uses: byStartTime(uses),
        old: old && first,
        at: first || message.role !== 'assistant' ? node.start : Math.min(node.start, beganBefore(uses, all.slice(place + 1))),
      });
    });
    for (const message of answered) seen.add(messageFingerprint(message));

    const parts = answered.flatMap((message) => message.parts);
    const asked = parts.filter((part): part is ToolCall => part.type === 'tool_call');
    const uses = asked.map((call) =>
      useOf(call, tools.find((tool) => !taken.has(tool) && tool.start >= node.end - 1 && toolName(tool) === call.name) ?? null),
    );
    const preview = span.output_preview;
    items.push({
      type: 'turn',
      key: span.span_id,
      node,
      who: span.agent ?? 'assistant',
      parts: detail ? parts.filter(({ type }) => type !== 'tool_call') : preview ? [{ type: 'text', text: preview }] : [],
      uses: byStartTime(uses),
      loaded: detail !== undefined,
      at: node.start,
    });
  }

  // Tools that no answer asked for, as far as it can be told: their own line, where they ran.
  for (const tool of tools) {
    if (taken.has(tool) || tool.parent?.span.kind === 'tool') continue;
    const use: ToolUse = {
      name: toolName(tool),
      arguments: tool.span.input_preview,
      id: null,
      node: tool,
      result: null,
      attempts: attemptsOfTool(tool),
    };
    items.push({ type: 'tool', key: tool.span.span_id, use, at: tool.start });
  }
  for (const node of tree.nodes) {
    if (node.span.kind === 'handoff') items.push({ type: 'handoff', key: node.span.span_id, node, at: node.start });
  }
  for (const use of [...open, ...items.flatMap((item) => (item.type === 'tool' ? [item.use] : []))]) {
    use.result ??= use.node?.span.output_preview ?? null;
  }
  return items.toSorted((a, b) => a.at - b.at).map(({ at: _at, ...item }) => item);
}

/** Gives a result to the call that it answers; false where there is none. */
function resolvePending(open: ToolUse[], part: Extract<Part, { type: 'tool_result' }>): boolean {
  const use = open.find(({ id, name, result }) => result === null && (part.id ? id === part.id : name === part.name));
  if (!use) return false;
  use.result = part.result;
  return true;
}
