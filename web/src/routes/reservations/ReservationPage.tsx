import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useParams } from 'react-router';
import type { ReservationView } from '@/api/schema';
import { useMe } from '@/api/session';
import { byName } from '@/features/provisioning/grid';
import { RunLog } from '@/features/provisioning/RunLog';
import { useRun, useRuns } from '@/features/provisioning/queries';
import { AccessCard } from '@/features/reservations/AccessCard';
import { Chips } from '@/features/reservations/Chips';
import { ExtendDialog } from '@/features/reservations/ExtendDialog';
import { History } from '@/features/reservations/History';
import { Progress } from '@/features/reservations/Progress';
import { TimePanel } from '@/features/reservations/TimePanel';
import { Waiting } from '@/features/reservations/Waiting';
import { release, usePools, useReservation } from '@/features/reservations/queries';
import {
  isEnding,
  isLater,
  isMoving,
  isOver,
  stateOf,
  whyNotExtend,
  whyNotRelease,
} from '@/features/reservations/state';
import { StateTone, useName } from '@/features/reservations/words';
import { paths } from '@/lib/paths';
import { now } from '@/lib/time';
import { Button, ButtonLink } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { Page } from '@/ui/Page';
import { Failure, Loading, sentence } from '@/ui/states';
import { say } from '@/ui/toasts';

export default function ReservationPage() {
  const { t } = useTranslation('reservations');
  const { id = '' } = useParams();
  const { data, error, refetch } = useReservation(id);
  if (data) return <Shown key={id} reservation={data} />;
  return (
    <Page title={t('one')} above={<Link to={paths.reservations}>{t('title')}</Link>}>
      {error ? <Failure error={error} retry={() => void refetch()} /> : <Loading lines={8} />}
    </Page>
  );
}

function again(reservation: ReservationView): string {
  const query = new URLSearchParams({
    pool: reservation.pool,
    count: String(reservation.count),
    duration: `${reservation.duration_minutes}m`,
  });
  for (const [key, value] of Object.entries(reservation.labels)) query.append('label', `${key}=${value}`);
  return `${paths.newReservation}?${query}`;
}

function Shown({ reservation }: { reservation: ReservationView }) {
  const { t } = useTranslation('reservations');
  const me = useMe();
  const name = useName()(reservation);
  const pools = usePools();
  const pool = pools.data?.find((one) => one.name === reservation.pool);
  const [asking, setAsking] = useState<'extend' | 'release' | null>(null);
  const { state } = reservation;
  const isOwner = reservation.owner === me.username;
  const noExtending = whyNotExtend(reservation, pool, now());
  const noRelease = whyNotRelease(reservation);
  return (
    <Page
      title={
        <span className="d-inline-flex flex-wrap align-items-baseline column-gap-3">
          {name}
          <span className="fs-3 fw-normal" data-testid="state">
            <StateTone state={state} />
          </span>
        </span>
      }
      tab={name}
      lead={
        <>
          {t(`words.${isLater(reservation, now()) ? 'later' : stateOf(state)}`, { count: reservation.count })}
          {isEnding(state) && reservation.reason && <> {sentence(reservation.reason)}</>}
        </>
      }
      above={<Link to={paths.reservations}>{t('title')}</Link>}
      actions={
        <>
          {isEnding(state) ? (
            <ButtonLink to={again(reservation)} look={isOver(state) ? 'primary' : 'outline-secondary'}>
              {t('again')}
            </ButtonLink>
          ) : (
            <Button
              look="primary"
              refused={noExtending && t(noExtending)}
              onClick={() => setAsking('extend')}
            >
              {t('extend.open')}
            </Button>
          )}
          {!isOver(state) && (
            <Button
              look="outline-danger"
              refused={noRelease && t(noRelease)}
              onClick={() => setAsking('release')}
            >
              {t(state === 'queued' ? 'release.leave' : 'release.action')}
            </Button>
          )}
        </>
      }
    >
      <div className="row g-4">
        <div className="col-lg-8 d-grid gap-4 align-content-start grid-content">
          {isMoving(state) && <Progress reservation={reservation} />}
          {state === 'queued' && <Waiting reservation={reservation} />}
          {!isEnding(state) && <AccessCard reservation={reservation} isOwner={isOwner} />}
          {reservation.runs.length > 0 && <Logs reservation={reservation} />}
        </div>
        <div className="col-lg-4 d-grid gap-4 align-content-start grid-content">
          <TimePanel reservation={reservation} pool={pool} />
          <History id={reservation.id} />
        </div>
      </div>
      {asking === 'extend' && (
        <ExtendDialog reservation={reservation} pool={pool} close={() => setAsking(null)} />
      )}
      {asking === 'release' && (
        <Confirm
          title={t(state === 'queued' ? 'release.leaveTitle' : 'release.title', { name })}
          action={t(state === 'queued' ? 'release.leave' : 'release.action')}
          act={async () => {
            await release(reservation.id);
            say(t(state === 'queued' ? 'release.left' : 'release.done'));
          }}
          close={() => setAsking(null)}
        >
          <p className="mb-0">{t(state === 'queued' ? 'release.leaveText' : 'release.text')}</p>
        </Confirm>
      )}
    </Page>
  );
}

/** The logs of what was done, the latest first; each run is one. */
function Logs({ reservation }: { reservation: ReservationView }) {
  const { t } = useTranslation(['reservations', 'runs']);
  const [chosen, setChosen] = useState<string | null>(null);
  const { items } = useRuns({ reservation: reservation.id });
  const latest = reservation.runs.at(-1);
  const id = chosen ?? latest;
  const { data: run, error, refetch } = useRun(id);
  return (
    <div className="d-grid gap-3 grid-content run-log-short">
      {items && items.length > 1 && (
        <Chips
          label={t('runsOf')}
          options={[...items].reverse().map((one) => ({
            value: one.id,
            text: `${t(`runs:kind.${one.kind}`)} · ${[...one.machines].sort(byName).slice(0, 2).join(', ')}${one.machines.length > 2 ? ' …' : ''}`,
          }))}
          value={id ?? null}
          onChoose={(value) => setChosen(value === latest ? null : value)}
        />
      )}
      {error && !run ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : !run ? (
        <Loading lines={3} />
      ) : (
        <RunLog
          key={run.id}
          run={run}
          title={t(`runs:kind.${run.kind}`)}
          actions={
            <Link to={paths.run(run.id)} className="small">
              {t('wholeRun')}
            </Link>
          }
        />
      )}
    </div>
  );
}
