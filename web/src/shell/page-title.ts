import { useEffect } from 'react';
import { useProjectOrNull } from '../project';

const PRODUCT_NAME = 'Hinomi';

/** What the browser's tab says: the page, then the project. */
export function usePageTitle(page: string) {
  const project = useProjectOrNull()?.name;
  useEffect(() => {
    document.title = [page, project, PRODUCT_NAME].filter(Boolean).join(' · ');
    return () => {
      document.title = PRODUCT_NAME;
    };
  }, [page, project]);
}
