import { describe, expect, it } from 'vitest';
import type { RunLineView } from '@/api/schema';
import { gridOf } from './grid';

let seq = 0;
const line = (machine: string, task: string, status: string, kind = 'task'): RunLineView => ({
  seq: (seq += 1),
  at: '2026-11-21T17:00:00Z',
  machine,
  kind,
  task,
  status,
  message: '',
});

describe('the grid of a run', () => {
  it('has a row for every machine, in the order of numbers', () => {
    const grid = gridOf([line('quay-3', 'account', 'ok')], ['quay-10', 'quay-9']);
    expect(grid.machines).toEqual(['quay-9', 'quay-10', 'quay-3']);
  });

  it('tells tasks of the same name apart, and keeps the rounds of a loop together', () => {
    const grid = gridOf(
      [
        line('a', 'copy', 'ok'),
        line('a', 'copy', 'changed'),
        line('b', 'copy', 'ok'),
        line('a', 'restart', 'ok'),
        line('a', 'copy', 'failed'),
        line('b', 'restart', 'ok'),
      ],
      ['a', 'b'],
    );
    expect(grid.columns).toEqual([
      { task: 'copy', nth: 1 },
      { task: 'restart', nth: 1 },
      { task: 'copy', nth: 2 },
    ]);
    expect(grid.cells.get('a')?.get(0)).toMatchObject({ status: 'changed', times: 2 });
    expect(grid.cells.get('a')?.get(2)).toMatchObject({ status: 'failed', times: 1 });
    expect(grid.cells.get('b')?.has(2)).toBe(false);
    expect(grid.last.get('a')?.status).toBe('failed');
  });

  it('points to the line that tells of the worst', () => {
    const lines = [line('a', 'x', 'ok'), line('a', 'x', 'failed'), line('a', 'x', 'ok')];
    expect(gridOf(lines, ['a']).cells.get('a')?.get(0)?.seq).toBe(lines[1]?.seq);
  });

  it('leaves out what is no step', () => {
    const grid = gridOf([line('', 'x', 'ok'), line('a', 'x', 'ok', 'log'), line('a', 'x', '')], ['a']);
    expect(grid.columns).toEqual([]);
  });
});
