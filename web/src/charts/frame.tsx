import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react';
import { plain, type Pieces } from '../format';
import { useT } from '../i18n';
import { NumberWithUnit } from '../components/values';
import { useLocale } from '../locale';
import { useAxis } from './group';
import { depthOf, ticks, zoneOffset, type Scale } from './scale';

interface FrameProps {
  name: string;
  scale: Scale;
  /** How a line of the scale is written. */
  mark: (value: number) => Pieces;
  /** What the crosshair says of a bucket; null where there is nothing. */
  flag: (at: number) => Pieces | null;
  /** What a click on a shape with `data-opens` does, or Enter where the crosshair is. */
  onOpen?: ((at: number) => void) | undefined;
  height?: number;
  /** Room for the scale, in pixels. */
  room?: number;
  wantedTicks?: number;
  empty?: boolean;
  children: ReactNode;
}

/** How wide the words of a tick may be, with air between them. */
const TICK_PX = 76;

/** How wide a digit of the scale is at most. */
const LETTER_PX = 6.5;

/** What all charts share: scale at the right edge, ticks below, crosshair, drag. Shapes stretch, words do not. */
export function Frame({ name, scale, mark, flag, onOpen, height = 176, room = 40, wantedTicks = 5, empty = false, children }: FrameProps) {
  const { times, bucketMs, hover, setHover, drag, setDrag, onRange, bands } = useAxis();
  const { format, zone } = useLocale();
  const t = useT();
  const plot = useRef<HTMLDivElement>(null);
  const pressed = useRef(false);
  const n = times.length;
  const spanMs = n * bucketMs;
  const first = times[0] ?? 0;
  // No more ticks than there is room for their words.
  const [fitting, setFitting] = useState(wantedTicks);
  useEffect(() => {
    if (!plot.current) return;
    const watch = new ResizeObserver(([entry]) => entry && setFitting(Math.max(2, Math.floor(entry.contentRect.width / TICK_PX))));
    watch.observe(plot.current);
    return () => watch.disconnect();
  }, []);
  const wanted = Math.min(wantedTicks, fitting);
  const marks = useMemo(() => ticks(times, bucketMs, wanted, zoneOffset(zone, first)), [times, bucketMs, wanted, zone, first]);

  const bucketAt = (event: PointerEvent) => {
    const box = plot.current?.getBoundingClientRect();
    if (!box || box.width === 0) return 0;
    return Math.max(0, Math.min(n - 1, Math.floor(((event.clientX - box.left) / box.width) * n)));
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0 || event.pointerType === 'touch' || !onRange || n === 0) return;
    // The plot takes the pointer, so only now is it known on what it was pressed.
    pressed.current = event.target instanceof Element && event.target.closest('[data-opens]') !== null;
    plot.current?.setPointerCapture(event.pointerId);
    const at = bucketAt(event);
    setDrag([at, at]);
  };
  const move = (event: PointerEvent) => {
    if (n === 0) return;
    const at = bucketAt(event);
    setHover(at);
    if (drag) setDrag([drag[0], at]);
  };
  const up = () => {
    if (!drag) return;
    const [a, b] = [Math.min(...drag), Math.max(...drag)];
    setDrag(null);
    if (b > a) onRange?.(first + a * bucketMs, first + (b + 1) * bucketMs);
    else if (pressed.current) onOpen?.(a);
  };
  const key = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      setDrag(null);
      setHover(null);
    } else if ((event.key === 'ArrowLeft' || event.key === 'ArrowRight') && n > 0) {
      event.preventDefault();
      const step = event.key === 'ArrowRight' ? 1 : -1;
      setHover(Math.max(0, Math.min(n - 1, (hover ?? (step > 0 ? -1 : n)) + step)));
    } else if (event.key === 'Enter' && hover !== null) onOpen?.(hover);
  };

  // As much room as the longest word of the scale takes.
  const words = empty ? [] : scale.lines.map((value) => plain(mark(value)).length * LETTER_PX + 10);
  const said = hover === null || empty ? null : flag(hover);
  const left = hover === null ? 0 : ((hover + 0.5) / Math.max(1, n)) * 100;
  return (
    <div className="chart" style={{ '--yr': `${Math.max(room, ...words)}px`, height }}>
      {/* The plot takes focus, so that the crosshair can be moved by keys. */}
      <div
        className="chart-plot"
        ref={plot}
        role="img"
        tabIndex={0}
        aria-label={`${t('chart.label', { name, from: format.bucketName(first, Infinity), to: format.bucketName(first + spanMs, Infinity) })}. ${t('chart.hint')}`}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={() => setDrag(null)}
        onPointerLeave={() => !drag && setHover(null)}
        onKeyDown={key}
        onBlur={() => setHover(null)}
      >
        {n > 0 &&
          bands
            .filter(({ from, to }) => to > first && from < first + spanMs)
            .map((band) => {
              const start = Math.max(0, (band.from - first) / spanMs);
              const end = Math.min(1, (band.to - first) / spanMs);
              return (
                <div
                  key={`${band.name} ${band.from}`}
                  className={band.severe ? 'chart-band is-critical' : 'chart-band'}
                  style={{ left: `${start * 100}%`, width: `${Math.max(0.004, end - start) * 100}%` }}
                  title={band.name}
                />
              );
            })}
        {scale.lines.map((value) => (
          <div
            key={value}
            className={value === 0 ? 'chart-grid-line is-zero' : 'chart-grid-line'}
            style={{ top: `${depthOf(value, scale)}%` }}
          >
            <span>{empty ? '' : <NumberWithUnit v={mark(value)} />}</span>
          </div>
        ))}
        {drag && drag[0] !== drag[1] && (
          <div
            className="chart-selection"
            style={{ left: `${(Math.min(...drag) / n) * 100}%`, width: `${((Math.abs(drag[1] - drag[0]) + 1) / n) * 100}%` }}
          />
        )}
        {children}
        {empty && (
          <div className="chart-empty" data-testid="chart-empty">
            {t('chart.nothing')}
          </div>
        )}
        {said && hover !== null && (
          <div className={left < 30 ? 'chart-crosshair is-flipped' : 'chart-crosshair'} style={{ left: `${left}%` }}>
            <span>
              <i>{format.bucketName(times[hover] ?? 0, spanMs)}</i> <NumberWithUnit v={said} />
            </span>
          </div>
        )}
        {marks.map((at) => (
          <span
            key={at}
            className={at < n * 0.04 ? 'chart-tick chart-tick-first' : at > n * 0.94 ? 'chart-tick chart-tick-last' : 'chart-tick'}
            style={{ left: `${(at / Math.max(1, n)) * 100}%` }}
          >
            {format.axis(first + at * bucketMs, spanMs)}
          </span>
        ))}
        <span className="visually-hidden" aria-live="polite">
          {said && hover !== null ? `${format.bucketName(times[hover] ?? 0, spanMs)}: ${plain(said)}` : ''}
        </span>
      </div>
    </div>
  );
}
