import { describe, expect, it } from 'vitest';
import type { MachineView, State } from '@/api/schema';
import { movedSince } from './pool';
import { machine } from './testing';

const pool = (states: Record<string, State>): MachineView[] =>
  Object.entries(states).map(([name, state]) => machine(name, { state }));
const now = (available: string[], reserved: string[], counts: Record<string, number>) => ({
  available,
  reserved,
  counts,
  labels: {},
});

describe('what moved', () => {
  it('is nothing when the short list says the same', () => {
    const before = pool({ a: 'ready', b: 'leased', c: 'quarantined', d: 'retired' });
    expect(
      movedSince(before, now(['a'], ['b'], { ready: 1, leased: 1, quarantined: 1, retired: 1 })),
    ).toBeNull();
  });

  it('is named when it was taken, given back or set aside', () => {
    const before = pool({ a: 'ready', b: 'leased', c: 'ready', d: 'quarantined' });
    const moved = movedSince(before, now(['b', 'd'], ['a'], { ready: 2, held: 1, quarantined: 1 }));
    expect(moved).toEqual(new Set(['a', 'b', 'c', 'd']));
  });

  it('is everything when its name cannot be told', () => {
    expect(movedSince(pool({ a: 'ready' }), now(['a', 'new'], [], { ready: 2 }))).toBe('all');
    expect(movedSince(pool({ a: 'held' }), now([], ['a'], { leased: 1 }))).toBe('all');
    expect(movedSince(pool({ a: 'ready', b: 'new' }), now(['a'], [], { ready: 1 }))).toBe('all');
  });
});
