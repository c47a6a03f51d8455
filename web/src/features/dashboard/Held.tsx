import { useQuery } from '@tanstack/react-query';
import { Anchor, SquareTerminal } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { ReservationView } from '@/api/schema';
import { isCounting } from '@/features/reservations/state';
import { StateTone } from '@/features/reservations/words';
import { paths } from '@/lib/paths';
import { ButtonLink } from '@/ui/Button';
import { CodeLine } from '@/ui/CopyButton';
import { Countdown, Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Empty, Failure, Loading } from '@/ui/states';
import { held } from './queries';

/** What the person holds now, with the way in and the time that is left. */
export function Held() {
  const { t } = useTranslation('dashboard');
  const { data, error, refetch } = useQuery(held);
  return (
    <Panel title={t('held')} actions={data && <Link to={paths.reservations}>{t('allMine')}</Link>} flush>
      {error && !data ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Loading />
      ) : data.items.length === 0 ? (
        <Empty
          title={t('heldNone')}
          icon={<Anchor size={32} aria-hidden="true" />}
          action={
            <ButtonLink to={paths.newReservation} look="primary">
              {t('reserve')}
            </ButtonLink>
          }
        >
          {t('heldNoneText')}
        </Empty>
      ) : (
        <ul className="list-unstyled mb-0">
          {data.items.map((reservation) => (
            <HeldOne key={reservation.id} reservation={reservation} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function HeldOne({ reservation }: { reservation: ReservationView }) {
  const { t } = useTranslation('dashboard');
  const places = reservation.machines.filter((place) => place.ssh);
  return (
    <li className="border-top px-4 py-3">
      <div className="d-flex flex-wrap align-items-baseline gap-2 column-gap-3">
        <Link to={paths.reservation(reservation.id)} className="fw-bold">
          {t('machines', { count: reservation.count })}
        </Link>
        <StateTone state={reservation.state} />
        <span className="text-body-secondary text-truncate">
          {reservation.machines.map((place) => place.machine).join(', ')}
        </span>
        <span className="ms-auto text-end">
          {isCounting(reservation) ? (
            <>
              <span className="fs-6 fw-bold">
                <Countdown until={reservation.expires_at} ended={t('ending')} />
              </span>{' '}
              <span className="small text-body-secondary">
                <Moment at={reservation.expires_at} as="absolute" />
              </span>
            </>
          ) : (
            reservation.reason && <span className="small text-body-secondary">{reservation.reason}</span>
          )}
        </span>
      </div>
      {reservation.state === 'active' &&
        places.slice(0, 4).map((place) => (
          <div key={place.machine} className="d-flex gap-2 mt-2 align-items-center">
            <div className="flex-grow-1" style={{ minWidth: 0 }}>
              <CodeLine text={place.ssh ?? ''} />
            </div>
            <Link
              to={paths.terminal(reservation.id, place.machine)}
              className="btn btn-outline-secondary d-inline-flex align-items-center gap-2"
              aria-label={t('terminalOn', { machine: place.machine })}
              title={t('terminalOn', { machine: place.machine })}
            >
              <SquareTerminal size={16} aria-hidden="true" />
            </Link>
          </div>
        ))}
      {places.length > 4 && (
        <Link to={paths.reservation(reservation.id)} className="small d-inline-block mt-2">
          {t('moreMachines', { count: places.length - 4 })}
        </Link>
      )}
    </li>
  );
}
