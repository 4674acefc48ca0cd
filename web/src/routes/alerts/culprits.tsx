import { Fragment } from 'react';
import type { Culprit, Incident } from '../../api/alert-types';
import { useT } from '../../i18n';
import { useModelColors } from '../../model-colors';
import { Num, Said, Swatch } from '../../parts/values';
import { useProject } from '../../project';
import { useReader } from '../../reader';
import { dimensionText, figure, figureText } from './words';

/** The part of a link of the page's own that leads there from here, whatever name the server is reached by. */
export function hrefOf(link: string): string | null {
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
export function Culprits({ incident }: { incident: Incident }) {
  const t = useT();
  const { format } = useReader();
  const { culprits, culprits_since, source, direction } = incident;
  const models = culprits.flatMap(({ dimension, key }) => (dimension === 'model' ? [key] : []));
  const colorOf = useModelColors(useProject().id).among(models);
  const dimensions = [...new Set(culprits.map(({ dimension }) => dimension))];
  const largest = Math.max(1e-12, ...culprits.flatMap(({ contribution, usual }) => [contribution, usual ?? 0]));
  if (culprits.length === 0) return <p className="dim">{t('alerts.noContributors')}</p>;
  return (
    <table className="tbl culp" aria-label={t('alerts.contributors')}>
      <thead>
        <tr>
          <th scope="col">
            <span className="vh">{t('alerts.contributorDimension')}</span>
          </th>
          <th scope="col">
            <span className="vh">{t('alerts.contributorValue')}</span>
          </th>
          <th scope="col" className="n">
            {t(source === 'budget' ? 'alerts.inPeriod' : 'alerts.inWindow')}
          </th>
          <th scope="col" className="n">
            {t('alerts.usual')}
          </th>
          <th scope="col" className="c2" aria-hidden="true" />
        </tr>
      </thead>
      <tbody>
        {dimensions.map((dimension) => (
          <Fragment key={dimension}>
            {culprits
              .filter((culprit) => culprit.dimension === dimension)
              .map((culprit, at) => {
                const href = culprit.link === null ? null : hrefOf(culprit.link);
                const name = culprit.key === null ? <span className="unk">{t('common.noValue')}</span> : <Said text={culprit.key} />;
                return (
                  <tr key={culprit.key ?? ''}>
                    <td className="dim">
                      {at === 0 ? dimensionText(t, dimension) : <span className="vh">{dimensionText(t, dimension)}</span>}
                    </td>
                    <td className="grow">
                      {dimension === 'model' && <Swatch color={colorOf(culprit.key)} />} {href ? <a href={href}>{name}</a> : name}
                      {culprit.share !== null && culprit.share >= 0.01 && (
                        <span className="dim shr">
                          {' '}
                          {t(shareText(culprit, direction), { share: format.percentText(culprit.share) })}
                        </span>
                      )}
                      {culprits_since && culprit.since !== null && culprit.since > 0 && (
                        <span className="dim shr">
                          {' '}
                          {t('alerts.sinceStep', {
                            amount: figureText(format, culprit.since, culprit.unit, ''),
                            time: format.moment(culprits_since),
                          })}
                        </span>
                      )}
                    </td>
                    <td className="n">
                      <b>
                        <Num v={figure(format, culprit.contribution, culprit.unit)} />
                      </b>
                    </td>
                    <td className="n dim">
                      {culprit.usual !== null && <Num v={figure(format, culprit.usual, culprit.unit)} />}
                    </td>
                    <td className="cb c2" aria-hidden="true">
                      <span className="cbar">
                        <i
                          style={{
                            width: `${Math.max(0, culprit.contribution / largest) * 100}%`,
                            '--c': dimension === 'model' ? colorOf(culprit.key) : 'var(--plot)',
                          }}
                        />
                        {culprit.usual !== null && <u style={{ left: `${Math.max(0, culprit.usual / largest) * 100}%` }} />}
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
