import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import type { ReleaseAllView } from '@/api/schema';
import { useMe } from '@/api/session';
import { Chips } from '@/features/reservations/Chips';
import { ReleaseAllButton, ReleaseAllResult } from '@/features/reservations/ReleaseAll';
import { ReservationTable } from '@/features/reservations/ReservationTable';
import { useReservations, type Stage } from '@/features/reservations/queries';
import { isEnding } from '@/features/reservations/state';
import { paths } from '@/lib/paths';
import { ButtonLink } from '@/ui/Button';
import { Page } from '@/ui/Page';
import { Empty } from '@/ui/states';
import { Tabs, useTab } from '@/ui/Tabs';

const STAGES = ['live', 'ended', 'any'] as const;

export default function ReservationsPage() {
  const { t } = useTranslation('reservations');
  const me = useMe();
  const [query, setQuery] = useSearchParams();
  const [result, setResult] = useState<ReleaseAllView | null>(null);
  const tabs = [
    { key: 'mine', text: t('list.mine') },
    { key: 'all', text: t('list.all') },
  ];
  const tab = useTab(tabs, 'whose');
  const whose = me.isAdmin && tab === 'all' ? 'all' : 'mine';
  const stage: Stage = STAGES.find((one) => one === query.get('state')) ?? 'live';
  const list = useReservations(whose, stage);
  const choose = (to: Stage) => {
    const next = new URLSearchParams(query);
    if (to === 'live') next.delete('state');
    else next.set('state', to);
    setQuery(next, { replace: true });
  };
  const nothing = list.items?.every((reservation) => isEnding(reservation.state)) && stage === 'live';
  return (
    <Page
      title={t('title')}
      lead={t('list.lead')}
      actions={
        <>
          {whose === 'all' && (
            <ReleaseAllButton refused={nothing ? t('releaseAll.nothing') : null} onDone={setResult} />
          )}
          <ButtonLink to={paths.newReservation} look="primary">
            {t('form.title')}
          </ButtonLink>
        </>
      }
    >
      {me.isAdmin && <Tabs tabs={tabs} label={t('list.whose')} name="whose" />}
      <div className="mb-3">
        <Chips
          label={t('list.filter')}
          options={STAGES.map((value) => ({ value, text: t(`list.${value}`) }))}
          value={stage}
          onChoose={choose}
        />
      </div>
      {result && <ReleaseAllResult result={result} close={() => setResult(null)} />}
      <ReservationTable
        rows={list.items}
        owners={whose === 'all'}
        error={list.error}
        retry={() => void list.refetch()}
        more={list.hasNextPage && !list.isFetchingNextPage ? () => void list.fetchNextPage() : null}
        empty={
          <Empty
            title={t(stage === 'ended' ? 'list.noneEnded' : 'list.none')}
            action={
              stage !== 'ended' && (
                <ButtonLink to={paths.newReservation} look="primary">
                  {t('form.title')}
                </ButtonLink>
              )
            }
          >
            {t(stage === 'ended' ? 'list.noneEndedText' : 'list.noneText')}
          </Empty>
        }
      />
    </Page>
  );
}
