import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { paths } from '@/lib/paths';
import { Panel } from '@/ui/Page';
import { Empty, Failure, Loading } from '@/ui/states';
import { ButtonLink } from '@/ui/Button';
import { useMe } from '@/api/session';
import { pool } from './queries';
import { shares } from './shares';

/** How the pool stands: one bar, and the numbers. */
export function PoolSummary() {
  const { t } = useTranslation('dashboard');
  const me = useMe();
  const { data, error, refetch } = useQuery(pool);
  const parts = data ? shares(data.counts) : [];
  const total = parts.reduce((sum, part) => sum + part.count, 0);
  return (
    <Panel title={t('pool')} actions={<Link to={paths.available}>{t('seeAll')}</Link>}>
      {error && !data ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Loading />
      ) : total === 0 ? (
        <Empty
          title={t('poolNone')}
          action={
            me.isAdmin && (
              <ButtonLink to={paths.importMachines} look="primary">
                {t('import')}
              </ButtonLink>
            )
          }
        >
          {t(me.isAdmin ? 'poolNoneAdmin' : 'poolNoneText')}
        </Empty>
      ) : (
        <>
          <p className="mb-3">
            <span className="stat d-inline-flex">
              <strong>{data.available.length}</strong>
            </span>{' '}
            <span className="text-body-secondary">{t('freeOf', { count: total })}</span>
          </p>
          <div className="pool-bar mb-3" aria-hidden="true">
            {parts.map((part) => (
              <span key={part.name} className={`tone-${part.tone}`} style={{ flexGrow: part.count }} />
            ))}
          </div>
          <ul className="list-unstyled mb-0 d-grid gap-1">
            {parts.map((part) => (
              <li key={part.name} className="d-flex">
                <span className={`tone tone-${part.tone}`}>{t(`share.${part.name}`)}</span>
                <span className="ms-auto numbers">{part.count}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}
