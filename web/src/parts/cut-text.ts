/**
 * Makes every text that ends in an ellipsis readable in full: the mouse by a tooltip or a click, a finger by a tap, the keyboard by Tab
 * and Enter. Where a click or Enter already does something else (links, buttons, rows), keyboard focus shows the text in a bubble.
 */

const MARK = 'cut';
/** What has an action of its own. */
const ACTIVE = 'a, button, summary, label, input, select, textarea, [role=row], [role=option], [role=menuitemradio], tr.open';
/** How much of a row belongs to the link that has the focus. */
const ROW = 'tr, [role=row]';
const MARGIN_PX = 8;

/** Whether an element ends its text with an ellipsis now. */
function isCut(element: HTMLElement): boolean {
  const isWide = element.scrollWidth > element.clientWidth;
  const isHigh = element.scrollHeight > element.clientHeight;
  if (!isWide && !isHigh) return false;
  const { textOverflow, webkitLineClamp } = getComputedStyle(element);
  const isClamped = webkitLineClamp !== 'none' && webkitLineClamp !== '';
  return (isWide && (textOverflow === 'ellipsis' || isClamped)) || (isHigh && isClamped);
}

function cutAround(target: EventTarget | null): HTMLElement | null {
  for (let at = target instanceof Element ? target : null; at && at !== document.body; at = at.parentElement) {
    if (at instanceof HTMLElement && isCut(at)) return at;
  }
  return null;
}

const cutWithin = (root: Element) => [...root.querySelectorAll<HTMLElement>('*')].filter(isCut);

function explain({ target }: Event) {
  const element = cutAround(target);
  // One that was cut before, at another width, has its own tooltip again.
  if (target instanceof HTMLElement && target.dataset[MARK] !== undefined && target !== element) {
    target.title = target.dataset[MARK];
    delete target.dataset[MARK];
  }
  if (!element) return;
  const own = element.dataset[MARK] ?? element.title;
  const text = element.textContent;
  element.dataset[MARK] = own;
  element.title = own === '' || text.includes(own) ? text : own.includes(text) ? own : `${text}\n${own}`;
}

/** Text that does nothing else on a click opens where it is. */
function unfold(target: EventTarget | null) {
  if (!(target instanceof Element) || target.closest(ACTIVE)) return;
  if (window.getSelection()?.isCollapsed === false) return;
  const element = target.closest<HTMLElement>('.cut-open') ?? cutAround(target);
  element?.classList.toggle('cut-open');
}

/** Cut texts become stops of the Tab key when it is pressed, so that pages without a keyboard user pay nothing. */
function addStops() {
  for (const element of document.querySelectorAll<HTMLElement>('.cut-stop:not(.cut-open)')) {
    if (isCut(element)) continue;
    element.classList.remove('cut-stop');
    element.removeAttribute('tabindex');
  }
  for (const element of cutWithin(document.body)) {
    if (element.tabIndex >= 0 || element.closest(ACTIVE) || element.querySelector(ACTIVE)) continue;
    element.classList.add('cut-stop');
    element.tabIndex = 0;
  }
}

function onKey(event: KeyboardEvent) {
  const { target, key } = event;
  if (key === 'Tab') addStops();
  if (key === 'Escape') hideBubble();
  if ((key !== 'Enter' && key !== ' ') || !(target instanceof HTMLElement) || !target.classList.contains('cut-stop')) return;
  event.preventDefault();
  event.stopPropagation();
  unfold(target);
}

let bubble: HTMLElement | null = null;

function hideBubble() {
  bubble?.remove();
  bubble = null;
}

/** Shows what is cut in the link, button or row that the keyboard has reached. */
function showBubble({ target }: Event) {
  hideBubble();
  if (!(target instanceof HTMLElement) || !target.matches(':focus-visible')) return;
  if (!target.matches(ACTIVE) || target.matches('input, select, textarea')) return;
  const around = cutAround(target);
  const texts = around ? [around.textContent] : cutWithin(target.closest(ROW) ?? target).map((element) => element.textContent);
  if (texts.length === 0) return;
  bubble = document.createElement('div');
  bubble.className = 'cut-bubble';
  bubble.role = 'tooltip';
  bubble.popover = 'manual';
  bubble.textContent = [...new Set(texts)].join('\n');
  document.body.append(bubble);
  bubble.showPopover?.();
  const { top, bottom, left } = target.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = bubble;
  const fitsBelow = bottom + 4 + height + MARGIN_PX <= window.innerHeight;
  bubble.style.top = `${fitsBelow ? bottom + 4 : Math.max(MARGIN_PX, top - 4 - height)}px`;
  bubble.style.left = `${Math.max(MARGIN_PX, Math.min(left, window.innerWidth - width - MARGIN_PX))}px`;
}

/** Watches the whole page; called once. */
export function watchCutText() {
  document.addEventListener('pointerover', explain);
  document.addEventListener('focusin', showBubble);
  document.addEventListener('focusout', hideBubble);
  document.addEventListener('scroll', hideBubble, { capture: true, passive: true });
  document.addEventListener('pointerdown', hideBubble);
  document.addEventListener('click', ({ target }) => unfold(target));
  document.addEventListener('keydown', onKey, true);
}
