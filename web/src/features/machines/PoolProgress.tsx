import { useTranslation } from 'react-i18next';
import { Button } from '@/ui/Button';
import { sentence } from '@/ui/states';
import type { usePool } from './pool';

/** Says when the machines are not all there yet, or could not all be had. */
export function PoolProgress({ pool }: { pool: ReturnType<typeof usePool> }) {
  const { t } = useTranslation(['machines', 'common']);
  if (pool.error && pool.machines) {
    return (
      <div className="alert alert-warning py-2 d-flex flex-wrap gap-2 align-items-center" role="alert">
        <span className="me-auto">
          {t('partlyFailed')} {sentence(pool.error.message)}
        </span>
        <Button small onClick={pool.retry}>
          {t('common:tryAgain')}
        </Button>
      </div>
    );
  }
  if (!pool.isPartial || !pool.machines) return null;
  return (
    <p className="small text-body-secondary mb-2 numbers" role="status">
      <span className="spinner-border spinner-border-sm me-2" aria-hidden="true" />
      {t('partly', { count: pool.loaded })}
    </p>
  );
}
