/**
 * Makes every text that ends in an ellipsis readable in full: the mouse by a tooltip or a click, a finger by a tap, the keyboard by Tab
 * and Enter. Where a click or Enter already does something else (links, buttons, rows), keyboard focus shows the text in a bubble.
 */

const TRUNCATED_ATTRIBUTE = 'cut';
/** What has an action of its own. */
const ACTIVE_SELECTOR =
  'a, button, summary, label, input, select, textarea, [role=row], [role=option], [role=menuitemradio], tr.is-clickable';
/** How much of a row belongs to the link that has the focus. */
const ROW_SELECTOR = 'tr, [role=row]';
const MARGIN_PX = 8;

/** Whether an element ends its text with an ellipsis now. */
function isTruncated(element: HTMLElement): boolean {
  const isWide = element.scrollWidth > element.clientWidth;
  const isHigh = element.scrollHeight > element.clientHeight;
  if (!isWide && !isHigh) return false;
  const { textOverflow, webkitLineClamp } = getComputedStyle(element);
  const isClamped = webkitLineClamp !== 'none' && webkitLineClamp !== '';
  return (isWide && (textOverflow === 'ellipsis' || isClamped)) || (isHigh && isClamped);
}

function truncatedAncestor(target: EventTarget | null): HTMLElement | null {
  for (let at = target instanceof Element ? target : null; at && at !== document.body; at = at.parentElement) {
    if (at instanceof HTMLElement && isTruncated(at)) return at;
  }
  return null;
}

const truncatedDescendants = (root: Element) => [...root.querySelectorAll<HTMLElement>('*')].filter(isTruncated);

function setTitleOfTruncated({ target }: Event) {
  const element = truncatedAncestor(target);
  // One that was cut before, at another width, has its own tooltip again.
  if (target instanceof HTMLElement && target.dataset[TRUNCATED_ATTRIBUTE] !== undefined && target !== element) {
    target.title = target.dataset[TRUNCATED_ATTRIBUTE];
    delete target.dataset[TRUNCATED_ATTRIBUTE];
  }
  if (!element) return;
  const own = element.dataset[TRUNCATED_ATTRIBUTE] ?? element.title;
  const text = element.textContent;
  element.dataset[TRUNCATED_ATTRIBUTE] = own;
  element.title = own === '' || text.includes(own) ? text : own.includes(text) ? own : `${text}\n${own}`;
}

/** Text that does nothing else on a click opens where it is. */
function toggleExpanded(target: EventTarget | null) {
  if (!(target instanceof Element) || target.closest(ACTIVE_SELECTOR)) return;
  if (window.getSelection()?.isCollapsed === false) return;
  const element = target.closest<HTMLElement>('.cut-open') ?? truncatedAncestor(target);
  element?.classList.toggle('truncated-open');
}

/** Cut texts become stops of the Tab key when it is pressed, so that pages without a keyboard user pay nothing. */
function addTabStops() {
  for (const element of document.querySelectorAll<HTMLElement>('.truncated-stop:not(.truncated-open)')) {
    if (isTruncated(element)) continue;
    element.classList.remove('truncated-stop');
    element.removeAttribute('tabindex');
  }
  for (const element of truncatedDescendants(document.body)) {
    if (element.tabIndex >= 0 || element.closest(ACTIVE_SELECTOR) || element.querySelector(ACTIVE_SELECTOR)) continue;
    element.classList.add('truncated-stop');
    element.tabIndex = 0;
  }
}

function onKeyDown(event: KeyboardEvent) {
  const { target, key } = event;
  if (key === 'Tab') addTabStops();
  if (key === 'Escape') hideTooltip();
  if ((key !== 'Enter' && key !== ' ') || !(target instanceof HTMLElement) || !target.classList.contains('truncated-stop')) return;
  event.preventDefault();
  event.stopPropagation();
  toggleExpanded(target);
}

let tooltip: HTMLElement | null = null;

function hideTooltip() {
  tooltip?.remove();
  tooltip = null;
}

/** Shows what is cut in the link, button or row that the keyboard has reached. */
function showTooltip({ target }: Event) {
  hideTooltip();
  if (!(target instanceof HTMLElement) || !target.matches(':focus-visible')) return;
  if (!target.matches(ACTIVE_SELECTOR) || target.matches('input, select, textarea')) return;
  const around = truncatedAncestor(target);
  const texts = around
    ? [around.textContent]
    : truncatedDescendants(target.closest(ROW_SELECTOR) ?? target).map((element) => element.textContent);
  if (texts.length === 0) return;
  tooltip = document.createElement('div');
  tooltip.className = 'truncated-tooltip';
  tooltip.role = 'tooltip';
  tooltip.popover = 'manual';
  tooltip.textContent = [...new Set(texts)].join('\n');
  document.body.append(tooltip);
  tooltip.showPopover?.();
  const { top, bottom, left } = target.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = tooltip;
  const fitsBelow = bottom + 4 + height + MARGIN_PX <= window.innerHeight;
  tooltip.style.top = `${fitsBelow ? bottom + 4 : Math.max(MARGIN_PX, top - 4 - height)}px`;
  tooltip.style.left = `${Math.max(MARGIN_PX, Math.min(left, window.innerWidth - width - MARGIN_PX))}px`;
}

/** Watches the whole page; called once. */
export function watchTruncatedText() {
  document.addEventListener('pointerover', setTitleOfTruncated);
  document.addEventListener('focusin', showTooltip);
  document.addEventListener('focusout', hideTooltip);
  document.addEventListener('scroll', hideTooltip, { capture: true, passive: true });
  document.addEventListener('pointerdown', hideTooltip);
  document.addEventListener('click', ({ target }) => toggleExpanded(target));
  document.addEventListener('keydown', onKeyDown, true);
}
