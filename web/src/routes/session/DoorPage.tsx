import { useEffect, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { paths } from '@/lib/paths';
import { Button, ButtonLink } from '@/ui/Button';

/** The pages before the sign-in: a card in the middle. */
export function DoorPage({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Berth`;
  }, [title]);
  return (
    <main
      className="d-flex justify-content-center align-items-start px-3"
      style={{ paddingTop: 'min(14vh, 8rem)' }}
    >
      <div style={{ width: '100%', maxWidth: '24rem' }}>
        <div className="d-flex align-items-center justify-content-center gap-2 mb-4 brand">
          <img src="/favicon.svg" width={36} height={36} alt="" />
          Berth
        </div>
        <div className="card">
          <div className="card-body p-4">
            <h1 className="h2 mb-3">{title}</h1>
            {children}
          </div>
        </div>
      </div>
    </main>
  );
}

/** The way on, once there is nothing to do here. */
export function ToLogin() {
  const { t } = useTranslation('session');
  return (
    <div className="d-grid">
      <ButtonLink to={paths.login} look="primary">
        {t('toSignIn')}
      </ButtonLink>
    </div>
  );
}

/** The button of such a page; after too many tries it counts the seconds until the next. */
export function DoorButton({
  busy,
  wait,
  refused,
  children,
}: {
  busy: boolean;
  wait: number;
  refused?: string | null;
  children: ReactNode;
}) {
  const { t } = useTranslation('session');
  return (
    <div className="d-grid">
      <Button
        type="submit"
        look="primary"
        busy={busy}
        refused={wait > 0 ? t('waitFirst', { count: wait }) : refused}
      >
        {wait > 0 ? t('wait', { count: wait }) : children}
      </Button>
    </div>
  );
}
