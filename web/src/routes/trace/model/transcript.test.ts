import { describe, expect, it } from 'vitest';
import type { Message } from '../../../api/types';
import { aDetail, aSpan } from './fixtures';
import { attemptsOfTool, transcript, modelCalls } from './transcript';
import { buildTree } from './tree';

const says = (role: string, text: string): Message => ({ role, parts: [{ type: 'text', text }] });
const asks = (...names: string[]): Message => ({
  role: 'assistant',
  parts: names.map((name, at) => ({ type: 'tool_call', id: `c${at}`, name, arguments: '{}' })),
});

const system = says('system', 'You plan trips.');
const user = says('user', '札幌へ行きたい');
const spans = [
  aSpan('agent', null, 0, 100, { kind: 'agent', agent: 'planner' }),
  aSpan('call1', 'agent', 0, 10, { kind: 'llm', agent: 'planner' }),
  aSpan('flights', 'agent', 10, 20, { kind: 'tool', tool: 'flights', output_preview: '6 offers' }),
  aSpan('hotels', 'agent', 12, 30, { kind: 'tool', tool: 'hotels' }),
  aSpan('try1', 'hotels', 12, 5, { kind: 'http', status: 'error', status_detail: '429' }),
  aSpan('try2', 'hotels', 20, 5, { kind: 'http' }),
  aSpan('call2', 'agent', 50, 10, { kind: 'llm', agent: 'planner' }),
  aSpan('clock', 'agent', 70, 1, { kind: 'tool', name: 'execute_tool clock' }),
];
const tree = buildTree(spans, []);
const first = asks('flights', 'hotels');
const results: Message[] = [
  { role: 'tool', parts: [{ type: 'tool_result', id: 'c1', result: '{"hotels":42}' }] },
  { role: 'tool', parts: [{ type: 'tool_result', id: 'c0', name: 'flights', result: '{"offers":6}' }] },
];
const details = new Map([
  ['call1', aDetail(spans[1]!, { input_messages: [system, user], output_messages: [first] })],
  [
    'call2',
    aDetail(spans[6]!, {
      input_messages: [system, says('user', ' 札幌へ行きたい '), first, ...results],
      output_messages: [says('assistant', 'はい')],
    }),
  ],
]);

describe('the transcript', () => {
  const items = transcript(tree, details);

  it('shows each message once, in order of time', () => {
    expect(items.map((item) => (item.type === 'said' ? item.role : item.type))).toEqual(['system', 'user', 'turn', 'turn', 'tool']);
  });

  it('pairs tool calls with their spans and results, and shows which ran concurrently', () => {
    const turn = items.find((item) => item.type === 'turn')!;
    expect(turn.uses).toHaveLength(1);
    expect(turn.uses[0]!.map(({ name, node, result }) => [name, node?.span.span_id, result])).toEqual([
      ['flights', 'flights', '{"offers":6}'],
      ['hotels', 'hotels', '{"hotels":42}'],
    ]);
  });

  it('shows failed attempts before a success', () => {
    expect(attemptsOfTool(tree.byId.get('hotels')!).map(({ node, waited }) => [node.span.span_id, waited])).toEqual([
      ['try1', 0],
      ['try2', 3],
    ]);
    expect(attemptsOfTool(tree.byId.get('flights')!)).toEqual([]);
  });

  it('gives a tool that no response requested its own line', () => {
    expect(items.at(-1)).toMatchObject({ type: 'tool', use: { name: 'clock', result: null } });
  });

  it('shows previews until the messages have loaded', () => {
    const bare = transcript(tree, new Map());
    expect(bare.filter(({ type }) => type === 'turn')).toHaveLength(2);
    expect(bare.filter(({ type }) => type === 'tool')).toHaveLength(3);
  });

  it('puts the output of the model before its tool calls, where only the next call contains it', () => {
    const asking: Message = {
      role: 'assistant',
      parts: [
        { type: 'text', text: '確定してよろしいですか?' },
        { type: 'tool_call', id: 'q', name: 'ask_user', arguments: '{}' },
      ],
    };
    const wordsAlone: Message = { role: 'assistant', parts: [{ type: 'text', text: '確定してよろしいですか?' }] };
    const answer: Message = { role: 'tool', parts: [{ type: 'tool_result', id: 'q', name: 'ask_user', result: 'はい' }] };
    const conversation = [
      aSpan('one', null, 0, 10, { kind: 'llm' }),
      aSpan('ask', null, 20, 30, { kind: 'tool', tool: 'ask_user', output_preview: 'はい' }),
      aSpan('two', null, 60, 10, { kind: 'llm' }),
    ];
    for (const question of [asking, wordsAlone]) {
      const known = new Map([
        ['one', aDetail(conversation[0]!, { input_messages: [user], output_messages: [says('assistant', 'hm')] })],
        [
          'two',
          aDetail(conversation[2]!, {
            input_messages: [user, says('assistant', 'hm'), question, answer],
            output_messages: [says('assistant', '確定')],
          }),
        ],
      ]);
      const found = transcript(buildTree(conversation, []), known);
      const shown = found.flatMap((item): string[] => {
        if (item.type === 'tool') return [`${item.use.name} ${item.use.result}`];
        if (item.type === 'handoff') return [];
        const said = item.parts.map((part) => ('text' in part ? part.text : part.type));
        return [...said, ...item.uses.flat().map(({ name, result }) => `${name} ${result}`)];
      });
      expect(shown).toEqual(['札幌へ行きたい', 'hm', '確定してよろしいですか?', 'ask_user はい', '確定']);
    }
  });

  it('marks messages from before the trace as old', () => {
    const later = buildTree([spans[6]!], []);
    const found = transcript(later, details);
    expect(found.filter((item) => item.type === 'said' && item.old)).toHaveLength(3);
  });

  it('omits a wrapper around a call that is shown itself', () => {
    const wrapped = buildTree([aSpan('outer', null, 0, 9, { kind: 'llm' }), aSpan('inner', 'outer', 1, 7, { kind: 'llm' })], []);
    expect(modelCalls(wrapped).map(({ span }) => span.span_id)).toEqual(['inner']);
  });
});
