import { useTranslation } from 'react-i18next';
import { me, useMe } from '@/api/session';
import { Attention } from '@/features/dashboard/Attention';
import { Held } from '@/features/dashboard/Held';
import { LatestRuns } from '@/features/dashboard/LatestRuns';
import { PoolSummary } from '@/features/dashboard/PoolSummary';
import { askAhead } from '@/features/dashboard/queries';
import { Page } from '@/ui/Page';

/** The router asks for what the page shows while it makes the frame. */
export function ahead() {
  return askAhead(me().isAdmin);
}

export default function HomePage() {
  const { t } = useTranslation('shell');
  const { isAdmin } = useMe();
  return (
    <Page title={t('home')}>
      <div className="row g-4">
        <div className="col-xl-8 d-grid gap-4 align-content-start">
          <Held />
          {isAdmin && <Attention />}
        </div>
        <div className="col-xl-4 d-grid gap-4 align-content-start">
          <PoolSummary />
          <LatestRuns />
        </div>
      </div>
    </Page>
  );
}
