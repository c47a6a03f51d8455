import { useEvents } from '@/api/live';
import { queries } from '@/api/query';
import type { EventView } from '@/api/schema';

/** Which questions an event makes stale, by its kind or the first part of it. Query keys begin with the same words. */
const STALE: Record<string, string[]> = {
  machine: ['machines', 'available', 'history'],
  'machine.quarantined': ['machines', 'available', 'history', 'notifications'],
  reservation: ['reservations', 'machines', 'available', 'runs', 'history', 'notifications'],
  provision: ['runs', 'reservations'],
  account: ['users', 'notifications'],
};

let waiting = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** Many events come at once when a reservation begins: the questions are asked again once for all of them. */
function later(event: EventView) {
  const keys = STALE[event.kind] ?? STALE[event.kind.split('.')[0] ?? ''] ?? [];
  for (const key of keys) waiting.add(key);
  timer ??= setTimeout(() => {
    timer = undefined;
    const keys = waiting;
    waiting = new Set();
    for (const key of keys) {
      void queries.invalidateQueries({ queryKey: [key], predicate: ({ meta }) => !meta?.followsItself });
    }
  }, 250);
}

/** Keeps what is shown fresh: events say what changed, and that is asked again. */
export function Freshness() {
  useEvents(later);
  return null;
}
