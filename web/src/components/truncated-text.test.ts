import { beforeAll, describe, expect, test } from 'vitest';
import { watchTruncatedText } from './truncated-text';

const LONG = 'a name that is longer than its column';

/** The test's document has no layout: how much room there is, is said. */
function shown(html: string, { room, needed }: { room: number; needed: number }): HTMLElement {
  document.body.innerHTML = html;
  const element = document.querySelector<HTMLElement>('#it')!;
  Object.defineProperty(element, 'clientWidth', { value: room, configurable: true });
  Object.defineProperty(element, 'scrollWidth', { value: needed, configurable: true });
  return element;
}

const hover = (selector: string) => document.querySelector(selector)!.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));

describe('text that is cut with an ellipsis', () => {
  beforeAll(watchTruncatedText);

  test('is shown in full on hover, wherever the pointer is', () => {
    const element = shown(`<div id="it" style="text-overflow: ellipsis"><b>${LONG}</b></div>`, { room: 50, needed: 300 });
    hover('b');
    expect(element.title).toBe(LONG);
  });

  test('needs no tooltip where it fits', () => {
    const element = shown(`<div id="it" style="text-overflow: ellipsis">${LONG}</div>`, { room: 300, needed: 300 });
    hover('#it');
    expect(element.title).toBe('');
  });

  test('keeps what its own tooltip says', () => {
    const element = shown(`<div id="it" title="exact" style="text-overflow: ellipsis">${LONG}</div>`, { room: 50, needed: 300 });
    hover('#it');
    expect(element.title).toBe(`${LONG}\nexact`);
    Object.defineProperty(element, 'clientWidth', { value: 300, configurable: true });
    hover('#it');
    expect(element.title).toBe('exact');
  });

  test('loses the tooltip once it fits', () => {
    const element = shown(`<div id="it" style="text-overflow: ellipsis">${LONG}</div>`, { room: 50, needed: 300 });
    hover('#it');
    Object.defineProperty(element, 'clientWidth', { value: 300, configurable: true });
    hover('#it');
    expect(element.title).toBe('');
  });

  test('opens by a click, and closes by another, unless it is a link', () => {
    const element = shown(`<div id="it" style="text-overflow: ellipsis"><i>${LONG}</i></div>`, { room: 50, needed: 300 });
    document.querySelector('i')!.click();
    expect(element.classList.contains('truncated-open')).toBe(true);
    document.querySelector('i')!.click();
    expect(element.classList.contains('truncated-open')).toBe(false);
    const inLink = shown(`<a href="#"><div id="it" style="text-overflow: ellipsis"><i>${LONG}</i></div></a>`, { room: 50, needed: 300 });
    document.querySelector('i')!.click();
    expect(inLink.classList.contains('truncated-open')).toBe(false);
  });

  const press = (target: EventTarget, key: string) =>
    target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));

  test('is reached by Tab, opened and closed by Enter', () => {
    const element = shown(`<div id="it" style="text-overflow: ellipsis">${LONG}</div>`, { room: 50, needed: 300 });
    expect(element.tabIndex).toBe(-1);
    press(document.body, 'Tab');
    expect(element.tabIndex).toBe(0);
    press(element, 'Enter');
    expect(element.classList.contains('truncated-open')).toBe(true);
    press(element, 'Enter');
    expect(element.classList.contains('truncated-open')).toBe(false);
  });

  test('is not a Tab stop once it fits, or where a link is one already', () => {
    const element = shown(`<div id="it" style="text-overflow: ellipsis">${LONG}</div>`, { room: 50, needed: 300 });
    press(document.body, 'Tab');
    Object.defineProperty(element, 'clientWidth', { value: 300, configurable: true });
    press(document.body, 'Tab');
    expect(element.tabIndex).toBe(-1);
    const inLink = shown(`<a href="#"><div id="it" style="text-overflow: ellipsis">${LONG}</div></a>`, { room: 50, needed: 300 });
    press(document.body, 'Tab');
    expect(inLink.tabIndex).toBe(-1);
  });

  test('is shown in a bubble while the keyboard is at its link', () => {
    shown(`<a href="#"><div id="it" style="text-overflow: ellipsis">${LONG}</div></a><a id="b" href="#">short</a>`, {
      room: 50,
      needed: 300,
    });
    document.querySelector('a')!.focus();
    expect(document.querySelector('[role=tooltip]')?.textContent).toBe(LONG);
    document.querySelector<HTMLElement>('#b')!.focus();
    expect(document.querySelector('[role=tooltip]')).toBeNull();
  });

  test('leaves the classes of pages alone', () => {
    const row = shown('<div id="it" class="whole"><i>short</i></div>', { room: 50, needed: 50 });
    document.querySelector('i')!.click();
    expect(row.className).toBe('whole');
  });
});
