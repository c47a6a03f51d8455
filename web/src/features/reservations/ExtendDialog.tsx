import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { PoolView, ReservationView } from '@/api/schema';
import { spanText } from '@/lib/span';
import { moment, parseDuration } from '@/lib/time';
import { TextField } from '@/ui/fields';
import { FormDialog } from '@/ui/FormDialog';
import { Moment } from '@/ui/Moment';
import { say } from '@/ui/toasts';
import { Chips } from './Chips';
import { extend } from './queries';
import { roomFor } from './state';

const MORE = ['15m', '30m', '1h', '2h', '4h'] as const;

/** Makes a reservation longer; the new end is told before. */
export function ExtendDialog({
  reservation,
  pool,
  close,
}: {
  reservation: ReservationView;
  pool: PoolView | undefined;
  close: () => void;
}) {
  const { t, i18n } = useTranslation('reservations');
  const room = pool ? roomFor(reservation, pool) : null;
  const fits = (text: string) => room === null || (parseDuration(text) ?? 0) <= room;
  const [duration, setDuration] = useState<string>(
    MORE.findLast((text) => text !== '2h' && text !== '4h' && fits(text)) ?? `${room ?? 30}m`,
  );
  const minutes = parseDuration(duration);
  const words = (count: number) => spanText(count, i18n.language);
  const fault =
    minutes === null
      ? t('fault.duration')
      : room !== null && room < minutes
        ? t('extend.tooLong', { room: words(room) })
        : null;
  const end = minutes === null ? null : Date.parse(reservation.expires_at) + minutes * 60_000;
  return (
    <FormDialog
      title={t('extend.title')}
      action={t('extend.action')}
      refused={fault}
      act={async () => {
        const after = await extend(reservation.id, duration.trim());
        say(t('extend.done', { end: moment(after.expires_at, i18n.language) }));
      }}
      close={close}
    >
      {(at) => (
        <>
          <Chips
            label={t('extend.by')}
            options={MORE.map((value) => ({
              value,
              text: `+ ${words(parseDuration(value) ?? 0)}`,
              refused: fits(value) ? null : t('extend.tooLong', { room: words(room ?? 0) }),
            }))}
            value={MORE.find((value) => parseDuration(value) === minutes) ?? null}
            onChoose={setDuration}
          />
          <TextField
            label={t('extend.by')}
            value={duration}
            onChange={setDuration}
            hint={t('form.durationHint')}
            fault={fault ?? at('/duration')}
            autoComplete="off"
            className="mt-3 mb-3"
          />
          <dl className="facts" aria-live="polite">
            <dt>{t('extend.now')}</dt>
            <dd>
              <Moment at={reservation.expires_at} as="absolute" />
            </dd>
            <dt>{t('extend.after')}</dt>
            <dd className="fw-semibold" data-testid="new-end">
              {end === null || fault ? '–' : <Moment at={new Date(end).toISOString()} />}
            </dd>
            {room !== null && (
              <>
                <dt>{t('extend.room')}</dt>
                <dd>{words(room)}</dd>
              </>
            )}
          </dl>
        </>
      )}
    </FormDialog>
  );
}
