import type { BudgetState, Forecast } from '../../api/types';

/** The forecast as it can be shown: what was spent already is the least that the end can bring, also before the server has forecast anew. */
export function forecastOf({ forecast, spent }: Pick<BudgetState, 'forecast' | 'spent'>): Forecast | null {
  if (!forecast) return null;
  const least = (value: number) => Math.max(value, spent);
  return {
    ...forecast,
    expected: least(forecast.expected),
    low: least(forecast.low),
    high: least(forecast.high),
    projected: least(forecast.projected),
  };
}
