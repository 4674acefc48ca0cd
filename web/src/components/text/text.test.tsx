import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Part } from '../../api/types';
import { oneLineSummary, jsonPieces, prettyJson } from './json';
import { MessageView } from './message';
import { truncate, isMarkdown } from './message-text';

vi.mock('../../project', () => ({ useProjectOrNull: () => ({ id: 3 }) }));
vi.mock('../../locale', () => ({ useLocale: () => ({ format: { count: String } }) }));
afterEach(cleanup);

describe('JSON', () => {
  it('is indented without changing its content', () => {
    expect(prettyJson('{"id":90071992547409931,"a":[1.10,{}],"b":[]}')).toBe(
      '{\n  "id": 90071992547409931,\n  "a": [\n    1.10,\n    {}\n  ],\n  "b": []\n}',
    );
  });
  it('shows escaped letters, but not invisible characters', () => {
    expect(prettyJson('["\\u91d1\\u6ca2","\\u202e","\\\\u91d1","\\n"]')).toBe('[\n  "金沢",\n  "\\u202e",\n  "\\\\u91d1",\n  "\\n"\n]');
  });
  it('is left alone where it is not JSON', () => {
    expect(jsonPieces('{"open":')).toBeNull();
    expect(jsonPieces('12')).toBeNull();
    expect(prettyJson('plain')).toBe('plain');
  });
  it('has a one-line summary', () => expect(oneLineSummary('{"from":"HND","n":[1,2]}')).toBe('from: HND, n: [ 1, 2 ]'));
});

describe('long texts', () => {
  it('are truncated at the end of a sentence, and never within a character', () => {
    const text = `${'あ'.repeat(90)}。${'い'.repeat(900)}`;
    expect(truncate(text, 100)).toBe(`${'あ'.repeat(90)}。`);
    expect(truncate('😀'.repeat(600), 101).length % 2).toBe(0);
    expect(truncate('short', 100)).toBe('short');
  });
  it('are Markdown only if they contain its syntax', () => {
    expect(isMarkdown('## まとめ')).toBe(true);
    expect(isMarkdown('a **b** c')).toBe(true);
    expect(isMarkdown('2 * 3 * 4 and snake_case_name')).toBe(false);
  });
  it('are not Markdown if its syntax is nested too deeply', () => {
    expect(isMarkdown(`${'> '.repeat(12)}quoted`)).toBe(true);
    for (const deep of ['>', '> ', '- ', '1. ']) expect(isMarkdown(`# hi\n\n${deep.repeat(20_000)}x`)).toBe(false);
    expect(isMarkdown(`**a**\n\n${'*a '.repeat(20_000)}`)).toBe(false);
    expect(isMarkdown(`# hi\n\n${' '.repeat(50_000)}x${'_'.repeat(50_000)}`)).toBe(true);
  });
});

const show = (...parts: Part[]) => render(<MessageView message={{ role: 'user', parts }} mode="reading" />);

describe('hostile text', () => {
  const evil =
    '# hi\n\n<script>alert(1)</script><img src=x onerror="alert(2)">\n\n[a](javascript:alert(3)) [b](https://b.example) ![pixel](https://tracker.example/p.png)\n\n<iframe src="https://evil.example"></iframe>';

  // What renders it is loaded when it is needed, which takes a while on a busy machine.
  const PATIENCE_MS = 60_000;

  it('is inert: it creates no elements and no requests', { timeout: PATIENCE_MS }, async () => {
    const { container } = show({ type: 'text', text: evil });
    await waitFor(() => expect(container.querySelector('h1')).not.toBeNull(), { timeout: PATIENCE_MS });
    expect(container.querySelector('script,iframe,img,[onerror]')).toBeNull();
    expect([...container.querySelectorAll('a')].map((a) => a.getAttribute('href'))).toEqual(['https://b.example']);
    expect(container.textContent).toContain('<script>alert(1)</script>');
    expect(container.querySelector('a')?.getAttribute('rel')).toContain('noopener');
  });

  it('is plain text in tool calls, results and media too', () => {
    const { container } = show(
      { type: 'tool_call', id: 'c1', name: '<b>x</b>', arguments: '{"a":"<img src=x>"}' },
      { type: 'tool_result', id: 'c1', result: '<script>1</script>' },
      { type: 'media', modality: 'image', content: 'https://tracker.example/p.png', media_id: null },
      { type: 'media', modality: 'image', mime_type: 'image/svg+xml', content: 'data:image/svg+xml;base64,PHN2Zz4=', media_id: null },
      { type: 'media', modality: 'file', content: 'javascript:alert(1)', media_id: null },
      { type: 'other', content: '{"type":"x"}' },
    );
    expect(container.querySelector('script,img,b b')).toBeNull();
    expect([...container.querySelectorAll('a')].map((a) => a.getAttribute('href'))).toEqual(['https://tracker.example/p.png']);
  });

  it('shows stored media by their type, and offers the rest for download', () => {
    const { container } = show(
      { type: 'media', modality: 'image', mime_type: 'image/png', media_id: 'a-1', content: null },
      { type: 'media', modality: 'audio', mime_type: 'audio/wav', media_id: 'b_2', content: null },
      { type: 'media', modality: 'file', mime_type: 'application/pdf', media_id: 'c3', content: null },
      { type: 'media', modality: 'image', media_id: null, content: null },
    );
    const image = screen.getByRole('img');
    expect([image.getAttribute('src'), image.getAttribute('loading')]).toEqual(['/api/v1/projects/3/media/a-1', 'lazy']);
    expect(image.getAttribute('alt')).toContain('image/png');
    expect(container.querySelector('audio')?.getAttribute('src')).toBe('/api/v1/projects/3/media/b_2');
    expect(container.querySelector('a[download=c3]')?.getAttribute('href')).toBe('/api/v1/projects/3/media/c3');
    expect(container.querySelectorAll('.message-media')).toHaveLength(3);
    fireEvent.error(image);
    expect(container.querySelector('a[download=a-1]')).not.toBeNull();
  });

  it('shows an embedded image', () => {
    show({ type: 'media', modality: 'image', mime_type: 'image/png', content: 'data:image/png;base64,iVBORw0KGgo=', media_id: null });
    expect(screen.getByRole('img').getAttribute('src')).toContain('data:image/png');
  });
});

it('collapses reasoning and keeps Japanese glyph forms', () => {
  const { container } = show({ type: 'reasoning', text: 'thinking' }, { type: 'text', text: 'AIとは何ですか。' });
  expect(container.querySelector('details')?.open).toBe(false);
  expect(container.querySelector('.message-text[lang=ja]')?.textContent).toBe('AIとは何ですか。');
});
