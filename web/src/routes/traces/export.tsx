import { addressOf } from '../../api/client';
import type { Scope } from '../../api/queries';
import { useT } from '../../i18n';
import { Icon } from '../../components/icons';
import { MenuLink, Menu } from '../../components/menu';
import type { RowKind } from './list-pages';

const FORMATS = [
  ['parquet', 'Parquet'],
  ['jsonl', 'JSON Lines'],
  ['csv', 'CSV'],
] as const;

/** Downloads the spans of what is listed; at the head of the list, whose end moves away while it is read. */
export function ExportMenu({ project, of, scope }: { project: number; of: RowKind; scope: Scope }) {
  const t = useT();
  return (
    <Menu
      label={t('traces.exportWhy')}
      align="end"
      trigger={
        <button type="button" className="button" title={t('traces.exportWhy')}>
          {t('traces.export')}
          <Icon name="down" size="small" />
        </button>
      }
    >
      {FORMATS.map(([format, label]) => (
        <MenuLink
          key={format}
          download
          href={addressOf(
            '/api/v1/projects/{project}/export',
            { project },
            { ...scope, select: scope.q && of === 'traces' ? of : undefined, format },
          )}
        >
          {label}
        </MenuLink>
      ))}
    </Menu>
  );
}
