import { Link } from '@tanstack/react-router';
import { useT } from '../../i18n';
import { useProject } from '../../project';

const activeLink = { className: 'is-selected', 'aria-current': 'page' as const };

/** The pages of quality, one line below the bar. */
export function QualityNav() {
  const t = useT();
  const params = { project: String(useProject().id) };
  return (
    <nav className="page-nav" aria-label={t('findings.pages')}>
      <Link to="/p/$project/quality" params={params} activeOptions={{ exact: true, includeSearch: false }} activeProps={activeLink}>
        {t('findings.scores')}
      </Link>
      <Link to="/p/$project/quality/findings" params={params} activeOptions={{ includeSearch: false }} activeProps={activeLink}>
        {t('findings.title')}
      </Link>
      <Link to="/p/$project/quality/evaluators" params={params} activeOptions={{ includeSearch: false }} activeProps={activeLink}>
        {t('evaluators.title')}
      </Link>
    </nav>
  );
}
