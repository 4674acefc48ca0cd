import { Link } from '@tanstack/react-router';
import type { SpanDetail } from '../../../api/types';
import { useT } from '../../../i18n';
import { useTraceView } from '../context';

/** The way to a rule for attributes that were not recognized. */
export function MappingLink({ detail }: { detail: SpanDetail }) {
  const t = useT();
  const { project } = useTraceView();
  return (
    <p>
      <Link
        className="text-link"
        to="/p/$project/mapping"
        params={{ project: String(project.id) }}
        search={{ trace: detail.trace_id, span: detail.span_id }}
      >
        {t('mapping.add')}
      </Link>
    </p>
  );
}
