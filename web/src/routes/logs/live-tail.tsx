import { useLive } from '../../api/live';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';

interface LiveTailProps {
  /** Whether the list takes in new lines: its range ends now, and the newest line comes first. */
  isTail: boolean;
  /** Shows a list that does. */
  onFollow: () => void;
}

/** Turns the live tail on and off, also by `l`. From a range in the past it leads to one that ends now. */
export function LiveTail({ isTail, onFollow }: LiveTailProps) {
  const t = useT();
  const { state, stopped, toggle } = useLive();
  const isOn = isTail && !stopped;
  const switchTail = () => {
    if (!isTail) onFollow();
    if (isTail || stopped) toggle();
  };
  useKeyboardShortcuts({ l: switchTail });
  const hint = !isTail ? 'logs.tailPast' : stopped ? 'logs.tailOff' : state === 'paused' ? 'bar.liveBroken' : 'logs.tailOn';
  return (
    <button
      type="button"
      className={isOn && state === 'live' ? 'button logs-tail' : 'button logs-tail is-paused'}
      aria-pressed={isOn}
      title={`${t(hint)} (l)`}
      onClick={switchTail}
    >
      {t(isOn && state === 'paused' ? 'bar.livePaused' : 'logs.tail')}
      <kbd>l</kbd>
    </button>
  );
}
