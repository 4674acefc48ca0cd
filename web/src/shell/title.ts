import { useEffect } from 'react';
import { useProjectMaybe } from '../project';

const NAME = 'Hinomi';

/** What the browser's tab says: the page, then the project. */
export function useTitle(page: string) {
  const project = useProjectMaybe()?.name;
  useEffect(() => {
    document.title = [page, project, NAME].filter(Boolean).join(' · ');
    return () => {
      document.title = NAME;
    };
  }, [page, project]);
}
