import { expect, it } from 'vitest';
import { STATES } from '@/features/machines/state';
import { shares } from './shares';

it('every machine of the pool is counted once, and retired ones are not', () => {
  const counts = Object.fromEntries(STATES.map((state, place) => [state, 2 ** place]));
  const sum = shares(counts).reduce((total, share) => total + share.count, 0);
  expect(sum).toBe(2 ** STATES.length - 1 - (counts.retired ?? 0));
});

it('groups without a machine are left out', () => {
  expect(shares({ ready: 3, held: 0 })).toEqual([{ name: 'ready', tone: 'good', count: 3 }]);
});
