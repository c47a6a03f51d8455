import { useTranslation } from 'react-i18next';
import type { ReservationView } from '@/api/schema';
import { useNow } from '@/lib/time';
import { Countdown, Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Tone } from '@/ui/Tone';
import { useFree } from './queries';
import { isLater } from './state';

/** What a reservation in line waits for. */
export function Waiting({ reservation }: { reservation: ReservationView }) {
  const { t } = useTranslation('reservations');
  const now = useNow();
  const { data: free } = useFree(reservation.pool, reservation.labels);
  const ready = free?.available.length ?? 0;
  const later = isLater(reservation, now);
  return (
    <Panel title={t(later ? 'waiting.later' : 'waiting.title')}>
      {later && (
        <p className="time-left mb-3">
          <Countdown until={reservation.starts_at} />
        </p>
      )}
      <dl className="facts">
        {later && (
          <>
            <dt>{t('time.begins')}</dt>
            <dd>
              <Moment at={reservation.starts_at} />
            </dd>
          </>
        )}
        <dt>{t('waiting.wanted')}</dt>
        <dd>{t('machines', { count: reservation.count })}</dd>
        <dt>{t('summary.free')}</dt>
        <dd>
          {free ? (
            <Tone tone={reservation.count <= ready ? 'good' : 'busy'}>
              {t('summary.freeOf', {
                free: ready,
                all: Object.values(free.counts).reduce((sum, one) => sum + one, 0),
              })}
            </Tone>
          ) : (
            '…'
          )}
        </dd>
      </dl>
      <p className="small text-body-secondary border-top pt-3 mt-3 mb-0">
        {t(later ? 'waiting.laterText' : 'waiting.text')}
      </p>
    </Panel>
  );
}
