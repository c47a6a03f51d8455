import type { MachineView, State } from '@/api/schema';
import { healthOf, STATES, type Health } from './state';

/** Which machines are shown; all of it stands in the URL. */
export interface MachineFilter {
  text: string;
  states: State[];
  /** As `name=value`. Values of one name widen the choice, other names narrow it. */
  labels: string[];
  pool: string;
  health: Health | '';
}

const HEALTHS: Health[] = ['well', 'unwell', 'unseen'];

export function filterOf(query: URLSearchParams): MachineFilter {
  const health = query.get('health') as Health | null;
  return {
    text: query.get('q') ?? '',
    states: query.getAll('state').filter((state): state is State => STATES.includes(state as State)),
    labels: query.getAll('label').filter((label) => label.includes('=')),
    pool: query.get('pool') ?? '',
    health: health && HEALTHS.includes(health) ? health : '',
  };
}

export function queryOf(filter: MachineFilter, before = new URLSearchParams()): URLSearchParams {
  const query = new URLSearchParams(before);
  for (const name of ['q', 'state', 'label', 'pool', 'health']) query.delete(name);
  if (filter.text) query.set('q', filter.text);
  for (const state of filter.states) query.append('state', state);
  for (const label of filter.labels) query.append('label', label);
  if (filter.pool) query.set('pool', filter.pool);
  if (filter.health) query.set('health', filter.health);
  return query;
}

export function isFiltered(filter: MachineFilter): boolean {
  return queryOf(filter).size > 0;
}

function byName(labels: string[]): [string, Set<string>][] {
  const wanted = new Map<string, Set<string>>();
  for (const label of labels) {
    const cut = label.indexOf('=');
    const name = label.slice(0, cut);
    const values = wanted.get(name) ?? new Set<string>();
    wanted.set(name, values.add(label.slice(cut + 1)));
  }
  return [...wanted];
}

/** Those of `machines` that the filter lets through. Every word of the text must be found somewhere. */
export function filtered(machines: MachineView[], filter: MachineFilter): MachineView[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const states = new Set(filter.states);
  const labels = byName(filter.labels);
  return machines.filter(
    (machine) =>
      (states.size === 0 || states.has(machine.state)) &&
      (!filter.pool || machine.pool === filter.pool) &&
      (!filter.health || healthOf(machine) === filter.health) &&
      labels.every(([name, values]) => {
        const value = machine.labels[name];
        return value !== undefined && values.has(value);
      }) &&
      words.every((word) => matches(machine, word)),
  );
}

function matches(machine: MachineView, word: string): boolean {
  return (
    machine.name.includes(word) ||
    (machine.host?.includes(word) ?? false) ||
    (machine.holder?.username.toLowerCase().includes(word) ?? false)
  );
}

/** How many machines there are of each state, pool, health and label. */
export interface Facets {
  states: Map<State, number>;
  pools: Map<string, number>;
  health: Map<Health, number>;
  /** By `name=value`, in order. */
  labels: Map<string, number>;
}

export function facetsOf(machines: MachineView[]): Facets {
  const facets: Facets = { states: new Map(), pools: new Map(), health: new Map(), labels: new Map() };
  const add = <K>(map: Map<K, number>, key: K) => map.set(key, (map.get(key) ?? 0) + 1);
  for (const machine of machines) {
    add(facets.states, machine.state);
    add(facets.pools, machine.pool);
    add(facets.health, healthOf(machine));
    for (const [name, value] of Object.entries(machine.labels)) add(facets.labels, `${name}=${value}`);
  }
  facets.pools = ordered(facets.pools);
  facets.labels = ordered(facets.labels);
  return facets;
}

const collator = new Intl.Collator('en', { numeric: true });

export function inOrder(a: string, b: string): number {
  return collator.compare(a, b);
}

function ordered(map: Map<string, number>): Map<string, number> {
  return new Map([...map].sort(([a], [b]) => inOrder(a, b)));
}
