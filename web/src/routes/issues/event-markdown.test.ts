import { describe, expect, it } from 'vitest';
import { makeFormat } from '../../format';
import { translate, type TextKey, type Vars } from '../../i18n';
import { eventMarkdown, type MarkdownCall, type MarkdownIssue } from './event-markdown';
import { codeBlock, codeTable, inlineCode, inlineText, shortened } from './markdown-syntax';
import { sampleBreadcrumb, sampleEvent, sampleIssue, sampleException, sampleFrame, sampleMechanism, sampleSpan } from './sample-event';

const ISSUE: MarkdownIssue = { issue: sampleIssue(), tags: [], range: 'Last 24 h', q: undefined, address: 'https://hinomi.example/p/1/issues/7' };

const markdown = (event: Parameters<typeof sampleEvent>[0], call: MarkdownCall | null = null, issue = ISSUE) =>
  eventMarkdown(sampleEvent(event), {
    t: (key: TextKey, vars?: Vars) => translate('en', key, vars),
    format: makeFormat('en-US', 'UTC'),
    address: 'https://hinomi.example/p/1/issues/7?event=e',
    call,
    issue,
  });

describe('an event as Markdown', () => {
  it('has title, facts, stack, breadcrumbs and tags', () => {
    const inner = sampleFrame({ lineno: 48, pre_context: ['def answer():'], context_line: '    parse()', post_context: ['    done()'], vars: { attempt: 3, question: "'sea?'" } });
    const text = markdown({
      exceptions: [
        sampleException({ type: 'JSONDecodeError', value: 'unterminated', mechanism: sampleMechanism({ source: '__cause__' }), frames: [sampleFrame({ function: 'parse' })] }),
        sampleException({ frames: [sampleFrame({ function: 'main', lineno: 3 }), inner, sampleFrame({ function: 'decode', filename: 'json.py', in_app: false })], frames_cut: 4 }),
      ],
      environment: 'production',
      user_id: 'mika',
      tags: { region: 'tokyo' },
      breadcrumbs: [sampleBreadcrumb({ message: 'SELECT 1', timestamp: '2026-11-30T10:00:00Z' })],
      breadcrumbs_cut: 20,
    });
    expect(text).toContain('# AnswerError: not JSON\n');
    expect(text).toContain('- Environment: `production`');
    expect(text).toContain('- User ID: `mika`');
    expect(text).toContain('- Page: <https://hinomi.example/p/1/issues/7?event=e>');
    expect(text).toContain(
      [
        'decode (json.py:48)',
        'answer (tabi/answers.py:48)',
        '    47 def answer():',
        '  > 48     parse()',
        '    49     done()',
        '    --',
        '    attempt = 3',
        "    question = 'sea?'",
        'main (tabi/answers.py:3)',
        '… 4 outer frames not stored',
      ].join('\n'),
    );
    expect(text.indexOf('### AnswerError')).toBeLessThan(text.indexOf('### Caused by: JSONDecodeError: unterminated'));
    expect(text).toContain('20 earlier breadcrumbs omitted.');
    expect(text).toContain('| `−10.0 s` | `query` | `info` | `SELECT 1` |');
    expect(text).toContain('| `region` | `tokyo` |');
  });

  it('begins with a summary of the issue', () => {
    const tags = [
      { key: 'release', count: 12, distinct: 7, values: ['a', 'b', 'c', 'd', 'e', 'f'].map((value, at) => ({ value: `1.${value}`, count: 6 - at })) },
      { key: 'user', count: 12, distinct: 1, values: [{ value: 'mi`ka', count: 1200 }] },
    ];
    const text = markdown({}, null, { ...ISSUE, tags, q: 'release:1.*' });
    expect(text).toContain(
      [
        '## Issue #7',
        '',
        '- Type: `AnswerError`',
        '- Time range: Last 24 h',
        '- Filter: `release:1.*`',
        '- Events: 1,200',
        '- Users: 3 · ``mi`ka`` (1,200)',
        '- Traces: 4',
        '- Releases: `1.a` (6), `1.b` (5), `1.c` (4), `1.d` (3), `1.e` (2), 2 more values',
        '- First seen, all time: 1 Nov 2026, 08:00:00.000 UTC',
        '- Last seen, all time: 30 Nov 2026, 10:00:10.000 UTC',
        '- Page: <https://hinomi.example/p/1/issues/7>',
        '',
        '## Event',
      ].join('\n'),
    );
    expect(text.indexOf('## Issue #7')).toBeLessThan(text.indexOf('- Event ID'));
  });

  it('has the call with the question and the answer', () => {
    const span = sampleSpan('call', null, 'llm', 0, 2750, { model: 'gpt-4o', status: 'ok', cost: null });
    const text = markdown({}, { span, question: 'AIとは何ですか?', answer: 'AIとは、' });
    expect(text).toContain('## LLM call\n\n- Model: `gpt-4o`\n- Cost: `unknown`\n- Duration: `2.75 s`');
    expect(text).toContain('Last user message:\n\n```text\nAIとは何ですか?\n```');
  });

  it('has no heading without content', () => {
    expect(markdown({}).match(/^## .*/gm)).toEqual(['## Issue #7', '## Event']);
  });

  it('names the function that crashed', () => {
    expect(markdown({ title: 'desk::run', type: 'SIGSEGV', value: 'Segfault' })).toMatch(/^# desk::run: Segfault\n/);
  });

  it('keeps hostile text within its place', () => {
    const evil = '```\n# owned\n<script>x</script> @everyone [a](javascript:b) | c';
    const text = markdown({
      type: evil,
      value: evil,
      message: `${evil}!`,
      tags: { [evil]: evil },
      breadcrumbs: [sampleBreadcrumb({ message: evil })],
      exceptions: [sampleException({ type: evil, value: evil, frames: [sampleFrame({ function: evil, context_line: evil, vars: { [evil]: evil } })] })],
      extra: { evil },
    });
    const outside = withoutCode(text);
    expect(outside).not.toMatch(/^# owned/m);
    expect(outside).not.toMatch(/(^|[^\\])<script/);
    expect(outside).not.toContain('@');
    expect(outside).not.toMatch(/(^|[^\\])\[a/);
  });
});

/** Markdown without its blocks and spans of code. */
function withoutCode(text: string): string {
  const blocks = text.replace(/^(`{3,})[^\n`]*\n[^]*?^\1$/gm, '');
  return blocks.replace(/(?<![\\`])(`+)(?!`)[^]*?(?<!`)\1(?!`)/g, '');
}

describe('Markdown syntax', () => {
  it('has a longer fence than the text within', () => {
    expect(codeBlock('a\n````\nb')).toBe('`````text\na\n````\nb\n`````');
    expect(inlineCode('a `b` c')).toBe('``a `b` c``');
    expect(inlineCode('`x')).toBe('`` `x ``');
    expect(inlineCode('a\n b')).toBe('`a b`');
  });
  it('escapes what would be read as syntax', () => {
    expect(inlineText('*a* _b_ <i> #1 @mika')).toBe('\\*a\\* \\_b\\_ \\<i\\> \\#1 &#64;mika');
    expect(codeTable(['A'], [['x|y'], ['']])).toBe('| A |\n| --- |\n| `x\\|y` |\n|  |');
  });
  it('shortens without cutting a character', () => {
    expect(shortened('a😀b', 2)).toBe('a…');
    expect(shortened('abc', 3)).toBe('abc');
  });
});
