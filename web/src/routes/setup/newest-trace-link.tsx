import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { tracesQuery } from '../../api/queries';
import { traceName } from '../../api/trace-name';
import type { Project } from '../../api/types';
import { useT } from '../../i18n';
import { ErrorMessage, Skeleton } from '../../components/states';
import { Timestamp, UserText } from '../../components/values';
import { useLocale } from '../../locale';

/** The last step of a project that has data: done, with the newest trace as the proof. */
export function NewestTraceLink({ project }: { project: Project }) {
  const t = useT();
  const { format } = useLocale();
  const range = { from: `-${project.retention_days}d`, to: 'now' };
  const { data, error, refetch } = useQuery(tracesQuery(project.id, range, '-start_time', 1));
  const trace = data?.traces[0];
  return (
    <>
      <p>{t('setup.runDone', { time: format.day(project.first_span_at ?? project.created_at, true) })}</p>
      {error && !data && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={1} />}
      {trace && (
        <p className="setup-newest-trace">
          <Link
            className="button button-primary"
            to="/p/$project/traces/$trace"
            params={{ project: String(project.id), trace: trace.trace_id }}
            search={{ at: trace.start_time }}
          >
            {t('setup.newest')}
          </Link>
          <span className="ellipsis" title={traceName(trace)}>
            <UserText text={traceName(trace)} />
          </span>
          <span className="text-dim">
            <Timestamp at={trace.start_time} />
          </span>
        </p>
      )}
    </>
  );
}
