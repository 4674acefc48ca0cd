import { LOG_LEVELS } from '../../components/filter-vocabulary';
import { LogLevel } from '../../components/log-level';
import { selectedValues, toggleValue } from '../../filter-query';
import { useT } from '../../i18n';

/** One chip for each level, the most severe first; what is chosen stands in the filter. */
export function LevelFilter({ q, onChange }: { q: string; onChange: (q: string) => void }) {
  const t = useT();
  const { wanted, unwanted } = selectedValues(q, 'level');
  const isShown = (level: string) => !unwanted.includes(level) && (wanted.length === 0 || wanted.includes(level));
  return (
    <div className="logs-levels" role="group" aria-label={t('logs.levels')}>
      {LOG_LEVELS.toReversed().map((level) => {
        const isChosen = wanted.includes(level);
        return (
          <button
            key={level}
            type="button"
            className={['logs-level', isChosen && 'is-selected', !isShown(level) && 'is-excluded'].filter(Boolean).join(' ')}
            aria-pressed={isChosen}
            title={t(isChosen ? 'logs.levelClear' : 'logs.levelOnly', { level })}
            onClick={() => onChange(toggleValue(q, 'level', level))}
          >
            <LogLevel level={level} />
          </button>
        );
      })}
    </div>
  );
}
