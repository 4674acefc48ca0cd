// What is wrong with how a page is laid out. It runs in the page, so it uses nothing from outside of it.

/** Answers faults as `{ kind, where, text }`; `reach` also tries whether everything that can be clicked can be. */
export async function faultsOfPage({ reach = true } = {}) {
  const found = [];
  const seen = new Set();
  const nameOf = (element) => {
    const parts = [];
    for (let at = element; at && at !== document.body && parts.length < 4; at = at.parentElement) {
      const classes = typeof at.className === 'string' && at.className.trim() ? `.${at.className.trim().split(/\s+/).join('.')}` : '';
      parts.unshift(`${at.tagName.toLowerCase()}${classes}`);
    }
    return parts.join(' > ');
  };
  const say = (kind, element, text, more = '') => {
    const where = nameOf(element);
    const key = `${kind} ${where}`;
    if (seen.has(key)) return;
    seen.add(key);
    found.push({ kind, where, text: text.replace(/\s+/g, ' ').trim().slice(0, 60), more });
  };
  const styles = new Map();
  const styleOf = (element) => {
    let style = styles.get(element);
    if (!style) styles.set(element, (style = getComputedStyle(element)));
    return style;
  };
  const boxes = new Map();
  const boxOf = (element) => {
    let box = boxes.get(element);
    if (!box) boxes.set(element, (box = element.getBoundingClientRect()));
    return box;
  };
  const root = document.scrollingElement;
  // Where a sheet lies over the page, only the sheet is to be read and used.
  const modal = [...document.querySelectorAll('dialog')].find((dialog) => dialog.matches(':modal')) ?? document.body;
  const width = root.clientWidth;

  // 1. The page scrolls down, never sideways.
  if (root.scrollWidth > width + 1) {
    let worst = null;
    for (const element of document.body.querySelectorAll('*')) {
      const { right } = boxOf(element);
      if (right > width + 1 && !clippedAway(element) && (!worst || right >= boxOf(worst).right)) worst = element;
    }
    say('scrolls sideways', worst ?? document.body, worst?.textContent ?? '', `${root.scrollWidth} of ${width}`);
  }
  function clippedAway(element) {
    for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
      if (styleOf(at).overflowX !== 'visible' && boxOf(at).right <= width + 1) return true;
    }
    return false;
  }

  // What there is to read: each text with the places it takes.
  const isHidden = (element) => {
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const style = styleOf(at);
      if (style.display === 'none' || style.visibility === 'hidden' || Number(style.opacity) === 0) return true;
      // Said to readers of the screen alone.
      if (style.clipPath !== 'none' || (style.position === 'absolute' && boxOf(at).width <= 1)) return true;
      if (at.tagName === 'DETAILS' && !at.open && !element.closest('summary')) return true;
    }
    return false;
  };
  const clips = (style) => style === 'hidden' || style === 'clip';
  const scrolls = (style) => style === 'auto' || style === 'scroll';
  /** Its box up to which text may be seen, and what cuts it off there. */
  const clipperOf = (element, axis) => {
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const style = styleOf(at);
      if (style.display === 'inline' || style.display === 'contents') continue;
      const overflow = axis === 'x' ? style.overflowX : style.overflowY;
      if (scrolls(overflow)) return null;
      if (clips(overflow)) return at;
      if (style.position === 'fixed') return null;
    }
    return null;
  };
  const blockOf = (element) => {
    let at = element;
    while (at && ['inline', 'contents'].includes(styleOf(at).display)) at = at.parentElement;
    return at;
  };
  /** Whether what is cut there can be read: it says so by an ellipsis, and shows the whole on hover, on a click or on a page of its own. */
  const readable = (block, element) => {
    const target = element.closest('a, button') ?? element;
    target.dispatchEvent(new PointerEvent('pointerover', { bubbles: true, pointerType: 'mouse' }));
    element.dispatchEvent(new PointerEvent('pointerover', { bubbles: true, pointerType: 'mouse' }));
    const wanted = block.textContent.replace(/\s+/g, '').slice(0, 2000);
    const own = element.textContent.replace(/\s+/g, '').slice(0, 2000);
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const title = (at.getAttribute?.('title') ?? '').replace(/\s+/g, '');
      if (title && (title.includes(wanted) || title.includes(own) || wanted.includes(title))) return true;
      if (at.hasAttribute?.('aria-expanded') || at.tagName === 'SUMMARY') return true;
    }
    return false;
  };
  const lines = [];
  const walker = document.createTreeWalker(modal, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.data.trim();
    const element = node.parentElement;
    if (text === '' || ['SCRIPT', 'STYLE', 'NOSCRIPT', 'OPTION', 'TEXTAREA'].includes(element.tagName) || isHidden(element)) continue;
    range.selectNodeContents(node);
    const rects = [...range.getClientRects()].filter((rect) => rect.width > 0.5 && rect.height > 0.5);
    if (rects.length === 0) continue;
    const block = blockOf(element);

    // 2. Cut off, and not said or not to be read.
    const acrossBy = clipperOf(element, 'x');
    const alongBy = clipperOf(element, 'y');
    const inner = (box, style) => ({ left: box.left + Number.parseFloat(style.borderLeftWidth), right: box.right - Number.parseFloat(style.borderRightWidth) });
    const across = acrossBy && inner(boxOf(acrossBy), styleOf(acrossBy));
    const cutAcross = across && rects.some((rect) => rect.right > across.right + 1.5 || rect.left < across.left - 1.5);
    const cutAlong = alongBy && rects.some((rect) => rect.bottom > boxOf(alongBy).bottom + rect.height * 0.34 || rect.top < boxOf(alongBy).top - rect.height * 0.34);
    if (cutAcross || cutAlong) {
      const clamp = Number(styleOf(cutAlong ? alongBy : block).webkitLineClamp) > 0;
      const dots = (block === acrossBy && styleOf(block).textOverflow === 'ellipsis' && !styleOf(block).display.includes('flex')) || clamp;
      if (/^[\s≈<>±+\u2212-]*[$¥€]?[\d.,]+[\s+%a-zA-Z]{0,3}$/.test(block.textContent.trim())) say('a figure is cut', element, text);
      else if (!dots) say('cut without an ellipsis', element, text, nameOf(cutAcross ? acrossBy : alongBy));
      else if (!readable(block, element)) say('cut with no way to read it whole', element, text);
    }
    // 3. Outside of what contains it.
    if (!cutAcross) {
      // A space at the end of a line hangs out of it.
      const spare = styleOf(element).whiteSpace === 'pre-wrap' ? 8 : 2;
      for (let at = block; at && at !== document.body; at = at.parentElement) {
        const style = styleOf(at);
        if (style.display === 'contents') continue;
        if (scrolls(style.overflowX) || clips(style.overflowX)) break;
        const box = boxOf(at);
        const outside = rects.find((rect) => rect.right > box.right + spare || rect.left < box.left - spare);
        if (outside) {
          say('outside of its container', element, text, `${nameOf(at)} by ${Math.round(Math.max(outside.right - box.right, box.left - outside.left))}`);
          break;
        }
        if (style.position === 'absolute' || style.position === 'fixed') break;
      }
    }
    // A short word that stands letter below letter.
    const word = /^([\w.$-]{2,16}|[\p{Script=Katakana}ー]{2,8})$/u.test(text);
    if (word && new Set(rects.map(({ top }) => Math.round(top))).size > 1) say('a word broken into letters', element, text);

    for (const rect of rects) {
      let { left, right, top, bottom } = rect;
      for (let at = element; at && at !== document.body; at = at.parentElement) {
        const style = styleOf(at);
        if (style.overflowX !== 'visible' && style.display !== 'inline') {
          const box = boxOf(at);
          [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
          [top, bottom] = [Math.max(top, box.top), Math.min(bottom, box.bottom)];
        }
      }
      // Lines may come closer than the boxes of their letters.
      const spare = (bottom - top) * 0.22;
      if (right - left > 1 && bottom - top > 4) lines.push({ left: left + 0.5, right: right - 0.5, top: top + spare, bottom: bottom - spare, element, text, block });
    }
  }

  // 4. Text on other text.
  lines.sort((a, b) => a.top - b.top);
  const layerOf = (element) => {
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const { position, zIndex, backgroundColor } = styleOf(at);
      if (['fixed', 'sticky'].includes(position)) return at;
      // A menu lies over the page.
      if (position === 'absolute' && Number(zIndex) > 0 && backgroundColor !== 'rgba(0, 0, 0, 0)') return at;
    }
    return null;
  };
  let active = [];
  for (const line of lines) {
    active = active.filter(({ bottom }) => bottom > line.top);
    for (const other of active) {
      if (other.element === line.element && other.text === line.text) continue;
      if (Math.min(other.right, line.right) - Math.max(other.left, line.left) < 1.5) continue;
      if (Math.min(other.bottom, line.bottom) - Math.max(other.top, line.top) < 2) continue;
      // What stays in place while the page scrolls covers what is below it.
      if (layerOf(other.element) !== layerOf(line.element)) continue;
      say('text on text', line.element, line.text, `on ${nameOf(other.element)} "${other.text.slice(0, 40)}"`);
    }
    active.push(line);
  }

  // 5. What can be clicked can be reached.
  if (reach) {
    const controls = [...modal.querySelectorAll('a[href], button, input, select, textarea, summary, [role=tab], [role=button], [role=option]')];
    const before = root.scrollTop;
    const styled = document.documentElement.style;
    styled.scrollBehavior = 'auto';
    const kinds = new Map();
    for (const control of controls) {
      if (control.getAttribute('href') === '#main' || control.disabled || control.type === 'hidden' || isHidden(control)) continue;
      // Rows of a table are alike: a few of each stand for all.
      const kind = nameOf(control);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      if (kinds.get(kind) > 6) continue;
      control.scrollIntoView({ block: 'center', inline: 'nearest' });
      const rects = [...control.getClientRects()].filter((rect) => rect.width > 0 && rect.height > 0);
      const label = control.getAttribute('aria-label') ?? control.textContent ?? '';
      if (rects.length === 0) {
        say('cannot be reached', control, label, 'it has no size');
        continue;
      }
      const hit = rects.some(({ left, top, width, height }) =>
        [0.5, 0.2, 0.8].some((share) => {
          const on = document.elementFromPoint(left + width * share, top + height / 2);
          return on && (control.contains(on) || on.contains(control) || on.closest('label')?.control === control) && on !== document.body && on !== document.documentElement && on.tagName !== 'MAIN';
        }),
      );
      if (!hit) {
        const [{ left, top, width: w, height: h }] = rects;
        const on = document.elementFromPoint(left + w / 2, top + h / 2);
        say('cannot be reached', control, label, on ? `under ${nameOf(on)}` : `at ${Math.round(left)}, ${Math.round(top)}`);
      }
    }
    root.scrollTop = before;
  }
  return found;
}
