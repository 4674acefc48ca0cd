import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { evaluatorsQuery } from '../../api/evaluators';
import type { Evaluator } from '../../api/types';
import { Permitted } from '../../components/permission';
import { EmptyState, ErrorMessage, Skeleton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Chip, UserText } from '../../components/values';
import { useT, type T } from '../../i18n';
import { useLocale } from '../../locale';
import { useProject } from '../../project';
import { usePageTitle } from '../../shell/page-title';
import { EVALUATOR_TYPES } from './evaluator-draft';
import { OutcomeCounts } from './evaluator-outcomes';
import { QualityNav } from './quality-nav';
import './quality.css';

const CREATE = 'post /api/v1/projects/{project}/evaluators';

/** The evaluators of a project: what scores answers in the background. */
export default function Evaluators() {
  const t = useT();
  usePageTitle(t('evaluators.title'));
  const project = useProject();
  const { data, error, isPending, refetch } = useQuery(evaluatorsQuery(project.id));
  const create = (
    <Permitted operation={CREATE} project={project.id}>
      <Link
        className="button button-primary"
        to="/p/$project/quality/evaluators/$evaluator"
        params={{ project: String(project.id), evaluator: 'new' }}
      >
        {t('evaluators.create')}
      </Link>
    </Permitted>
  );
  return (
    <div className="quality-page">
      <QualityNav />
      <h1 className="visually-hidden">{t('evaluators.title')}</h1>
      {error && !data && (
        <div className="pane sheet">
          <ErrorMessage error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {isPending && (
        <div className="pane sheet">
          <Skeleton rows={4} height={44} />
        </div>
      )}
      {data && data.evaluators.length === 0 && (
        <EmptyState title={t('evaluators.none')} action={create}>
          {t('evaluators.noneWhy')}
        </EmptyState>
      )}
      {data && data.evaluators.length > 0 && (
        <section className="pane sheet">
          <div className="section-head">
            <h2>{t('evaluators.title')}</h2>
            <span className="section-note">
              {t('evaluators.when', { trace: data.quiet_trace_s, session: Math.round(data.quiet_session_s / 60) })}
            </span>
            <span className="spacer" />
            {create}
          </div>
          <EvaluatorTable project={project.id} evaluators={data.evaluators} />
        </section>
      )}
    </div>
  );
}

/** The name of a type; as sent if this page does not know it. */
export function typeText(t: T, type: string): string {
  const known = EVALUATOR_TYPES.find((one) => one === type);
  return known === undefined ? type : t(`evaluators.type.${known}`);
}

function EvaluatorTable({ project, evaluators }: { project: number; evaluators: Evaluator[] }) {
  const t = useT();
  const { format } = useLocale();
  const navigate = useNavigate();
  const to = ({ id }: Evaluator) => ({
    to: '/p/$project/quality/evaluators/$evaluator' as const,
    params: { project: String(project), evaluator: String(id) },
  });
  const columns: Column<Evaluator>[] = [
    {
      key: 'name',
      head: t('evaluators.evaluator'),
      grow: true,
      cell: (evaluator) => (
        <Link {...to(evaluator)}>
          <b>
            <UserText text={evaluator.name} />
          </b>{' '}
          {!evaluator.enabled && <Chip tone="outline">{t('evaluators.off')}</Chip>}
        </Link>
      ),
    },
    { key: 'type', head: t('quality.dataType'), cell: ({ type }) => typeText(t, type) },
    { key: 'target', head: t('evaluators.target'), optional: true, cell: ({ target }) => t(`evaluators.target.${target}`) },
    {
      key: 'selected',
      head: t('evaluators.selected'),
      optional: true,
      cell: ({ q, sampling }) => (
        <span className="text-dim">
          {typeof sampling === 'number' ? t('evaluators.rate', { n: format.threeDigits(sampling * 100) }) : t('evaluators.rules', { n: sampling.length })}
          {q !== '' && <code> {q}</code>}
        </span>
      ),
    },
    { key: 'outcomes', head: t('evaluators.outcomes'), num: true, cell: ({ outcomes }) => <OutcomeCounts outcomes={outcomes} /> },
  ];
  return (
    <Table
      label={t('evaluators.title')}
      columns={columns}
      rows={evaluators}
      rowKey={({ id }) => String(id)}
      keys
      onOpen={(evaluator) => void navigate(to(evaluator))}
    />
  );
}
