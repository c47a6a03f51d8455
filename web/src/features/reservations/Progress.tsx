import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { PlaceView, ReservationView, RunView } from '@/api/schema';
import { gridOf } from '@/features/provisioning/grid';
import { useRuns, useSteps } from '@/features/provisioning/queries';
import { statusLetter, statusTone } from '@/features/provisioning/state';
import { plainText } from '@/lib/ansi';
import { Panel } from '@/ui/Page';
import { Tone } from '@/ui/Tone';
import { seatTone } from './state';
import { placesOf } from './words';

/** What is being done on each machine, step by step. */
export function Progress({ reservation }: { reservation: ReservationView }) {
  const { t } = useTranslation('reservations');
  const { items } = useRuns({ reservation: reservation.id }, 3000);
  const places = placesOf(reservation).filter((place) => place.state !== 'closed');
  if (places.length === 0) return null;
  return (
    <Panel title={t('progress.title')} flush>
      <ul className="list-unstyled mb-0 progress-list">
        {places.map((place) => (
          <MachineProgress
            key={place.machine}
            place={place}
            // The newest comes first: each machine is cleaned in a run of its own.
            run={items?.find((run) => run.machines.includes(place.machine))}
          />
        ))}
      </ul>
    </Panel>
  );
}

function MachineProgress({ place, run }: { place: PlaceView; run: RunView | undefined }) {
  const { t } = useTranslation(['reservations', 'runs']);
  const lines = useSteps(run).data?.lines;
  const grid = useMemo(() => gridOf(lines ?? [], []), [lines]);
  const isMoving = place.state === 'provisioning' || place.state === 'cleaning';
  // A run of before tells nothing of what is being done now.
  const isCurrent = (run?.kind === 'clean') === (place.state === 'cleaning');
  const last = isCurrent ? grid.last.get(place.machine) : undefined;
  const cells = isCurrent ? grid.cells.get(place.machine) : undefined;
  const told = last
    ? t('progress.last', {
        count: cells?.size ?? 0,
        task: plainText(last.task),
        status: t(`runs:status.${last.status}`).toLowerCase(),
      })
    : isMoving
      ? t('progress.connecting')
      : '';
  return (
    <li>
      <span className="fw-semibold">{place.machine}</span>
      <Tone tone={seatTone(place.state)} moving={isMoving}>
        {t(`seat.${place.state}`)}
      </Tone>
      <span className="progress-steps" aria-hidden="true">
        {isCurrent &&
          grid.columns.map((column, i) => {
            const cell = cells?.get(i);
            return (
              <span
                key={i}
                className={`status-letter ${cell ? `tone-${statusTone(cell.status)}` : 'is-ahead'}`}
                title={plainText(column.task)}
              >
                {cell ? statusLetter(cell.status) : ''}
              </span>
            );
          })}
        {isMoving && <span className="status-letter is-now" />}
      </span>
      <span className="small text-body-secondary progress-last text-truncate">{place.error ?? told}</span>
    </li>
  );
}
