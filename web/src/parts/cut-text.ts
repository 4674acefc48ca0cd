/** Lets whatever is cut with an ellipsis be read whole: as a tooltip, and by a click or tap where that does nothing else. */

const MARK = 'cut';

/** Whether an element ends its text with an ellipsis now. */
function isCut(element: HTMLElement): boolean {
  const { textOverflow, webkitLineClamp } = getComputedStyle(element);
  const clamped = webkitLineClamp !== 'none' && webkitLineClamp !== '';
  if (textOverflow !== 'ellipsis' && !clamped) return false;
  return element.scrollWidth > element.clientWidth || (clamped && element.scrollHeight > element.clientHeight);
}

function cutAround(target: EventTarget | null): HTMLElement | null {
  for (let at = target instanceof Element ? target : null; at && at !== document.body; at = at.parentElement) {
    if (at instanceof HTMLElement && isCut(at)) return at;
  }
  return null;
}

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

/** A finger has no tooltip, and some texts are long for one: text that leads nowhere opens where it is. */
function unfold({ target }: Event) {
  if (!(target instanceof Element) || target.closest('a, button, summary, label, [role=row], tr.open')) return;
  if (window.getSelection()?.isCollapsed === false) return;
  const element = target.closest<HTMLElement>('.cut-open') ?? cutAround(target);
  element?.classList.toggle('cut-open');
}

/** Watches the whole page; called once. */
export function watchCutText() {
  document.addEventListener('pointerover', explain);
  document.addEventListener('focusin', explain);
  document.addEventListener('click', unfold);
}
