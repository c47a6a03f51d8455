import type { EventView } from '@/api/schema';
import { paths } from '@/lib/paths';
import { moment } from '@/lib/time';
import { sentence } from '@/ui/states';
import type { ToneName } from '@/ui/Tone';

/** What a piece of news means: its colour, where it leads, and its text by a key of `notifications.json`. */
export interface News {
  tone: ToneName;
  to: string | null;
  /** None: the page has no words of its own for it, and the server's are shown. */
  key: string | null;
  values: Record<string, string | number>;
  /** What only the server knows, as a reason; in its words. */
  detail: string;
}

/** The kinds are announced in `src/reservations`, `src/leases/jobs.rs`, `src/machines/mod.rs`, `src/notifications/jobs.rs`. */
const TONES: Record<string, ToneName> = {
  'reservation.accepted': 'busy',
  'reservation.provisioning': 'busy',
  'reservation.active': 'good',
  'reservation.extended': 'good',
  'reservation.reminder': 'busy',
  'reservation.expiring': 'clean',
  'reservation.cleaning': 'clean',
  'reservation.closed': 'off',
  'reservation.failed': 'bad',
  'machine.state': 'off',
  'machine.quarantined': 'bad',
  'account.pending': 'busy',
};

/** What a text cannot do without. */
const NEEDS: Record<string, ('time' | 'count' | 'state')[]> = {
  'reservation.active': ['time'],
  'reservation.extended': ['time'],
  'reservation.reminder': ['time', 'count'],
  'machine.state': ['state'],
};

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The server's `null` is nothing more to say. */
function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function newsOf(event: EventView, language: string): News {
  const data = fields(event.data);
  const ends = text(data.expires_at);
  const username = text(data.username);
  const values = {
    time: ends && moment(ends, language),
    // A short reservation is reminded late: what is left counts, not which reminder it is.
    count: typeof data.seconds_remaining === 'number' ? Math.round(data.seconds_remaining / 60) : 0,
    machine: event.machine ?? '',
    name: username,
    state: text(data.state),
  };
  const isNamed = (NEEDS[event.kind] ?? []).every((name) => Boolean(values[name]));
  const key =
    event.kind === 'reservation.accepted' && data.state === 'queued' ? 'reservation.queued' : event.kind;
  return {
    tone: TONES[event.kind] ?? 'off',
    to: username
      ? paths.user(username)
      : event.reservation_id
        ? paths.reservation(event.reservation_id)
        : event.machine
          ? paths.machine(event.machine)
          : null,
    key: isNamed && Object.hasOwn(TONES, event.kind) ? `news.${key}` : null,
    values,
    detail: detailOf(event, text(data.reason)),
  };
}

/** The reason stands in the data, or behind the colon of the message. */
function detailOf(event: EventView, reason: string): string {
  if (reason) return sentence(reason);
  if (event.kind !== 'reservation.expiring') return '';
  const colon = event.message.indexOf(': ');
  return colon < 0 ? '' : sentence(event.message.slice(colon + 2));
}
