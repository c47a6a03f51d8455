import type { ReservationView } from '@/api/schema';

/** Minutes before the end at which there is a warning: `REMINDERS` in `src/leases/jobs.rs`. */
const WARNINGS = [1, 5, 15];

/** From how many minutes on the tab's title counts down. */
export const TAB_MINUTES = 15;

/** How long the server's own warning is waited for: it looks every 15 seconds. */
const PATIENCE = 20_000;

/** A warning is about one end: when that moves, there will be another. */
export function heardKey(id: string, end: string, minutes: number): string {
  return `${id} ${Date.parse(end)} ${minutes}`;
}

/** The warnings that should have come since `since` and did not. The nearest only: at one minute nobody is told of five. */
export function due(
  active: ReservationView[],
  heard: ReadonlySet<string>,
  since: number,
  now: number,
): { reservation: ReservationView; minutes: number; key: string }[] {
  return active.flatMap((reservation) => {
    const end = Date.parse(reservation.expires_at);
    const minutes = WARNINGS.find((one) => end - now <= one * 60_000);
    if (minutes === undefined || end <= now) return [];
    const at = end - minutes * 60_000;
    const key = heardKey(reservation.id, reservation.expires_at, minutes);
    // Who comes to the page later sees the countdown.
    if (at < since || now < at + PATIENCE || heard.has(key)) return [];
    return [{ reservation, minutes, key }];
  });
}
