import { useTranslation } from 'react-i18next';
import { isRouteErrorResponse, useRouteError } from 'react-router';
import { paths } from '@/lib/paths';
import { Button, ButtonLink } from '@/ui/Button';
import { Page } from '@/ui/Page';
import { Empty } from '@/ui/states';

/** A page that failed while it was drawn, or that could not be loaded. */
export function Crash() {
  const { t } = useTranslation('shell');
  const error = useRouteError();
  if (isRouteErrorResponse(error) && error.status === 404) return <Nowhere />;
  // After an update of the server the page's parts have other names.
  const isOld = error instanceof TypeError && /import|module/i.test(error.message);
  return (
    <main className="container py-5" role="alert">
      <Empty
        title={isOld ? t('updated') : t('crashed')}
        action={
          <Button look="primary" onClick={() => location.reload()}>
            {t('reload')}
          </Button>
        }
      >
        {!isOld && t('crashedText')}
      </Empty>
    </main>
  );
}

/** An address that is no page's. */
export function Nowhere() {
  const { t } = useTranslation('shell');
  return (
    <Page title={t('notFound')} lead={t('notFoundText')}>
      <ButtonLink to={paths.home} look="primary">
        {t('toHome')}
      </ButtonLink>
    </Page>
  );
}
