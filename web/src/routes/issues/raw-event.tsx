import { useQuery } from '@tanstack/react-query';
import { rawEventAddress, rawEventQuery } from '../../api/queries';
import type { IssueEvent } from '../../api/types';
import { Icon } from '../../components/icons';
import { CopyButton, ErrorMessage, Skeleton } from '../../components/states';
import { CodeBlock } from '../../components/text/code-block';
import '../../components/text/text.css';
import { useT } from '../../i18n';

/** The event as the API returns it. */
export function RawEvent({ project, event }: { project: number; event: IssueEvent }) {
  const t = useT();
  const { event_id: id, issue_id: issue } = event;
  const { data, error, refetch } = useQuery(rawEventQuery(project, issue, id));
  return (
    <section className="issues-section" aria-label="JSON">
      <div className="section-head">
        <h2>JSON</h2>
        <span className="section-note">{t('issues.rawWhy')}</span>
        <span className="spacer" />
        {data !== undefined && <CopyButton text={data} />}
        <a className="button" href={rawEventAddress(project, issue, id)} download={`event-${id}.json`}>
          <Icon name="download" size="small" />
          {t('issues.download')}
        </a>
      </div>
      {error && data === undefined && <ErrorMessage error={error} onRetry={() => void refetch()} />}
      {!error && data === undefined && <Skeleton rows={8} />}
      {data !== undefined && <CodeBlock text={data} lines={600} />}
    </section>
  );
}
