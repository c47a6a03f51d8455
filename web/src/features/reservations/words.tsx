import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { PlaceView, ReservationView } from '@/api/schema';
import { byName } from '@/features/provisioning/grid';
import { paths } from '@/lib/paths';
import { Countdown, Moment } from '@/ui/Moment';
import { Tone } from '@/ui/Tone';
import { isMoving, isOver, stateOf, stateTone } from './state';

/** The end of an id, which tells reservations apart; `berth` takes it, too. */
export function shortId(id: string): string {
  return id.slice(-6);
}

export function StateTone({ state }: { state: string }) {
  const { t } = useTranslation('reservations');
  return (
    <Tone tone={stateTone(state)} moving={isMoving(state)}>
      {t(`state.${stateOf(state)}`)}
    </Tone>
  );
}

/** Its machines by name. */
export function placesOf(reservation: ReservationView): PlaceView[] {
  return [...reservation.machines].sort((a, b) => byName(a.machine, b.machine));
}

/** The machines of a reservation, or how many it waits for. */
export function useName(): (reservation: ReservationView) => string {
  const { t } = useTranslation('reservations');
  return (reservation) => {
    const names = placesOf(reservation).map((place) => place.machine);
    if (names.length === 0) return t('machines', { count: reservation.count });
    const shown = names.slice(0, 2).join(', ');
    return names.length > 2 ? t('namesAndMore', { names: shown, count: names.length - 2 }) : shown;
  };
}

export function ReservationLink({ reservation }: { reservation: ReservationView }) {
  const name = useName();
  return (
    <Link to={paths.reservation(reservation.id)} className="fw-semibold text-decoration-none">
      {name(reservation)}
    </Link>
  );
}

/** When a reservation ends, ended or begins: what matters in its state. */
export function WhenCell({ reservation }: { reservation: ReservationView }) {
  const { t } = useTranslation('reservations');
  const { state, starts_at, expires_at, closed_at } = reservation;
  if (state === 'active') {
    return (
      <span className="d-inline-flex gap-2">
        <Countdown until={expires_at} ended={t('ending')} />
        <span className="text-body-secondary d-none d-sm-inline">
          <Moment at={expires_at} as="absolute" />
        </span>
      </span>
    );
  }
  if (isOver(state)) {
    return (
      <span className="text-body-secondary">
        {closed_at ? t('short.ended') : t('short.began')} <Moment at={closed_at ?? starts_at} as="relative" />
      </span>
    );
  }
  if (state === 'queued' && starts_at !== reservation.created_at) return <Moment at={starts_at} />;
  return <span className="text-body-secondary">{t(`short.${stateOf(state)}`)}</span>;
}
