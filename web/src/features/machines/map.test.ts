import { describe, expect, it } from 'vitest';
import { groupingOf, groupingText, groupsOf, labelRowsOf, moved, rowsOf } from './map';
import { machine } from './testing';

const pool = [
  ...Array.from({ length: 5 }, (_, i) => machine(`a-${i}`, { labels: { rack: 'r10' } })),
  machine('b-0', { labels: { rack: 'r9' }, state: 'leased' }),
  machine('c-0', { state: 'quarantined', pool: 'lab' }),
];

describe('the map', () => {
  it('groups by a label, in order, those without it last', () => {
    const groups = groupsOf(pool, { by: 'label', name: 'rack' });
    expect(groups.map(({ value, machines, free }) => [value, machines.length, free])).toEqual([
      ['r9', 1, 0],
      ['r10', 5, 5],
      [null, 1, 0],
    ]);
    expect(groupsOf(pool, { by: 'nothing' })).toHaveLength(1);
  });

  it('keeps its grouping in the address', () => {
    for (const text of ['pool', 'label:rack', 'nothing']) expect(groupingText(groupingOf(text))).toBe(text);
    expect(groupingOf(null)).toEqual({ by: 'pool' });
  });

  it('is walked by keys, over the headings', () => {
    // r9: 0 | r10: 1 2 3 / 4 5 | none: 6
    const rows = rowsOf(groupsOf(pool, { by: 'label', name: 'rack' }), 3);
    expect(moved(rows, 0, 'ArrowRight')).toBe(1);
    expect(moved(rows, 0, 'ArrowLeft')).toBe(0);
    expect(moved(rows, 3, 'ArrowDown')).toBe(5);
    expect(moved(rows, 5, 'ArrowUp')).toBe(2);
    expect(moved(rows, 2, 'PageDown')).toBe(6);
    expect(moved(rows, 5, 'Home')).toBe(0);
    expect(moved(rows, 1, 'End')).toBe(6);
    expect(moved(rows, 1, 'x')).toBeNull();
    expect(moved([], 0, 'End')).toBeNull();
  });
});

describe('labels', () => {
  it('are counted by what can be had', () => {
    const rows = labelRowsOf([...pool, machine('d', { labels: { rack: 'r9' }, state: 'retired' })]);
    expect(rows).toEqual([
      { name: 'rack', value: 'r9', total: 1, free: 0, busy: 1 },
      { name: 'rack', value: 'r10', total: 5, free: 5, busy: 0 },
    ]);
  });
});
