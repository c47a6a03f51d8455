import { Search, X } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { PickMany } from '@/ui/PickMany';
import type { State } from '@/api/schema';
import { isFiltered, type Facets, type MachineFilter } from './filter';
import { MachineState } from './MachineState';
import { STATES, type Health } from './state';

const NONE: MachineFilter = { text: '', states: [], labels: [], pool: '', health: '' };
/** The address is written when the typing pauses: browsers refuse to have it written at every key. */
const PAUSE = 200;

/** The filters of the machines; `change` gets all of them. */
export function FilterBar({
  filter,
  change,
  facets,
  isAdmin,
}: {
  filter: MachineFilter;
  change: (filter: MachineFilter) => void;
  facets: Facets;
  isAdmin: boolean;
}) {
  const { t } = useTranslation(['machines', 'common']);
  const states = STATES.filter((state) => facets.states.has(state) || filter.states.includes(state));
  const healths: Health[] = ['well', 'unwell', 'unseen'];
  const pools = [...new Set([...facets.pools.keys(), ...(filter.pool ? [filter.pool] : [])])];
  const labels = [...new Set([...facets.labels.keys(), ...filter.labels])];
  return (
    <div className="mb-3 position-relative" role="search" aria-label={t('filter')}>
      <div className="d-flex flex-wrap gap-2">
        <TextFilter
          text={filter.text}
          change={(text) => change({ ...filter, text })}
          label={t(isAdmin ? 'search' : 'searchMember')}
        />
        <PickMany
          label={t('state')}
          picked={filter.states}
          pick={(values) => change({ ...filter, states: values as State[] })}
          options={states.map((state) => ({
            value: state,
            text: t(`states.${state}`),
            show: <MachineState state={state} />,
            count: facets.states.get(state) ?? 0,
          }))}
        />
        {labels.length > 0 && (
          <PickMany
            label={t('labels')}
            picked={filter.labels}
            pick={(values) => change({ ...filter, labels: values })}
            options={labels.map((label) => ({
              value: label,
              text: label,
              count: facets.labels.get(label) ?? 0,
            }))}
          />
        )}
        {pools.length > 1 && (
          <select
            className="form-select w-auto"
            aria-label={t('pool')}
            value={filter.pool}
            onChange={(event) => change({ ...filter, pool: event.target.value })}
          >
            <option value="">{t('anyPool')}</option>
            {pools.map((pool) => (
              <option key={pool} value={pool}>
                {pool} ({facets.pools.get(pool) ?? 0})
              </option>
            ))}
          </select>
        )}
        <select
          className="form-select w-auto"
          aria-label={t('health')}
          value={filter.health}
          onChange={(event) => change({ ...filter, health: event.target.value as Health | '' })}
        >
          <option value="">{t('anyHealth')}</option>
          {healths.map((health) => (
            <option key={health} value={health}>
              {t(`healths.${health}`)} ({facets.health.get(health) ?? 0})
            </option>
          ))}
        </select>
      </div>
      {isFiltered(filter) && (
        <div className="d-flex flex-wrap gap-2 mt-2 align-items-center">
          {filter.states.map((state) => (
            <Chip
              key={state}
              text={t(`states.${state}`)}
              drop={() => change({ ...filter, states: filter.states.filter((other) => other !== state) })}
            />
          ))}
          {filter.labels.map((label) => (
            <Chip
              key={label}
              text={label}
              drop={() => change({ ...filter, labels: filter.labels.filter((other) => other !== label) })}
            />
          ))}
          {filter.pool && (
            <Chip text={`${t('pool')}: ${filter.pool}`} drop={() => change({ ...filter, pool: '' })} />
          )}
          {filter.health && (
            <Chip text={t(`healths.${filter.health}`)} drop={() => change({ ...filter, health: '' })} />
          )}
          <button type="button" className="btn btn-sm btn-link px-1" onClick={() => change(NONE)}>
            {t('clearFilter')}
          </button>
        </div>
      )}
    </div>
  );
}

function Chip({ text, drop }: { text: string; drop: () => void }) {
  const { t } = useTranslation('machines');
  return (
    <button type="button" className="chip" aria-label={t('takeOut', { what: text })} onClick={drop}>
      <span className="text-truncate">{text}</span>
      <X size={14} aria-hidden="true" />
    </button>
  );
}

function TextFilter({
  text,
  change,
  label,
}: {
  text: string;
  change: (text: string) => void;
  label: string;
}) {
  const [typed, setTyped] = useState(text);
  const [before, setBefore] = useState(text);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The address changed by another way than typing.
  if (text !== before) {
    setBefore(text);
    if (text !== typed.trim()) setTyped(text);
  }
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <div className="search-box flex-grow-1">
      <Search size={15} aria-hidden="true" />
      <input
        type="search"
        className="form-control"
        aria-label={label}
        placeholder={label}
        maxLength={100}
        value={typed}
        onChange={(event) => {
          const value = event.target.value;
          setTyped(value);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => change(value.trim()), PAUSE);
        }}
      />
    </div>
  );
}
