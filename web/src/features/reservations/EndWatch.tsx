import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body } from '@/api/client';
import { useEvents } from '@/api/live';
import type { EventView, ReservationView } from '@/api/schema';
import { preferences } from '@/lib/preferences';
import { countdown, useNow } from '@/lib/time';
import { tabNote } from '@/ui/Page';
import { say } from '@/ui/toasts';
import { due, heardKey, TAB_MINUTES } from './warnings';
import { useName } from './words';

/** Warnings the server has sent, or the page said in its place. */
const heard = new Set<string>();

function note(event: EventView) {
  const minutes = (event.data as { minutes?: unknown }).minutes;
  const end = (event.data as { expires_at?: unknown }).expires_at;
  if (event.kind !== 'reservation.reminder' || !event.reservation_id) return;
  if (typeof minutes === 'number' && typeof end === 'string') {
    heard.add(heardKey(event.reservation_id, end, minutes));
  }
}

/** Watches over the ends of one's own reservations: in the tab's title, and by a message where the server's did not come. */
export function EndWatch() {
  useEvents(note);
  const { data } = useQuery({
    queryKey: ['reservations', 'ending'],
    queryFn: ({ signal }) =>
      body(api.GET('/api/reservations', { params: { query: { state: 'active', limit: 100 } }, signal })),
    refetchInterval: 60_000,
  });
  const active = data?.items ?? [];
  return active.length > 0 ? <Watch active={active} /> : null;
}

function Watch({ active }: { active: ReservationView[] }) {
  const { t } = useTranslation('reservations');
  const name = useName();
  const now = useNow();
  const [since] = useState(now);
  const soonest = Math.min(...active.map((reservation) => Date.parse(reservation.expires_at)));
  const left = soonest - now;
  const isNear = 0 < left && left <= TAB_MINUTES * 60_000;
  const text = isNear ? t('tabNote', { left: countdown(left) }) : '';
  useEffect(() => {
    tabNote.set(text);
    return () => tabNote.set('');
  }, [text]);
  useEffect(() => {
    for (const { reservation, minutes, key } of due(active, heard, since, now)) {
      heard.add(key);
      if (preferences.get().toasts) {
        say(t('endsIn', { count: minutes, name: name(reservation) }), 'busy');
      }
    }
  });
  return null;
}
