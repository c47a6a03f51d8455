import { describe, expect, it } from 'vitest';
import type { PoolView, ReservationView } from '@/api/schema';
import { isEnding, isOver, roomFor, STATES, whyNotExtend, whyNotRelease } from './state';

const now = Date.parse('2026-11-21T17:30:00Z');
const reservation = (change: Partial<ReservationView> = {}): ReservationView => ({
  id: '01a1ff0e',
  owner: 'alice',
  state: 'active',
  count: 1,
  pool: 'lab',
  labels: {},
  starts_at: '2026-11-21T17:00:00Z',
  expires_at: '2026-11-21T18:00:00Z',
  seconds_remaining: 1800,
  duration_minutes: 60,
  created_at: '2026-11-21T16:59:00Z',
  runs: [],
  machines: [],
  ...change,
});
const pool = (max_minutes: number) => ({ max_minutes }) as PoolView;

describe('a reservation', () => {
  it('can be extended while it is active and the pool has room', () => {
    expect(whyNotExtend(reservation(), pool(240), now)).toBeNull();
    expect(whyNotExtend(reservation(), undefined, now)).toBeNull();
    expect(whyNotExtend(reservation(), pool(60), now)).toBe('refuse.longest');
    expect(whyNotExtend(reservation({ state: 'queued' }), pool(240), now)).toBe('refuse.notActive');
    expect(whyNotExtend(reservation({ state: 'cleaning' }), pool(240), now)).toBe('refuse.ending');
    expect(whyNotExtend(reservation({ expires_at: '2026-11-21T17:29:59Z' }), pool(240), now)).toBe(
      'refuse.ending',
    );
  });

  it('has room for what the pool allows, extensions included', () => {
    expect(roomFor(reservation(), pool(240))).toBe(180);
    expect(roomFor(reservation({ expires_at: '2026-11-21T18:00:30Z' }), pool(240))).toBe(179);
    expect(roomFor(reservation(), pool(30))).toBe(0);
  });

  it('can be given back until it ends', () => {
    const refused = STATES.filter((state) => whyNotRelease(reservation({ state })));
    expect(refused).toEqual(['expiring', 'cleaning', 'closed', 'failed']);
    expect(STATES.filter(isOver)).toEqual(['closed', 'failed']);
    expect(STATES.filter(isEnding)).toEqual(refused);
  });
});
