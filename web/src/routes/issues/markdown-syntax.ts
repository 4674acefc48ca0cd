/** Pieces of Markdown in which text from outside stays text: it cannot end a block, start a link or mention anybody. */

const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim();

/** Shortens a text, never within a character. */
export const shortened = (text: string, most: number) =>
  text.length <= most ? text : `${text.slice(0, most).replace(/[\uD800-\uDBFF]$/, '')}…`;

/** A text within a heading or a sentence. */
export const inlineText = (text: string) =>
  oneLine(text)
    .replace(/[\\`*_{}[\]<>|~#!]/g, '\\$&')
    // Sites that read Markdown notify whoever stands behind this sign.
    .replaceAll('@', '&#64;');

const longestRun = (text: string) => Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));

/** A text as inline code. */
export function inlineCode(text: string): string {
  const line = oneLine(text);
  if (line === '') return '` `';
  const fence = '`'.repeat(longestRun(line) + 1);
  const space = line.startsWith('`') || line.endsWith('`') ? ' ' : '';
  return fence + space + line + space + fence;
}

/** A text as a block of code. */
export function codeBlock(text: string, language = 'text'): string {
  const fence = '`'.repeat(Math.max(3, longestRun(text) + 1));
  return `${fence}${language}\n${text}\n${fence}`;
}

/** A table; its cells are texts from outside, shown as code. */
export function codeTable(heads: string[], rows: string[][]): string {
  const cell = (text: string) => (text === '' ? '' : inlineCode(text).replaceAll('|', '\\|'));
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map((row) => line(row.map(cell)))].join('\n');
}
