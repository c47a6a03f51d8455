import type { Role, Status, UserView } from '@/api/schema';
import type { ToneName } from '@/ui/Tone';

export const roles = ['member', 'instructor', 'admin'] as const satisfies readonly Role[];

/** `src/accounts/model.rs`, `Status`. */
export const statusTone: Record<Status, ToneName> = { active: 'good', pending: 'busy', suspended: 'off' };

/** Why something may not be done to an account; the texts are in `people.json`. */
export type Refused = 'lastAdmin' | 'oneself' | null;

const isAdmin = (user: UserView) => user.role === 'admin' && user.status === 'active';

/**
 * What the server refuses (`src/accounts/people.rs`: the last active admin stays one), and what this page does not
 * offer: taking one's own rights away is somebody else's to do.
 */
export function refusals(user: UserView, all: UserView[], myself: string): { lose: Refused } {
  const others = all.some((other) => other.username !== user.username && isAdmin(other));
  if (isAdmin(user) && !others) return { lose: 'lastAdmin' };
  return { lose: user.username === myself ? 'oneself' : null };
}

/** `src/accounts/model.rs`, `check_username`: what a name may look like. The reserved ones only the server knows. */
export function isUsername(name: string): boolean {
  return /^[a-z_][a-z0-9_-]{0,31}$/.test(name);
}

export function matches(user: UserView, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return [user.username, user.full_name, user.email].some((part) => part.toLowerCase().includes(wanted));
}

/**
 * The secret of a one-time link, `src/accounts/reset.rs`: in the fragment, which no server sees. One that somebody
 * moved to the query is taken, too.
 */
export function tokenOf({ hash, search }: { hash: string; search: string }): string | null {
  return new URLSearchParams(hash.slice(1)).get('token') ?? new URLSearchParams(search).get('token');
}
