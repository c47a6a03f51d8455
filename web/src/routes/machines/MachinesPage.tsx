import { FileInput, Plus, Server } from 'lucide-react';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { useMe } from '@/api/session';
import {
  facetsOf,
  filtered,
  filterOf,
  isFiltered,
  queryOf,
  type MachineFilter,
} from '@/features/machines/filter';
import { FilterBar } from '@/features/machines/FilterBar';
import { MachinesTable } from '@/features/machines/MachinesTable';
import { usePool } from '@/features/machines/pool';
import { PoolProgress } from '@/features/machines/PoolProgress';
import { paths } from '@/lib/paths';
import { ButtonLink } from '@/ui/Button';
import { Page } from '@/ui/Page';
import { Empty } from '@/ui/states';

const NONE: never[] = [];

export default function MachinesPage() {
  const { t } = useTranslation('machines');
  const { isAdmin } = useMe();
  const [query, setQuery] = useSearchParams();
  const pool = usePool();
  const filter = useMemo(() => filterOf(query), [query]);
  const machines = pool.machines;
  const facets = useMemo(() => facetsOf(machines ?? NONE), [machines]);
  const shown = useMemo(() => machines && filtered(machines, filter), [machines, filter]);
  // At once: a tick must not fall back until the address has changed.
  const change = (next: MachineFilter) => setQuery(queryOf(next, query), { replace: true, flushSync: true });
  const actions = isAdmin && (
    <>
      <ButtonLink to={paths.importMachines} icon={<FileInput size={16} aria-hidden="true" />}>
        {t('import')}
      </ButtonLink>
      <ButtonLink to={paths.newMachine} look="primary" icon={<Plus size={16} aria-hidden="true" />}>
        {t('register')}
      </ButtonLink>
    </>
  );
  const count = pool.loaded;
  const lead =
    !shown || pool.isPartial
      ? ' '
      : isFiltered(filter)
        ? t('leadSome', { shown: shown.length, count })
        : t('lead', { count });
  if (machines?.length === 0) {
    return (
      <Page title={t('title')}>
        <div className="card">
          <Empty
            title={t('noMachines')}
            icon={<Server size={32} aria-hidden="true" />}
            action={<div className="d-flex gap-2 justify-content-center">{actions}</div>}
          >
            {t(isAdmin ? 'noMachinesText' : 'noMachinesMember')}
          </Empty>
        </div>
      </Page>
    );
  }
  return (
    <Page title={t('title')} lead={<span aria-live="polite">{lead}</span>} actions={actions}>
      {machines && <FilterBar filter={filter} change={change} facets={facets} isAdmin={isAdmin} />}
      <PoolProgress pool={pool} />
      <MachinesTable
        machines={shown}
        error={pool.error}
        retry={pool.retry}
        empty={
          <div className="card">
            <Empty
              title={t('nothingFound')}
              action={<ButtonLink to={paths.machines}>{t('clearFilter')}</ButtonLink>}
            >
              {t('nothingFoundText')}
            </Empty>
          </div>
        }
      />
    </Page>
  );
}
