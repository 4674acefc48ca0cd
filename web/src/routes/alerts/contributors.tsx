import { Fragment } from 'react';
import type { Culprit, Incident } from '../../api/types';
import { useT } from '../../i18n';
import { useModelColors } from '../../model-colors';
import { NumberWithUnit, UserText, Swatch } from '../../components/values';
import { useProject } from '../../project';
import { useLocale } from '../../locale';
import { dimensionText, metricValue, metricValueText } from './labels';

/** The part of a link of the page's own that leads there from here, whatever name the server is reached by. */
export function tracesHref(link: string): string | null {
  try {
    const { pathname, search } = new URL(link, 'http://page');
    return pathname + search;
  } catch {
    return null;
  }
}

const shareText = ({ share_of }: Culprit, direction: Incident['direction']) =>
  share_of === 'total' ? 'alerts.shareOfTotal' : direction === 'below' ? 'alerts.shareOfFall' : 'alerts.shareOfRise';

/** What moved the figure, by what it is of: what it took, what it usually takes (the tick), in one scale. */
export function Contributors({ incident }: { incident: Incident }) {
  const t = useT();
  const { format } = useLocale();
  const { culprits, culprits_since, source, direction } = incident;
  const models = culprits.flatMap(({ dimension, key }) => (dimension === 'model' ? [key] : []));
  const colorOf = useModelColors(useProject().id).among(models);
  const dimensions = [...new Set(culprits.map(({ dimension }) => dimension))];
  const largest = Math.max(1e-12, ...culprits.flatMap(({ contribution, usual }) => [contribution, usual ?? 0]));
  if (culprits.length === 0) return <p className="text-dim">{t('alerts.noContributors')}</p>;
  return (
    <table className="data-table alerts-contributors" aria-label={t('alerts.contributors')}>
      <thead>
        <tr>
          <th scope="col">
            <span className="visually-hidden">{t('alerts.contributorDimension')}</span>
          </th>
          <th scope="col">
            <span className="visually-hidden">{t('alerts.contributorValue')}</span>
          </th>
          <th scope="col" className="numeric">
            {t(source === 'budget' ? 'alerts.inPeriod' : 'alerts.inWindow')}
          </th>
          <th scope="col" className="numeric">
            {t('alerts.usual')}
          </th>
          <th scope="col" className="column-optional" aria-hidden="true" />
        </tr>
      </thead>
      <tbody>
        {dimensions.map((dimension) => (
          <Fragment key={dimension}>
            {culprits
              .filter((contributor) => contributor.dimension === dimension)
              .map((contributor, at) => {
                const href = contributor.link === null ? null : tracesHref(contributor.link);
                const name =
                  contributor.key === null ? (
                    <span className="unknown-value">{t('common.noValue')}</span>
                  ) : (
                    <UserText text={contributor.key} />
                  );
                return (
                  <tr key={contributor.key ?? ''}>
                    <td className="text-dim">
                      {at === 0 ? dimensionText(t, dimension) : <span className="visually-hidden">{dimensionText(t, dimension)}</span>}
                    </td>
                    <td className="column-grow">
                      {dimension === 'model' && <Swatch color={colorOf(contributor.key)} />} {href ? <a href={href}>{name}</a> : name}
                      {contributor.share !== null && contributor.share >= 0.01 && (
                        <span className="text-dim alerts-contributor-share">
                          {' '}
                          {t(shareText(contributor, direction), { share: format.percentText(contributor.share) })}
                        </span>
                      )}
                      {culprits_since && contributor.since !== null && contributor.since > 0 && (
                        <span className="text-dim alerts-contributor-share">
                          {' '}
                          {t('alerts.sinceStep', {
                            amount: metricValueText(format, contributor.since, contributor.unit, ''),
                            time: format.moment(culprits_since),
                          })}
                        </span>
                      )}
                    </td>
                    <td className="numeric">
                      <b>
                        <NumberWithUnit v={metricValue(format, contributor.contribution, contributor.unit)} />
                      </b>
                    </td>
                    <td className="numeric text-dim">
                      {contributor.usual !== null && <NumberWithUnit v={metricValue(format, contributor.usual, contributor.unit)} />}
                    </td>
                    <td className="alerts-contributor-bar-cell column-optional" aria-hidden="true">
                      <span className="alerts-contributor-bar">
                        <i
                          style={{
                            width: `${Math.max(0, contributor.contribution / largest) * 100}%`,
                            '--c': dimension === 'model' ? colorOf(contributor.key) : 'var(--plot)',
                          }}
                        />
                        {contributor.usual !== null && <u style={{ left: `${Math.max(0, contributor.usual / largest) * 100}%` }} />}
                      </span>
                    </td>
                  </tr>
                );
              })}
          </Fragment>
        ))}
      </tbody>
    </table>
  );
}
