import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Project } from '../../api/types';
import { projectLogsQuery } from '../../api/queries';
import { Icon } from '../../components/icons';
import { CopyButton, EmptyState } from '../../components/states';
import { useT } from '../../i18n';
import { useLocale, useRange } from '../../locale';
import { useProject } from '../../project';
import { rangeAround, type RangeSearch } from '../../range';
import { timeLengthText } from '../../shell/time-length';
import { otlpVariables } from '../setup/snippets/snippet';

/** Ranges that may hold what this one does not. */
const LONGER_RANGES = ['24h', '7d', '30d'];

interface NoLinesProps {
  q: string;
  onClear: () => void;
  onRange: (range: RangeSearch) => void;
}

/** In place of the list: nothing matches, nothing is in the range, or nothing was ever sent. */
export function NoLines({ q, onClear, onRange }: NoLinesProps) {
  const t = useT();
  const project = useProject();
  const range = useRange();
  const { format } = useLocale();
  // The newest line of all that are stored: where else to look, or that there is none.
  const newest = useQuery({ ...projectLogsQuery(project.id, { q: q || undefined }, 1), placeholderData: undefined });
  const any = useQuery({ ...projectLogsQuery(project.id, {}, 1), placeholderData: undefined });
  const elsewhere = newest.data?.logs[0];
  if (any.data && any.data.logs.length === 0) return <NoLinesEver project={project} />;
  const around = elsewhere ? rangeAround(range, Date.parse(elsewhere.time)) : {};
  return (
    <EmptyState
      title={q ? t('traces.noMatch') : t('traces.noTracesInRange')}
      action={
        <span className="logs-empty-actions">
          {q && (
            <button type="button" className="button button-primary" onClick={onClear}>
              {t('traces.clear')}
            </button>
          )}
          {elsewhere && around.from && (
            <button type="button" className="button" onClick={() => onRange(around)}>
              {t('traces.showNewest', { time: format.moment(elsewhere.time) })}
            </button>
          )}
          {LONGER_RANGES.filter((last) => range.last !== last).map((last) => (
            <button key={last} type="button" className="button" onClick={() => onRange({ last, from: undefined, to: undefined })}>
              {t('bar.last', { length: timeLengthText(t, last) })}
            </button>
          ))}
        </span>
      }
    >
      {q ? <code>{q}</code> : t('traces.noTracesInRangeWhy')}
    </EmptyState>
  );
}

const sentryPython = (dsn: string) => `import sentry_sdk

sentry_sdk.init(
    dsn="${dsn}",
    enable_logs=True,
)
sentry_sdk.logger.info("Logs arrive")`;

const sentryJavascript = (dsn: string) => `import * as Sentry from "@sentry/node";

Sentry.init({
  dsn: "${dsn}",
  enableLogs: true,
});
Sentry.logger.info("Logs arrive");`;

const openTelemetry = (dsn: string) => `pip install opentelemetry-distro opentelemetry-exporter-otlp opentelemetry-instrumentation-logging
${otlpVariables(dsn)}opentelemetry-instrument --logs_exporter otlp python app.py`;

/** How to send the first line. */
function NoLinesEver({ project }: { project: Project }) {
  const t = useT();
  const { dsn } = project;
  const figures: [string, string, string][] =
    dsn === null
      ? []
      : [
          ['Sentry, Python', 'app.py', sentryPython(dsn)],
          ['Sentry, JavaScript', 'instrument.mjs', sentryJavascript(dsn)],
          ['OpenTelemetry, Python', 'shell', openTelemetry(dsn)],
        ];
  return (
    <div className="logs-first">
      <EmptyState title={t('logs.none')}>{t('logs.noneWhy')}</EmptyState>
      <div className="logs-snippets">
        {figures.map(([name, file, code]) => (
          <section key={name}>
            <h3>{name}</h3>
            <figure className="code-figure">
              <figcaption>
                <span className="monospace">{file}</span>
                <CopyButton quiet text={code} />
              </figcaption>
              <pre tabIndex={0}>
                <code>{code}</code>
              </pre>
            </figure>
          </section>
        ))}
      </div>
      <p className="logs-first-more">
        <Link className="button" to="/p/$project/setup" params={{ project: String(project.id) }}>
          {t('logs.setUp')}
          <Icon name="go" size="tiny" />
        </Link>
      </p>
    </div>
  );
}
