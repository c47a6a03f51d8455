import { CalendarPlus, LayoutGrid } from 'lucide-react';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { useMe } from '@/api/session';
import type { MachineView, State } from '@/api/schema';
import { facetsOf } from '@/features/machines/filter';
import { LabelTable } from '@/features/machines/LabelTable';
import { Legend } from '@/features/machines/Legend';
import { groupingOf, groupingText, groupsOf } from '@/features/machines/map';
import { usePool } from '@/features/machines/pool';
import { PoolMap } from '@/features/machines/PoolMap';
import { PoolProgress } from '@/features/machines/PoolProgress';
import { STATES } from '@/features/machines/state';
import { paths } from '@/lib/paths';
import { ButtonLink } from '@/ui/Button';
import { Page } from '@/ui/Page';
import { Empty, Failure, Loading } from '@/ui/states';
import { Tabs, useTab } from '@/ui/Tabs';

export default function AvailablePage() {
  const { t } = useTranslation(['available', 'machines']);
  const { isAdmin } = useMe();
  const pool = usePool();
  const { machines } = pool;
  const tabs = [
    { key: 'map', text: t('map') },
    { key: 'table', text: t('table') },
  ];
  const tab = useTab(tabs, 'view');
  const free = useMemo(() => machines?.filter(({ state }) => state === 'ready').length ?? 0, [machines]);
  return (
    <Page
      title={t('title')}
      lead={machines && !pool.isPartial ? t('lead', { free, total: machines.length }) : ' '}
      actions={
        <ButtonLink
          to={paths.newReservation}
          look="primary"
          icon={<CalendarPlus size={16} aria-hidden="true" />}
        >
          {t('reserve')}
        </ButtonLink>
      }
    >
      {!machines ? (
        <div className="card">
          {pool.error ? <Failure error={pool.error} retry={pool.retry} /> : <Loading lines={8} />}
        </div>
      ) : machines.length === 0 ? (
        <div className="card">
          <Empty
            title={t('empty')}
            icon={<LayoutGrid size={32} aria-hidden="true" />}
            action={
              isAdmin && (
                <ButtonLink to={paths.newMachine} look="primary">
                  {t('machines:register')}
                </ButtonLink>
              )
            }
          >
            {t('emptyText')}
          </Empty>
        </div>
      ) : (
        <>
          <Tabs tabs={tabs} label={t('views')} name="view" />
          <PoolProgress pool={pool} />
          {tab === 'table' ? <LabelTable machines={machines} /> : <MapView machines={machines} />}
        </>
      )}
    </Page>
  );
}

function MapView({ machines }: { machines: MachineView[] }) {
  const { t } = useTranslation('available');
  const [query, setQuery] = useSearchParams();
  const asked = query.get('group');
  const grouping = useMemo(() => groupingOf(asked), [asked]);
  const states = query.getAll('state').filter((state): state is State => STATES.includes(state as State));
  const wanted = states.join(' ');
  const facets = useMemo(() => facetsOf(machines), [machines]);
  const names = useMemo(
    () => [...new Set([...facets.labels.keys()].map((label) => label.slice(0, label.indexOf('='))))],
    [facets],
  );
  const groups = useMemo(() => {
    const only = wanted ? new Set(wanted.split(' ')) : null;
    return groupsOf(only ? machines.filter(({ state }) => only.has(state)) : machines, grouping);
  }, [machines, grouping, wanted]);
  const change = (name: string, values: string[]) => {
    const next = new URLSearchParams(query);
    next.delete(name);
    for (const value of values) next.append(name, value);
    // At once: a choice must not fall back until the address has changed.
    setQuery(next, { replace: true, flushSync: true });
  };
  return (
    <>
      <div className="d-flex flex-wrap gap-3 align-items-center mb-3">
        <label className="d-flex align-items-center gap-2">
          <span className="text-body-secondary text-nowrap">{t('group')}</span>
          <select
            className="form-select"
            value={groupingText(grouping)}
            onChange={(event) => change('group', [event.target.value])}
          >
            <option value="pool">{t('byPool')}</option>
            {names.map((name) => (
              <option key={name} value={`label:${name}`}>
                {t('byLabel', { name })}
              </option>
            ))}
            <option value="nothing">{t('byNothing')}</option>
          </select>
        </label>
        <Legend counts={facets.states} picked={states} pick={(picked) => change('state', picked)} />
      </div>
      {groups.length === 0 ? (
        <div className="card">
          <Empty title={t('nothing')} />
        </div>
      ) : (
        <PoolMap groups={groups} grouping={grouping} />
      )}
    </>
  );
}
