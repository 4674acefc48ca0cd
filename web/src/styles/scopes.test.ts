import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Every stylesheet stays loaded after its page was left, so its rules must reach nothing of another page. */
const root = join(process.cwd(), 'src');

interface Source {
  name: string;
  text: string;
}

function sources(ending: RegExp): Source[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name) && !/\.test\.tsx?$/.test(name))
    .map((name) => ({ name: name.replaceAll('\\', '/'), text: readFileSync(join(root, name), 'utf8') }));
}

/** The route whose folder a file is in; null for what routes share. */
const routeOf = (name: string) => /^routes\/([^/]+)\//.exec(name)?.[1] ?? null;

/** The expression that starts with the brace at `from`. */
function braced(text: string, from: number): string {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '{') depth += 1;
    if (text[at] === '}') depth -= 1;
    if (depth === 0) return text.slice(from, at + 1);
  }
  return text.slice(from);
}

/** Names of classes that a component gives to its elements. */
function classesGiven(text: string): Set<string> {
  const found = new Set<string>();
  const add = (words: string) => words.split(/[^\w-]+/).forEach((word) => word && found.add(word));
  for (const match of text.matchAll(/\b\w*[cC]lass(?:Name)?(?:=|: ?)(["'`{])/g)) {
    const opening = match.index + match[0].length - 1;
    if (match[1] === '"' || match[1] === "'") {
      add(text.slice(opening + 1, text.indexOf(match[1], opening + 1)));
      continue;
    }
    const expression = match[1] === '{' ? braced(text, opening) : text.slice(opening, text.indexOf('`', opening + 1) + 1);
    for (const [, quoted = ''] of expression.matchAll(/'([^']*)'/g)) add(quoted);
    for (const [, template = ''] of expression.matchAll(/`([^`]*)`/g)) add(template.replaceAll(/\$\{[^}]*\}/g, ' '));
  }
  return found;
}

/** The selectors of a stylesheet, one for each alternative of a list. */
function selectors(css: string): string[] {
  const rules = css.replaceAll(/\/\*[^]*?\*\//g, '').matchAll(/([^{};]+)\{/g);
  return [...rules]
    .map(([, list = '']) => list.trim())
    .filter((list) => !list.startsWith('@') && !/^(from|to|\d)/.test(list))
    .flatMap((list) => list.split(/,(?![^(]*\))/))
    .map((one) => one.trim());
}

/** Selectors that match elements of another page: each class in them is given by another page or by a shared part too. */
function leaks(styles: Source[], components: Source[]): string[] {
  const givers = new Map<string, Set<string | null>>();
  for (const { name, text } of components) {
    for (const one of classesGiven(text)) givers.set(one, (givers.get(one) ?? new Set()).add(routeOf(name)));
  }
  return styles.flatMap(({ name, text }) => {
    const route = routeOf(name);
    const isOwn = (one: string) => [...(givers.get(one) ?? [])].every((giver) => giver === route);
    const wide = selectors(text).filter((selector) => {
      const classes = [...selector.replaceAll(/:not\([^)]*\)/g, '').matchAll(/\.([a-zA-Z][\w-]*)/g)].map(([, one = '']) => one);
      return !classes.some(isOwn);
    });
    return wide.map((selector) => `${name}: ${selector}`);
  });
}

describe('the styles of a page', () => {
  it('reach no element of another page', () => {
    const styles = sources(/^routes[\\/].*\.css$/);
    expect(styles.length).toBeGreaterThan(10);
    expect(leaks(styles, sources(/\.tsx?$/))).toEqual([]);
  });

  it('are found where they do', () => {
    const components = [
      { name: 'routes/a/index.tsx', text: '<section className="box own"><i className={bad ? `note ${kind}` : "x"} /></section>' },
      { name: 'routes/b/index.tsx', text: "<section className={wide ? 'box wide' : 'box'}><b className=\"note\" /></section>" },
      { name: 'components/head.tsx', text: '<h2 className="head" />' },
    ];
    const css = '.box {} .own .box {} .own .head {} @media (max-width: 1px) { .head, .note:hover {} } h2 {}';
    expect(leaks([{ name: 'routes/a/a.css', text: css }], components)).toEqual(
      ['.box', '.head', '.note:hover', 'h2'].map((one) => `routes/a/a.css: ${one}`),
    );
  });
});

/** Classes of a stylesheet. */
const classesOf = (css: string) =>
  new Set(selectors(css).flatMap((one) => [...one.matchAll(/\.([a-zA-Z][\w-]*)/g)].map(([, name = '']) => name)));

describe('the names of classes', () => {
  const styles = sources(/\.css$/);
  const components = [...sources(/\.tsx?$/), { name: 'index.html', text: readFileSync(join(process.cwd(), 'index.html'), 'utf8') }];
  const shared = new Set(styles.filter(({ name }) => routeOf(name) === null).flatMap(({ text }) => [...classesOf(text)]));

  it('are whole words', () => {
    const names = [...styles.flatMap(({ text }) => [...classesOf(text)]), ...components.flatMap(({ text }) => [...classesGiven(text)])];
    expect(names.length).toBeGreaterThan(500);
    const isShort = (name: string) => !/^([a-z]{4,}|[a-z]{2,}(-[a-z]{2,})+)$/.test(name);
    // A name that a value completes ends in a hyphen.
    expect([...new Set(names.map((name) => name.replace(/-$/, '-value')).filter(isShort))]).toEqual([]);
  });

  it('begin with the page that has them, with `is-` where they are a state, or are shared', () => {
    const foreign = styles.flatMap(({ name, text }) => {
      const route = routeOf(name);
      const isOwn = (one: string) => route === null || one.startsWith(`${route}-`) || one.startsWith('is-') || shared.has(one);
      return [...classesOf(text)].filter((one) => !isOwn(one)).map((one) => `${name}: .${one}`);
    });
    expect(foreign).toEqual([]);
  });

  it('are given by a component: a rule that nothing needs is deleted', () => {
    const text = components.map((one) => one.text).join('\n');
    const withClasses = text.split('\n').filter((line) => /class/i.test(line));
    const completed = withClasses.flatMap((line) => [...line.matchAll(/([a-z-]+-)\$\{/g)].map(([, start = '']) => start));
    const written = new Set(text.split(/[^\w-]+/));
    const isGiven = (name: string) => written.has(name) || completed.some((start) => name.startsWith(start));
    const all = new Set(styles.flatMap((one) => [...classesOf(one.text)]));
    expect([...all].filter((name) => !isGiven(name))).toEqual([]);
  });
});
