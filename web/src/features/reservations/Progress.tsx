import { useTranslation } from 'react-i18next';
import type { ReservationView, RunView } from '@/api/schema';
import { plainText } from '@/lib/ansi';
import { gridOf } from '@/features/provisioning/grid';
import { useSteps } from '@/features/provisioning/queries';
import { statusLetter, statusTone } from '@/features/provisioning/state';
import { Panel } from '@/ui/Page';
import { Tone } from '@/ui/Tone';
import { seatTone } from './state';

/** What is being done on each machine, step by step. */
export function Progress({ reservation, run }: { reservation: ReservationView; run: RunView | undefined }) {
  const { t } = useTranslation(['reservations', 'runs']);
  const steps = useSteps(run);
  const grid = gridOf(steps.data?.lines ?? [], []);
  const places = reservation.machines.filter((place) => place.state !== 'closed');
  if (places.length === 0) return null;
  return (
    <Panel title={t('progress.title')} flush>
      <ul className="list-unstyled mb-0 progress-list" aria-live="polite">
        {places.map((place) => {
          const last = grid.last.get(place.machine);
          const cells = grid.cells.get(place.machine);
          const isMoving = place.state === 'provisioning' || place.state === 'cleaning';
          return (
            <li key={place.machine}>
              <span className="fw-semibold progress-machine">{place.machine}</span>
              <Tone tone={seatTone(place.state)} moving={isMoving}>
                {t(`seat.${place.state}`)}
              </Tone>
              <span className="progress-steps" aria-hidden="true">
                {grid.columns.map((column, i) => {
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
              <span className="small text-body-secondary progress-last text-truncate">
                {place.error ??
                  (last
                    ? t('progress.last', {
                        count: cells?.size ?? 0,
                        task: plainText(last.task),
                        status: t(`runs:status.${last.status}`).toLowerCase(),
                      })
                    : isMoving
                      ? t('progress.connecting')
                      : '')}
              </span>
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}
