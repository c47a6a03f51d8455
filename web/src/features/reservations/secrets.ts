import { session } from '@/api/session';
import { createStore, useStore } from '@/lib/store';

/**
 * Passwords that were made for a reservation and are shown this once. They live in this tab's memory and nowhere else:
 * a reload or signing out forgets them.
 */
const made = createStore<ReadonlyMap<string, string>>(new Map());

session.watch(() => {
  if (session.get().status !== 'in') made.set(new Map());
});

export function rememberPassword(reservation: string, password: string) {
  made.set((before) => new Map(before).set(reservation, password));
}

export function forgetPassword(reservation: string) {
  made.set((before) => {
    const after = new Map(before);
    after.delete(reservation);
    return after;
  });
}

export function useMadePassword(reservation: string): string | null {
  return useStore(made).get(reservation) ?? null;
}
