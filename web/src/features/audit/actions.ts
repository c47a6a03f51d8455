import type { AuditView } from '@/api/schema';
import { paths } from '@/lib/paths';

/** What is written down, by kind: the `audit::Entry`s of `src/`. Others are shown by their word. */
export const actions: Record<string, readonly string[]> = {
  user: ['create', 'update', 'password', 'reset', 'delete'],
  session: ['begin', 'end_all', 'reuse'],
  'ssh-key': ['add', 'remove'],
  token: ['add', 'remove'],
  machine: ['create', 'update', 'import', 'quarantine', 'release', 'accept_host_key', 'delete'],
  reservation: ['book', 'extend', 'release'],
  terminal: ['open', 'close'],
};

export function isKnown(action: string): boolean {
  const [kind = '', verb = ''] = action.split('.');
  return actions[kind]?.includes(verb) ?? false;
}

/** Where what an entry is about can be looked at; nowhere when it is gone or no thing of its own. */
export function targetLink({ action, target }: Pick<AuditView, 'action' | 'target'>): string | null {
  if (!target || action.endsWith('.delete') || action === 'machine.import') return null;
  if (action.startsWith('machine.') || action.startsWith('terminal.')) return paths.machine(target);
  if (action.startsWith('reservation.')) return paths.reservation(target);
  if (action.startsWith('user.') || action.startsWith('session.')) return paths.user(target);
  return null;
}

/** The spans that can be asked for, in hours. */
export const spans: Record<string, number> = { '1h': 1, '24h': 24, '7d': 168, '30d': 720 };

/** The moment a span of the address began: `24h`, or a moment as it is written. */
export function sinceOf(text: string, now: number): string | null {
  const hours = Object.hasOwn(spans, text) ? spans[text] : undefined;
  const at = hours ? now - hours * 3_600_000 : Date.parse(text);
  return Number.isNaN(at) ? null : new Date(at).toISOString();
}
