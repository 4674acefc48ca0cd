import { useQuery } from '@tanstack/react-query';
import { hintsQuery } from '../../api/queries';
import type { Hint } from '../../api/types';

/** What the clients of a project could do better; undefined while it is not known. */
export const useHints = (project: number, refetchInterval?: number): Hint[] | undefined =>
  useQuery({ ...hintsQuery(project), refetchInterval }).data?.hints;
