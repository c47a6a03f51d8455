import { useTranslation } from 'react-i18next';
import type { State } from '@/api/schema';
import { LOOKS, STATES } from './state';

/** What the colours and letters of the map mean, and how many of each there are; a press shows only those. */
export function Legend({
  counts,
  picked,
  pick,
}: {
  counts: Map<State, number>;
  picked: State[];
  pick: (states: State[]) => void;
}) {
  const { t } = useTranslation(['available', 'machines']);
  return (
    <div className="d-flex flex-wrap gap-2" role="group" aria-label={t('legend')}>
      {STATES.filter((state) => counts.has(state) || picked.includes(state)).map((state) => {
        const { tone, letter } = LOOKS[state];
        const on = picked.includes(state);
        return (
          <button
            key={state}
            type="button"
            className="chip chip-choice"
            aria-pressed={on}
            onClick={() => pick(on ? picked.filter((other) => other !== state) : [...picked, state])}
          >
            <span className={`pool-map-cell is-sample tone-${tone} ${state === 'ready' ? 'is-free' : ''}`}>
              <b aria-hidden="true">{letter}</b>
            </span>
            {t(`machines:states.${state}`)}
            <span className="numbers text-body-secondary">{counts.get(state) ?? 0}</span>
          </button>
        );
      })}
      {picked.length > 0 && (
        <button type="button" className="btn btn-sm btn-link px-1" onClick={() => pick([])}>
          {t('legendAll')}
        </button>
      )}
    </div>
  );
}
