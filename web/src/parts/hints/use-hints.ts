import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { hintsQuery, pricesQuery, unpricedQuery } from '../../api/queries';
import { settle, type SettledHint } from './settled';

const MONTH = { from: '-30d', to: 'now' };

/** What the clients of a project could do better, without what has been done since; undefined while it is not known. */
export function useHints(project: number, refetchInterval?: number): SettledHint[] | undefined {
  const { data } = useQuery({ ...hintsQuery(project), refetchInterval });
  const ofPrices = data?.hints.some(({ hint }) => hint === 'unpriced_model') ?? false;
  const prices = useQuery({ ...pricesQuery(project), enabled: ofPrices }).data;
  const unpriced = useQuery({ ...unpricedQuery(project, MONTH), enabled: ofPrices }).data;
  const [today] = useState(() => new Date().toISOString().slice(0, 10));
  return useMemo(() => {
    if (!data) return undefined;
    if (!prices || !unpriced) return data.hints;
    const complete = unpriced.models.length >= unpriced.count;
    return settle(data.hints, { prices: prices.prices, unpriced: unpriced.models, complete, today });
  }, [data, prices, unpriced, today]);
}
