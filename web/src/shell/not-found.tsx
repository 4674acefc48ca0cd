import { Link, useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { useT } from '../i18n';
import { Empty, ErrorPart } from '../parts/states';

export function NotFound() {
  const t = useT();
  return (
    <Empty
      title={t('common.notFound')}
      action={
        <Link className="btn" to="/">
          {t('common.home')}
        </Link>
      }
    >
      {t('common.notFoundWhy')}
    </Empty>
  );
}

/** A page that broke: said in place, with a way to try again. */
export function Crash({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <div className="pane">
      <ErrorPart error={error} onRetry={retry} />
    </div>
  );
}
