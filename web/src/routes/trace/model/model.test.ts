import { describe, expect, it } from 'vitest';
import { aSpan } from './fixtures';
import { timeShares, shareBarItems } from './shares';
import { criticalPath, idleIntervals, makeTimeAxis, selfIntervals, roundStep } from './time';
import { buildTree, matchesText, millis, visibleNodes } from './tree';

const ids = (nodes: { span: { span_id: string } }[]) => nodes.map(({ span }) => span.span_id);

describe('the tree', () => {
  it('puts each span below its parent, by start, whatever the order it came in', () => {
    const tree = buildTree([aSpan('c', 'a', 20, 5), aSpan('b2', 'b', 6, 2), aSpan('b', 'a', 5, 10), aSpan('a', null, 0, 30)], []);
    expect(ids(tree.nodes)).toEqual(['a', 'b', 'b2', 'c']);
    expect(tree.nodes.map(({ depth }) => depth)).toEqual([0, 1, 2, 1]);
    expect(tree.nodes[0]!.below).toBe(3);
    expect(tree.length).toBe(30);
  });

  it('keeps spans without a parent, and spans in a cycle', () => {
    const tree = buildTree([aSpan('a', 'gone', 0, 10), aSpan('x', 'y', 2, 1), aSpan('y', 'x', 1, 5), aSpan('z', 'z', 4, 1)], []);
    expect(ids(tree.nodes).toSorted()).toEqual(['a', 'x', 'y', 'z']);
    expect(tree.byId.get('a')!.orphan).toBe(true);
  });

  it('collapses all spans below, and nothing else', () => {
    const tree = buildTree([aSpan('a', null, 0, 9), aSpan('b', 'a', 1, 3), aSpan('b2', 'b', 2, 1), aSpan('c', 'a', 5, 1)], []);
    expect(ids(visibleNodes(tree.nodes, new Set(['b'])))).toEqual(['a', 'b', 'c']);
    expect(ids(visibleNodes(tree.nodes, new Set(['a', 'b'])))).toEqual(['a']);
    expect(ids(visibleNodes(tree.nodes, new Set(['c'])))).toHaveLength(4);
  });

  it('attaches error events to their span, where search finds them', () => {
    const error = {
      event_id: 'e',
      issue_id: 1,
      trace_id: 't',
      span_id: 'a',
      type: 'RateLimitError',
      value: '429',
      title: null,
      culprit: null,
      level: 'error',
      handled: true,
      time: '',
    };
    const tree = buildTree([aSpan('a', null, 0, 9)], [error, { ...error, span_id: 'elsewhere' }]);
    expect(tree.nodes[0]!.errors).toEqual([error]);
    expect(matchesText(tree.nodes[0]!, 'ratelimit')).toBe(true);
    expect(matchesText(tree.nodes[0]!, 'timeout')).toBe(false);
  });

  it('handles ten thousand spans in one chain', () => {
    const spans = Array.from({ length: 10_000 }, (_, at) => aSpan(`s${at}`, at === 0 ? null : `s${at - 1}`, at, 20_000 - at));
    const tree = buildTree(spans, []);
    expect(tree.nodes).toHaveLength(10_000);
    expect(tree.nodes[9_999]!.depth).toBe(9_999);
    expect(timeShares(tree.nodes)[0]!.spans).toBe(10_000);
  });

  it('reads microseconds', () => {
    expect(millis('2026-11-23T08:41:02.008912Z') - Date.parse('2026-11-23T08:41:02Z')).toBeCloseTo(8.912, 3);
    expect(millis('2026-11-23T08:41:02Z')).toBe(Date.parse('2026-11-23T08:41:02Z'));
  });
});

