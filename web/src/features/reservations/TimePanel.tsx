import { useTranslation } from 'react-i18next';
import type { PoolView, ReservationView } from '@/api/schema';
import { spanText } from '@/lib/span';
import { Countdown, Moment } from '@/ui/Moment';
import { Panel } from '@/ui/Page';
import { Labels } from '@/ui/Tone';
import { fileName } from './BookingSummary';
import { isEnding, stateOf } from './state';

/** How long it lasts, and what then. */
export function TimePanel({
  reservation,
  pool,
}: {
  reservation: ReservationView;
  pool: PoolView | undefined;
}) {
  const { t, i18n } = useTranslation('reservations');
  const { state } = reservation;
  const isActive = state === 'active';
  return (
    <Panel title={isActive ? t('time.left') : t('time.title')}>
      {isActive && (
        <p className="time-left mb-3" data-testid="time-left">
          <Countdown until={reservation.expires_at} ended={t('ending')} />
        </p>
      )}
      <dl className="facts">
        <dt>{t(isActive || isEnding(state) ? 'time.began' : 'time.begins')}</dt>
        <dd>
          <Moment at={reservation.starts_at} as="absolute" />
        </dd>
        <dt>{t(isActive ? 'time.ends' : isEnding(state) ? 'time.wasToEnd' : 'time.endsAbout')}</dt>
        <dd>
          <Moment at={reservation.expires_at} as="absolute" />
        </dd>
        <dt>{t('time.booked')}</dt>
        <dd>{spanText(reservation.duration_minutes, i18n.language)}</dd>
        <dt>{t('column.owner')}</dt>
        <dd>{reservation.owner}</dd>
        <dt>{t('form.pool')}</dt>
        <dd>{reservation.pool}</dd>
        {Object.keys(reservation.labels).length > 0 && (
          <>
            <dt>{t('time.labels')}</dt>
            <dd>
              <Labels labels={reservation.labels} />
            </dd>
          </>
        )}
        <dt>{t('column.id')}</dt>
        <dd>
          <code className="text-body user-select-all small">{reservation.id}</code>
        </dd>
      </dl>
      {!isEnding(state) && (
        <p className="small text-body-secondary border-top pt-3 mt-3 mb-0">
          {t('time.then', { file: pool ? fileName(pool.remove_playbook) : 'remove-users.yml' })}
        </p>
      )}
      {stateOf(state) === 'cleaning' && (
        <p className="small text-body-secondary border-top pt-3 mt-3 mb-0">{t('time.cleaning')}</p>
      )}
    </Panel>
  );
}
