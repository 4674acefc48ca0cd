import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { draftOf, triedQuery, useMute } from '../../api/alerts';
import type { Rule } from '../../api/types';
import { Sparkline } from '../../charts';
import { useT } from '../../i18n';
import { Icon } from '../../components/icons';
import { MenuChoice, Menu } from '../../components/menu';
import { Table, type Column } from '../../components/table';
import { Chip, NumberWithUnit, UserText } from '../../components/values';
import { Permitted } from '../../components/permission';
import { useLocale } from '../../locale';
import { timeLengthText } from '../../shell/time-length';
import { unitOf } from './rule-draft';
import { METRIC_FACTS, dimensionText, metricValue, metricValueText, metricText, comparisonSign } from './labels';

const MUTE_LENGTHS = ['1h', '8h', '1d', '7d'];

export function RuleTable({ project, rules }: { project: number; rules: Rule[] }) {
  const t = useT();
  const { format } = useLocale();
  const navigate = useNavigate();
  const to = ({ id }: Rule) => ({ to: '/p/$project/alerts/rules/$rule' as const, params: { project: String(project), rule: String(id) } });
  const columns: Column<Rule>[] = [
    {
      key: 'name',
      head: t('alerts.rule'),
      cell: (rule) => (
        <Link {...to(rule)} className="alerts-wrapping-text">
          <b>
            <UserText text={rule.name} />
          </b>
        </Link>
      ),
    },
    {
      key: 'what',
      head: t('alerts.metric'),
      grow: true,
      optional: true,
      cell: (rule) => (
        <span className="text-dim">
          {metricText(t, rule.measure)}
          {rule.group_by && ` ${t('alerts.groupedBy', { what: dimensionText(t, rule.group_by) })}`}, {timeLengthText(t, rule.window)}
          {rule.filter && <code> {rule.filter}</code>}
        </span>
      ),
    },
    {
      key: 'at',
      head: t('alerts.threshold'),
      num: true,
      cell: (rule) => {
        const nearest = rule.warning ?? rule.critical ?? null;
        return `${comparisonSign(rule.direction)} ${metricValueText(format, nearest, unitOf(rule.measure, rule.compare ?? ''), '')}`;
      },
    },
    {
      key: 'now',
      head: t('alerts.now'),
      num: true,
      cell: (rule) =>
        rule.now === null ? (
          <span className="text-dim">{t('alerts.noData')}</span>
        ) : (
          <b className={rule.severity === 'critical' ? 'text-error' : rule.severity === 'warning' ? 'text-warning' : undefined}>
            <NumberWithUnit v={metricValue(format, rule.now, unitOf(rule.measure, rule.compare ?? ''))} />
          </b>
        ),
    },
    { key: 'course', head: t('alerts.lastDay'), optional: true, cell: (rule) => <MetricSparkline project={project} rule={rule} /> },
    { key: 'state', head: t('alerts.state'), cell: (rule) => <RuleState project={project} rule={rule} /> },
  ];
  return (
    <div className="alerts-table">
      <Table
        label={t('alerts.rules')}
        columns={columns}
        rows={rules}
        rowKey={({ id }) => String(id)}
        keys
        onOpen={(rule) => void navigate(to(rule))}
      />
    </div>
  );
}

/** The last day of a rule's figure. */
function MetricSparkline({ project, rule }: { project: number; rule: Rule }) {
  const { data } = useQuery({ ...triedQuery(project, draftOf(rule), '1d'), enabled: METRIC_FACTS[rule.measure].of_spans });
  const values = data?.points.map(([, value]) => value) ?? [];
  return values.length > 0 ? <Sparkline values={values} bad={rule.severity !== null} /> : null;
}

function RuleState({ project, rule }: { project: number; rule: Rule }) {
  const t = useT();
  const { format } = useLocale();
  const mute = useMute(project, 'rules');
  const chip = rule.muted_until ? (
    <Chip tone="outline">
      {rule.muted_until === 'forever' ? t('alerts.muted') : t('alerts.mutedTo', { time: format.brief(rule.muted_until) })}
    </Chip>
  ) : rule.enabled === false ? (
    <Chip tone="outline">{t('alerts.draft')}</Chip>
  ) : rule.open_incidents > 0 ? (
    <Chip tone={rule.severity === 'critical' ? 'bad' : 'warning'}>{t('alerts.openCount', { n: rule.open_incidents })}</Chip>
  ) : (
    <Chip>{t('alerts.quiet')}</Chip>
  );
  return (
    <span className="alerts-chips">
      {chip}
      {rule.enabled !== false && (rule.notify?.targets ?? []).length === 0 && (
        <Chip tone="warning" title={t('alerts.nobodyNotified')}>
          {t('alerts.noTarget')}
        </Chip>
      )}
      <Permitted operation="post /api/v1/projects/{project}/alerts/rules/{id}/mute" project={project}>
        <Menu
          label={t('alerts.mute')}
          align="end"
          trigger={
            <button type="button" className="icon-button" aria-label={`${t('alerts.mute')}: ${rule.name}`} title={t('alerts.mute')}>
              <Icon name="down" size="tiny" />
            </button>
          }
        >
          <MenuChoice
            value={rule.muted_until ? '' : 'not'}
            options={[
              { value: 'not', label: t('alerts.unmuted') },
              ...MUTE_LENGTHS.map((length) => ({ value: length, label: t('alerts.muteFor', { length: timeLengthText(t, length) }) })),
            ]}
            onChange={(length) => mute.mutate({ id: rule.id, length: length === 'not' ? null : length })}
          />
        </Menu>
      </Permitted>
    </span>
  );
}
