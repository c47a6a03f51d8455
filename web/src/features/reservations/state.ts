import type { PoolView, ReservationView } from '@/api/schema';
import type { ToneName } from '@/ui/Tone';

/** What a reservation's state means and allows: `leases::LeaseState` in `src/leases/model.rs`. */
export const STATES = [
  'queued',
  'accepted',
  'provisioning',
  'active',
  'expiring',
  'cleaning',
  'closed',
  'failed',
] as const;
export type ReservationState = (typeof STATES)[number];

export function stateOf(text: string): ReservationState {
  return STATES.find((state) => state === text) ?? 'closed';
}

const TONES: Record<ReservationState, ToneName> = {
  queued: 'held',
  accepted: 'busy',
  provisioning: 'busy',
  active: 'good',
  expiring: 'clean',
  cleaning: 'clean',
  closed: 'off',
  failed: 'bad',
};

export function stateTone(state: string): ToneName {
  return TONES[stateOf(state)];
}

/** Something is being done right now, and the state will change by itself. */
export function isMoving(state: string): boolean {
  return ['accepted', 'provisioning', 'expiring', 'cleaning'].includes(state);
}

/** `LeaseState::is_final`. */
export function isOver(state: string): boolean {
  return state === 'closed' || state === 'failed';
}

/** `LeaseState::is_ending`. */
export function isEnding(state: string): boolean {
  return isOver(state) || state === 'expiring' || state === 'cleaning';
}

/** A seat's state: `reservations::Seat` in `src/reservations/model.rs`. */
export function seatTone(seat: string): ToneName {
  const tones: Record<string, ToneName> = {
    held: 'held',
    provisioning: 'busy',
    active: 'good',
    cleaning: 'clean',
  };
  return tones[seat] ?? 'off';
}

/** Why it cannot be extended, as a key of the texts; null when it can. `extend` in `src/reservations/mod.rs`. */
export function whyNotExtend(
  reservation: ReservationView,
  pool: PoolView | undefined,
  now: number,
): string | null {
  if (reservation.state !== 'active')
    return isEnding(reservation.state) ? 'refuse.ending' : 'refuse.notActive';
  if (Date.parse(reservation.expires_at) <= now) return 'refuse.ending';
  if (pool && roomFor(reservation, pool) < 1) return 'refuse.longest';
  return null;
}

/** How many minutes can still be added: the whole must not be longer than the pool allows. */
export function roomFor(reservation: ReservationView, pool: PoolView): number {
  const whole = (Date.parse(reservation.expires_at) - Date.parse(reservation.starts_at)) / 60_000;
  return Math.max(0, Math.floor(pool.max_minutes - whole));
}

/** Why it cannot be given back, as a key of the texts; null when it can. */
export function whyNotRelease(reservation: ReservationView): string | null {
  if (isOver(reservation.state)) return 'refuse.over';
  return isEnding(reservation.state) ? 'refuse.ending' : null;
}

/** It is booked for a time to come, and not in line yet. */
export function isLater(reservation: ReservationView, now: number): boolean {
  return reservation.state === 'queued' && now < Date.parse(reservation.starts_at);
}

/** Whether the time that is left means something yet: until it is active, the end is an estimate. */
export function isCounting(reservation: ReservationView): boolean {
  return reservation.state === 'active';
}
