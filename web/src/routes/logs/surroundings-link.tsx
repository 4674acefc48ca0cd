import { Link, useNavigate } from '@tanstack/react-router';
import type { MouseEvent } from 'react';
import { useT } from '../../i18n';
import { findSurroundings, rangeOfSurroundings } from './linked-line';

/** To the log lines of the project around a time. */
export function SurroundingsLink({ project, time }: { project: number; time: string }) {
  const t = useT();
  const navigate = useNavigate();
  const target = { to: '/p/$project/logs' as const, params: { project: String(project) } };
  /** Where many lines follow, the range ends earlier, so that the time is on the first page. */
  const open = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    void findSurroundings(project, time).then((range) => navigate({ ...target, search: range }));
  };
  return (
    <Link className="button" {...target} search={rangeOfSurroundings(time)} title={t('issues.surroundingLogs')} onClick={open}>
      {t('issues.logs')}
    </Link>
  );
}
