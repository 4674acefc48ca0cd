import { useQuery } from '@tanstack/react-query';
import { deletionsQuery } from '../../api/queries';
import type { Receipt } from '../../api/types';
import { useT } from '../../i18n';
import { InlineCodeText } from '../../components/inline-code-text';
import { CopyIconButton } from '../../components/states';
import { Table, type Column } from '../../components/table';
import { Timestamp } from '../../components/values';
import { useLocale } from '../../locale';

/** Receipts of what was deleted before its time; nothing where nothing was. */
export function Deletions() {
  const t = useT();
  const { format } = useLocale();
  const { data } = useQuery(deletionsQuery);
  if (!data || data.deletions.length === 0) return null;
  const columns: Column<Receipt>[] = [
    { key: 'at', head: t('deletions.deletedAt'), cell: ({ at }) => <Timestamp at={at} /> },
    { key: 'what', head: t('deletions.what'), cell: ({ what }) => <b>{t(`deletions.${what}`)}</b> },
    { key: 'project', head: t('bar.project'), num: true, cell: ({ project }) => project || '–' },
    { key: 'spans', head: t('deletions.spans'), num: true, cell: ({ spans }) => format.count(spans) },
    {
      key: 'beside',
      head: t('deletions.otherRecords'),
      num: true,
      optional: true,
      cell: (row) => format.count(row.errors + row.scores + row.log_lines + row.series + row.incidents + row.mentions),
    },
    { key: 'files', head: t('deletions.files'), num: true, optional: true, cell: ({ files }) => format.count(files.length) },
    {
      key: 'subject',
      head: t('deletions.subject'),
      cell: ({ subject }) =>
        subject && (
          <span className="system-receipt">
            <code>{subject}</code>
            <CopyIconButton text={subject} />
          </span>
        ),
    },
  ];
  return (
    <section className="sheet pane system-outcomes system-deletions">
      <div className="section-head">
        <h2>{t('deletions.title')}</h2>
        <span className="section-note">
          <InlineCodeText text={t('deletions.why')} />
        </span>
      </div>
      <Table
        label={t('deletions.title')}
        columns={columns}
        rows={data.deletions}
        rowKey={({ at, what, subject }) => `${at} ${what} ${subject}`}
      />
    </section>
  );
}