describe('where the time went', () => {
  it('adds up to 100 % with parallel children', () => {
    const spans = [
      aSpan('root', null, 0, 100, { op: 'ai.pipeline', self_time_ms: 20 }),
      aSpan('a', 'root', 10, 80, { op: 'http.client' }),
      aSpan('b', 'root', 10, 80, { op: 'http.client' }),
      aSpan('c', 'root', 10, 60, { op: 'db.query' }),
    ];
    const found = timeShares(buildTree(spans, []).nodes);
    expect(found.map(({ key }) => key)).toEqual(['http.client', 'db.query', 'ai.pipeline']);
    expect(found[0]!.self).toBe(160);
    expect(found.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
  });

  it('names the longest span from start to end, whatever its children took', () => {
    const spans = [
      aSpan('run', null, 0, 100, { op: 'gen_ai.invoke_agent' }),
      aSpan('short', 'run', 0, 3, { op: 'gen_ai.execute_tool', kind: 'tool', self_time_ms: 3 }),
      aSpan('long', 'run', 10, 40, { op: 'gen_ai.execute_tool', kind: 'tool', self_time_ms: 0 }),
      aSpan('step', 'long', 10, 40, { op: 'function', kind: 'function' }),
    ];
    const tools = timeShares(buildTree(spans, []).nodes)
      .flatMap(({ operations }) => operations)
      .find(({ key }) => key === 'gen_ai.execute_tool')!;
    expect(tools.slowest.span.span_id).toBe('long');
    expect(tools.self).toBe(3);
  });

  it('sums a category, and counts nested time once', () => {
    const spans = [
      aSpan('call', null, 0, 100, { op: 'gen_ai.chat', self_time_ms: 90 }),
      aSpan('run', 'call', 10, 10, { op: 'subprocess', self_time_ms: 4 }),
      aSpan('talk', 'run', 12, 6, { op: 'subprocess.communicate', self_time_ms: 4 }),
      aSpan('wait', 'talk', 13, 2, { op: 'subprocess.wait' }),
      aSpan('tool', null, 100, 50, { op: 'gen_ai.execute_tool' }),
    ];
    const found = timeShares(buildTree(spans, []).nodes);
    const subprocess = found.find(({ key }) => key === 'subprocess')!;
    expect(subprocess).toMatchObject({ spans: 3, self: 10, inclusive: 10 });
    expect(subprocess.operations.map(({ key }) => key)).toEqual(['subprocess', 'subprocess.communicate', 'subprocess.wait']);
    expect(shareBarItems(found).map(({ key }) => key)).toEqual(['gen_ai.chat', 'gen_ai.execute_tool', 'subprocess']);
  });

  it('gives the time of requests and queries to the call that waited for them', () => {
    const spans = [
      aSpan('run', null, 0, 100, { op: 'run', self_time_ms: 5 }),
      aSpan('chat', 'run', 0, 60, { op: 'gen_ai.chat', kind: 'llm', self_time_ms: 1 }),
      aSpan('step', 'chat', 0, 59, { op: 'function', self_time_ms: 2 }),
      aSpan('post', 'step', 0, 57, { op: 'http.client', kind: 'http' }),
      aSpan('tool', 'run', 60, 35, { op: 'gen_ai.execute_tool', kind: 'tool', self_time_ms: 5 }),
      aSpan('query', 'tool', 60, 30, { op: 'db.query', kind: 'db' }),
      aSpan('alone', 'run', 95, 5, { op: 'http.client', kind: 'http', self_time_ms: 5 }),
    ];
    const tree = buildTree(spans, []);
    const found = timeShares(tree.nodes).flatMap(({ operations }) => operations);
    const selfOf = (op: string) => found.find(({ key }) => key === op)?.self;
    expect(['gen_ai.chat', 'gen_ai.execute_tool', 'function', 'http.client', 'db.query', 'run'].map(selfOf)).toEqual([58, 35, 2, 5, 0, 5]);
    expect(found.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(tree.byId.get('post')!.self, 'its own time stays its own').toBe(57);
  });

  it('does not divide by zero without durations', () => {
    expect(timeShares(buildTree([aSpan('a', null, 0, 0)], []).nodes)[0]!.share).toBe(0);
  });
});

describe('time', () => {
  it('self time excludes children, clipped to the span', () => {
    const tree = buildTree([aSpan('a', null, 0, 100), aSpan('b', 'a', 10, 30), aSpan('c', 'a', 20, 40), aSpan('d', 'a', 90, 50)], []);
    expect(selfIntervals(tree.byId.get('a')!)).toEqual([
      [0, 10],
      [60, 90],
    ]);
    expect(selfIntervals(tree.byId.get('d')!)).toEqual([[90, 140]]);
  });

  it('collapses idle gaps only', () => {
    const tree = buildTree([aSpan('a', null, 0, 100), aSpan('late', 'a', 90, 60), aSpan('b', null, 900, 100)], []);
    expect(idleIntervals(tree)).toEqual([[150, 900]]);
    const axis = makeTimeAxis(tree.length, idleIntervals(tree));
    expect(axis.place(0)).toBe(0);
    expect(axis.place(1000)).toBeCloseTo(1);
    expect(axis.place(900) - axis.place(150)).toBeCloseTo(0.05);
    expect(axis.place(100)).toBeCloseTo(0.38);
    expect(makeTimeAxis(100, []).place(25)).toBe(0.25);
  });

  it('follows the critical path backwards', () => {
    const tree = buildTree(
      [
        aSpan('a', null, 0, 100),
        aSpan('quick', 'a', 10, 20),
        aSpan('slow', 'a', 10, 60),
        aSpan('last', 'a', 75, 20),
        aSpan('in', 'slow', 20, 50),
      ],
      [],
    );
    const path = criticalPath(tree);
    expect(path.get(tree.byId.get('quick')!)).toBeUndefined();
    expect(path.get(tree.byId.get('in')!)).toEqual([[20, 70]]);
    expect(path.get(tree.byId.get('slow')!)).toEqual([[10, 20]]);
    const all = [...path.values()].flat().reduce((sum, [from, to]) => sum + to - from, 0);
    expect(all).toBeCloseTo(100);
  });

  it('ticks at round steps', () => {
    expect(roundStep(2070, 5)).toBe(500);
    expect(roundStep(48_620, 4)).toBe(20_000);
    expect(makeTimeAxis(2070, [], 5).ticks.map(({ time }) => time)).toEqual([0, 500, 1000, 1500, 2000]);
  });
});
