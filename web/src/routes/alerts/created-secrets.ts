import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';

/** A signing secret that the server made for a target. */
export interface CreatedSecret {
  id: number;
  name: string;
  secret: string;
}

/**
 * The secrets of a project that nobody has confirmed yet. They are held apart from the pages, so that neither a list that is asked
 * for again nor a look at another page takes them away; signing out does, and closing the tab, which the browser asks about first.
 */
export function useCreatedSecrets(project: number) {
  const client = useQueryClient();
  const queryKey = ['made secrets', project];
  const { data: made = [] } = useQuery<CreatedSecret[]>({
    queryKey,
    queryFn: () => [],
    enabled: false,
    staleTime: Infinity,
    gcTime: Infinity,
  });
  const some = made.length > 0;
  useEffect(() => {
    if (!some) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [some]);
  const change = (next: (was: CreatedSecret[]) => CreatedSecret[]) =>
    client.setQueryData<CreatedSecret[]>(queryKey, (was) => next(was ?? []));
  return {
    made,
    keep: (one: CreatedSecret) => void change((was) => [...was.filter(({ id }) => id !== one.id), one]),
    forget: (id: number) => void change((was) => was.filter((one) => one.id !== id)),
  };
}
