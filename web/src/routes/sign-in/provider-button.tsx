import { providerAddress } from '../../api/session-renewal';
import { useT } from '../../i18n';

/** Leads to the identity provider, and from there to a path. */
export function ProviderButton({ label, path }: { label: string; path: string }) {
  const t = useT();
  return (
    <p className="sign-in-provider">
      <a className="button button-primary" href={providerAddress(path)}>
        {label || t('provider.submit')}
      </a>
    </p>
  );
}
