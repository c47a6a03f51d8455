import { useEvents } from '@/api/live';
import type { EventView } from '@/api/schema';
import { preferences } from '@/lib/preferences';
import { sentence } from '@/ui/states';
import { say } from '@/ui/toasts';

function remind(event: EventView) {
  if (!preferences.get().toasts) return;
  if (event.kind === 'reservation.reminder') say(sentence(event.message), 'busy');
  if (event.kind === 'reservation.active') say(sentence(event.message), 'good');
  if (event.kind === 'reservation.failed') say(sentence(event.message), 'bad');
}

/** News about one's own reservations, said in the corner. */
export function Reminders() {
  useEvents(remind);
  return null;
}
