import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { tracesQuery } from '../../api/queries';
import { traceName } from '../../api/trace-name';
import type { Project } from '../../api/project-types';
import { useT } from '../../i18n';
import { ErrorPart, Skeleton } from '../../parts/states';
import { Moment, Said } from '../../parts/values';
import { useReader } from '../../reader';

/** The last step of a project that has data: done, with the newest trace as the proof. */
export function Newest({ project }: { project: Project }) {
  const t = useT();
  const { format } = useReader();
  const range = { from: `-${project.retention_days}d`, to: 'now' };
  const { data, error, refetch } = useQuery(tracesQuery(project.id, range, '-start_time', 1));
  const trace = data?.traces[0];
  return (
    <>
      <p>{t('setup.runDone', { time: format.day(project.first_span_at ?? project.created_at, true) })}</p>
      {error && !data && <ErrorPart error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton rows={1} />}
      {trace && (
        <p className="newest">
          <Link
            className="btn pri"
            to="/p/$project/traces/$trace"
            params={{ project: String(project.id), trace: trace.trace_id }}
            search={{ at: trace.start_time }}
          >
            {t('setup.newest')}
          </Link>
          <span className="ell" title={traceName(trace)}>
            <Said text={traceName(trace)} />
          </span>
          <span className="dim">
            <Moment at={trace.start_time} />
          </span>
        </p>
      )}
    </>
  );
}
