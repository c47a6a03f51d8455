import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { useEvents } from '@/api/live';
import type { EventView } from '@/api/schema';
import { preferences } from '@/lib/preferences';
import type { ToneName } from '@/ui/Tone';
import { say } from '@/ui/toasts';
import { NewsText } from './NewsText';
import { newsOf } from './words';

/** What is worth a word in the corner. Machines set aside are told to admins only, by the server. */
const SPOKEN: Record<string, ToneName> = {
  'reservation.reminder': 'busy',
  'reservation.active': 'good',
  'reservation.failed': 'bad',
  'machine.quarantined': 'busy',
  'account.pending': 'busy',
};

/** News about one's own reservations, and for admins of the pool, said in the corner with the way there. */
export function Reminders() {
  const { t, i18n } = useTranslation('notifications');
  const navigate = useNavigate();
  const remind = useCallback(
    (event: EventView) => {
      const tone = Object.hasOwn(SPOKEN, event.kind) ? SPOKEN[event.kind] : undefined;
      if (!tone || !preferences.get().toasts) return;
      const { to } = newsOf(event, i18n.language);
      say(
        <>
          <NewsText event={event} />{' '}
          {to && (
            // The corner is outside of the router.
            <a
              href={to}
              onClick={(click) => {
                if (click.ctrlKey || click.metaKey || click.shiftKey) return;
                click.preventDefault();
                void navigate(to);
              }}
            >
              {t('show')}
            </a>
          )}
        </>,
        tone,
      );
    },
    [navigate, t, i18n],
  );
  useEvents(remind);
  return null;
}
