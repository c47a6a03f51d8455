import type { RunLineView } from '@/api/schema';
import { isStatus, isStep, worst, type Status } from './state';

/** How one task ended on one machine. */
export interface Cell {
  status: Status;
  /** How often: a loop tells of each round. */
  times: number;
  /** The line that tells of the worst. */
  seq: number;
}

export interface Column {
  task: string;
  /** Whose name comes more than once in a playbook is counted, from 1. */
  nth: number;
}

/** Machines by tasks, in the order in which they were first heard of. */
export interface Grid {
  machines: string[];
  columns: Column[];
  /** By machine, then by the column's place. */
  cells: Map<string, Map<number, Cell>>;
  /** The last step of each machine. */
  last: Map<string, RunLineView>;
}

/** Puts the lines of a run in rows and columns. */
export function gridOf(lines: RunLineView[], machines: string[]): Grid {
  const grid: Grid = { machines: [...machines].sort(byName), columns: [], cells: new Map(), last: new Map() };
  const places = new Map<string, number>();
  /** The column each machine is at, and which of a name's columns it had last. */
  const at = new Map<string, number>();
  const seen = new Map<string, Map<string, number>>();
  for (const line of lines) {
    const { machine, task, status } = line;
    if (!isStep(line) || !machine || !isStatus(status)) continue;
    const names = seen.get(machine) ?? new Map<string, number>();
    seen.set(machine, names);
    const current = grid.columns[at.get(machine) ?? -1];
    const again = current?.task === task;
    const nth = again ? current.nth : (names.get(task) ?? 0) + 1;
    names.set(task, nth);
    const name = `${nth} ${task}`;
    let place = places.get(name);
    if (place === undefined) {
      place = grid.columns.length;
      places.set(name, place);
      grid.columns.push({ task, nth });
    }
    at.set(machine, place);
    const row = grid.cells.get(machine) ?? new Map<number, Cell>();
    grid.cells.set(machine, row);
    const before = row.get(place);
    const isWorse = !before || worst(before.status, status) !== before.status;
    row.set(place, {
      status: before ? worst(before.status, status) : status,
      times: (before?.times ?? 0) + 1,
      seq: isWorse ? line.seq : before.seq,
    });
    grid.last.set(machine, line);
  }
  for (const machine of grid.cells.keys()) if (!grid.machines.includes(machine)) grid.machines.push(machine);
  return grid;
}

export function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
