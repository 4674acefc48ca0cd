import { describe, expect, it } from 'vitest';
import { modelFamily, OTHER_COLOR, paletteOf } from './colors';

const ALL_HUES = Array.from({ length: 8 }, (_, at) => `var(--c${at + 1})`);

describe('the colours of models', () => {
  it('gives a dated version the color of its model', () => {
    expect(modelFamily('openai/gpt-4o-2024-08-06')).toBe('gpt-4o');
    const { of } = paletteOf([]);
    expect(of('gpt-3.5-turbo-0125')).toBe(of('gpt-3.5-turbo'));
    expect(of('claude-sonnet-4-5-20250929')).toBe('var(--c7)');
    expect(of(null)).toBe(OTHER_COLOR);
  });

  it('never gives two models of a chart the same color', () => {
    // Each of these pairs wishes for one colour.
    const names = ['gpt-4o', 'text-embedding-3-small', 'gpt-4o-mini', 'gpt-5-mini', 'gpt-4o-2024-05-13', 'gpt-4o-2024-08-06'];
    for (const palette of [paletteOf([]), paletteOf(names), paletteOf(names.slice(2))]) {
      const color = palette.among(names);
      expect(new Set(names.map(color)).size).toBe(names.length);
      expect(names.map(color)).not.toContain(OTHER_COLOR);
    }
  });

  it('has eight colors, and one for all others', () => {
    const names = Array.from({ length: 20 }, (_, at) => `model-${at}`);
    const color = paletteOf(['model-19']).among(names);
    expect(names.slice(0, 8).map(color).toSorted()).toEqual(ALL_HUES);
    expect(names.slice(8).map(color)).toEqual(Array(12).fill(OTHER_COLOR));
  });

  it('stays the same for a project, whichever is called most and whichever of them a chart shows', () => {
    const names = ['gpt-4o', 'gpt-4o-2024-05-13', 'text-embedding-3-small', 'o3', null];
    const one = paletteOf(names);
    const other = paletteOf(names.toReversed());
    for (const name of names) {
      expect(other.of(name)).toBe(one.of(name));
      expect(one.among([name])(name)).toBe(one.of(name));
      expect(one.among(names)(name)).toBe(one.of(name));
    }
    expect(one.among(['unheard-of', ...names])('o3')).toBe(one.of('o3'));
  });

  it('takes any name', () => {
    for (const name of ['a', 'b', '漢字', 'x'.repeat(400), '__proto__', '']) expect(paletteOf([]).of(name)).toMatch(/^var\(--c[1-8]\)$/);
  });
});
