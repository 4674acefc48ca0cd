import { useSuspenseQuery } from '@tanstack/react-query';
import { useMatches, useParams } from '@tanstack/react-router';
import { meQuery } from './api/queries';
import type { Project } from './api/types';

/** Whoever is signed in; the frame has loaded it before any page stands. */
export const useMe = () => useSuspenseQuery(meQuery).data;

/** The project in the address bar, or null outside of one. */
export function useProjectOrNull(): Project | null {
  const { project } = useParams({ strict: false });
  const { projects } = useMe();
  return projects.find(({ id }) => String(id) === project) ?? null;
}

/** The project of a page below `/p/:project`; the frame shows "nothing here" in place of such a page without one. */
export function useProject(): Project {
  const project = useProjectOrNull();
  if (!project) throw new Error('this page stands outside of a project');
  return project;
}

/** The id of the innermost matched route, as the frame needs it. */
export const useRouteId = () => useMatches({ select: (matches) => matches[matches.length - 1]?.routeId ?? '' });
