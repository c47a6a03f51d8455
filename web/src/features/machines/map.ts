import type { MachineView } from '@/api/schema';
import { inOrder } from './filter';
import { isBusy } from './state';

/** What the machines of the map are grouped by: a pool, a label's name, or nothing. */
export type Grouping = { by: 'pool' } | { by: 'label'; name: string } | { by: 'nothing' };

export function groupingOf(text: string | null): Grouping {
  if (text === 'nothing') return { by: 'nothing' };
  if (text?.startsWith('label:')) return { by: 'label', name: text.slice('label:'.length) };
  return { by: 'pool' };
}

export function groupingText(grouping: Grouping): string {
  return grouping.by === 'label' ? `label:${grouping.name}` : grouping.by;
}

export interface MapGroup {
  /** The pool or the label's value; null for machines without that label. */
  value: string | null;
  machines: MachineView[];
  free: number;
}

/** The groups in order, those without the label last; in each the machines in order. */
export function groupsOf(machines: MachineView[], grouping: Grouping): MapGroup[] {
  const groups = new Map<string | null, MapGroup>();
  for (const machine of machines) {
    const value =
      grouping.by === 'pool'
        ? machine.pool
        : grouping.by === 'label'
          ? (machine.labels[grouping.name] ?? null)
          : '';
    const group = groups.get(value) ?? { value, machines: [], free: 0 };
    groups.set(value, group);
    group.machines.push(machine);
    if (machine.state === 'ready') group.free += 1;
  }
  return [...groups.values()].sort((a, b) =>
    a.value === null ? 1 : b.value === null ? -1 : inOrder(a.value, b.value),
  );
}

/** A line of the map: a group's heading, or as many of its machines as fit side by side. */
export type MapRow =
  { kind: 'head'; group: MapGroup } | { kind: 'cells'; machines: MachineView[]; start: number };

/** The map's lines; `start` counts the cells before. */
export function rowsOf(groups: MapGroup[], columns: number): MapRow[] {
  const rows: MapRow[] = [];
  let start = 0;
  for (const group of groups) {
    rows.push({ kind: 'head', group });
    for (let from = 0; from < group.machines.length; from += columns) {
      const machines = group.machines.slice(from, from + columns);
      rows.push({ kind: 'cells', machines, start });
      start += machines.length;
    }
  }
  return rows;
}

/** Where a key leads from the cell `at`; null when the key is none of the map's. */
export function moved(rows: MapRow[], at: number, key: string): number | null {
  const cells = rows.filter((row) => row.kind === 'cells');
  const last = cells.at(-1);
  const total = last ? last.start + last.machines.length : 0;
  if (total === 0) return null;
  const within = (to: number) => Math.min(Math.max(to, 0), total - 1);
  if (key === 'ArrowRight') return within(at + 1);
  if (key === 'ArrowLeft') return within(at - 1);
  if (key === 'Home') return 0;
  if (key === 'End') return total - 1;
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[key];
  if (!step) return null;
  const line = cells.findIndex((row) => at < row.start + row.machines.length);
  const here = cells[line];
  const there = cells[Math.min(Math.max(line + step, 0), cells.length - 1)];
  if (!here || !there) return null;
  return there.start + Math.min(at - here.start, there.machines.length - 1);
}

/** Machines with one label and value, or of the whole pool, by what can be had. */
export interface LabelRow {
  name: string;
  value: string;
  total: number;
  free: number;
  busy: number;
}

/** A row for each label and value, retired machines left out as the server leaves them out. */
export function labelRowsOf(machines: MachineView[]): LabelRow[] {
  const rows = new Map<string, LabelRow>();
  for (const machine of machines) {
    if (machine.state === 'retired') continue;
    for (const [name, value] of Object.entries(machine.labels)) {
      const key = `${name}=${value}`;
      const row = rows.get(key) ?? { name, value, total: 0, free: 0, busy: 0 };
      rows.set(key, row);
      row.total += 1;
      if (machine.state === 'ready') row.free += 1;
      else if (isBusy(machine.state)) row.busy += 1;
    }
  }
  return [...rows.values()].sort((a, b) => inOrder(a.name, b.name) || inOrder(a.value, b.value));
}
