import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useId, useRef, type FormEvent } from 'react';
import { auditFileAddress, type AuditFilter } from '../../api/audit';
import { accountsQuery } from '../../api/people';
import { Icon } from '../../components/icons';
import { Menu, MenuLink } from '../../components/menu';
import { useT } from '../../i18n';
import { useKeyboardShortcuts } from '../../keyboard';
import { useMe } from '../../project';
import { ACTION_AREAS } from './action-words';

/** Narrows the list to an actor, to actions and to a project. The bar above has the period. */
export function AuditFilters({ filter }: { filter: AuditFilter }) {
  const t = useT();
  const { projects } = useMe();
  const navigate = useNavigate();
  const { data } = useQuery(accountsQuery);
  const choose = (patch: { action?: string | undefined; account?: string | undefined; project?: string | undefined }) =>
    void navigate({ to: '.', search: (was) => ({ ...was, ...patch }) });
  return (
    <div className="audit-filters">
      <label>
        <span>{t('audit.actor')}</span>
        <select className="field" value={filter.account ?? ''} onChange={(event) => choose({ account: event.target.value || undefined })}>
          <option value="">{t('audit.everybody')}</option>
          {data?.accounts.map(({ id, name, email }) => (
            <option key={id} value={id}>
              {email ?? name}
            </option>
          ))}
        </select>
      </label>
      {/* Another filter is another field: what was typed for one is not left in it. */}
      <ActionField key={filter.action ?? ''} action={filter.action ?? ''} onChange={(action) => choose({ action: action || undefined })} />
      <label>
        <span>{t('bar.project')}</span>
        <select className="field" value={filter.project ?? ''} onChange={(event) => choose({ project: event.target.value || undefined })}>
          <option value="">{t('audit.everywhere')}</option>
          {projects.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

/** An action, or the words with which actions begin; applied with Enter, or when the field is left. */
function ActionField({ action, onChange }: { action: string; onChange: (action: string) => void }) {
  const t = useT();
  const suggestions = useId();
  const input = useRef<HTMLInputElement>(null);
  useKeyboardShortcuts({ '/': () => input.current?.focus() });
  const apply = () => {
    const typed = input.current?.value.trim() ?? '';
    if (typed !== action) onChange(typed);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    apply();
  };
  return (
    <form role="search" onSubmit={submit}>
      <label>
        <span>{t('audit.action')}</span>
        <input
          ref={input}
          className="field"
          type="search"
          defaultValue={action}
          maxLength={200}
          list={suggestions}
          placeholder="keys.create"
          onBlur={apply}
        />
      </label>
      <datalist id={suggestions}>
        {ACTION_AREAS.map((area) => (
          <option key={area} value={area}>
            {area}
          </option>
        ))}
      </datalist>
    </form>
  );
}

/** Downloads all entries that the filter selects. */
export function ExportMenu({ filter }: { filter: AuditFilter }) {
  const t = useT();
  return (
    <Menu
      label={t('audit.exportWhy')}
      align="end"
      trigger={
        <button type="button" className="button" title={t('audit.exportWhy')}>
          {t('audit.export')}
          <Icon name="down" size="small" />
        </button>
      }
    >
      <MenuLink download href={auditFileAddress(filter, 'csv')}>
        CSV
      </MenuLink>
      <MenuLink download href={auditFileAddress(filter, 'jsonl')}>
        JSON Lines
      </MenuLink>
    </Menu>
  );
}
