import type { CreateReservation, PoolView } from '@/api/schema';
import { parseDuration } from '@/lib/time';
import { passwordFault } from './access';

export type Access = 'keys' | 'key' | 'password' | 'made';

/** A booking as it is being filled in. */
export interface Draft {
  count: string;
  duration: string;
  /** Empty: the default pool, which comes first. */
  pool: string;
  labels: Record<string, string>;
  access: Access;
  key: string;
  password: string;
  /** The moment of a later start; null: at once. */
  startsAt: number | null;
  later: boolean;
  wait: boolean;
}

/** A text of `reservations.json` and what stands in it. */
export type Fault = [key: string, values?: Record<string, string | number>];

/** What an address asks for: `?label=k=v&pool=&count=&duration=`. */
export function draftOf(query: URLSearchParams): Draft {
  const labels: Record<string, string> = {};
  for (const pair of query.getAll('label')) {
    const [key, ...value] = pair.split('=');
    if (key) labels[key] = value.join('=');
  }
  const count = query.get('count') ?? '';
  const duration = query.get('duration') ?? '';
  return {
    count: /^\d{1,4}$/.test(count) ? count : '1',
    duration: parseDuration(duration) ? duration : '1h',
    pool: query.get('pool') ?? '',
    labels,
    access: 'keys',
    key: '',
    password: '',
    startsAt: null,
    later: false,
    wait: query.get('wait') === '1',
  };
}

/** What the server would refuse, said before: `rules::check` in `src/reservations/rules.rs`. */
export function faultsOf(
  draft: Draft,
  pool: PoolView | undefined,
  now: number,
): Partial<Record<'count' | 'duration' | 'pool' | 'key' | 'password' | 'startsAt', Fault>> {
  const faults: ReturnType<typeof faultsOf> = {};
  const count = countOf(draft.count);
  if (count === null) faults.count = ['fault.count'];
  else if (pool && pool.max_count < count) {
    faults.count = ['fault.countMost', { most: pool.max_count, pool: pool.name }];
  }
  const minutes = parseDuration(draft.duration);
  if (minutes === null) faults.duration = ['fault.duration'];
  else if (pool && pool.max_minutes < minutes) {
    faults.duration = ['fault.durationMost', { minutes: pool.max_minutes, pool: pool.name }];
  }
  if (pool && !pool.may_book) faults.pool = ['fault.pool', { why: pool.why_not ?? '' }];
  if (draft.access === 'key') {
    // What it is made of, the server looks at.
    if (draft.key.includes('PRIVATE KEY')) faults.key = ['fault.privateKey'];
    else if (!/^[\w@.-]+ +[\w+/=]+/.test(draft.key.trim())) faults.key = ['fault.key'];
  }
  if (draft.access === 'password') {
    const fault = passwordFault(draft.password);
    if (fault) faults.password = [fault];
  }
  if (draft.later) {
    if (draft.startsAt === null) faults.startsAt = ['fault.startsAt'];
    else if (draft.startsAt < now - 60_000) faults.startsAt = ['fault.past'];
    else if (now + 366 * 86_400_000 < draft.startsAt) faults.startsAt = ['fault.farAhead'];
  }
  return faults;
}

export function countOf(text: string): number | null {
  const count = /^\d{1,6}$/.test(text.trim()) ? Number(text) : 0;
  return count > 0 ? count : null;
}

/** The request, when nothing is wrong. `made` is the password that the page made, if it did. */
export function requestOf(draft: Draft, made: string | null): CreateReservation {
  const password = draft.access === 'password' ? draft.password : made;
  return {
    count: countOf(draft.count) ?? 1,
    duration: draft.duration.trim(),
    ...(draft.pool ? { pool: draft.pool } : {}),
    ...(Object.keys(draft.labels).length > 0 ? { labels: draft.labels } : {}),
    ...(draft.later && draft.startsAt !== null
      ? { starts_at: new Date(draft.startsAt).toISOString().replace('.000Z', 'Z') }
      : {}),
    ...(draft.wait ? { wait: true } : {}),
    ...(draft.access === 'key' ? { ssh_public_key: draft.key.trim() } : {}),
    ...(password ? { reservation_password: password } : {}),
  };
}

/** Labels of a pool by key: the values, and how many machines have each. */
export function choicesOf(
  labels: Record<string, { available: number; total: number }>,
): { key: string; values: { value: string; available: number; total: number }[] }[] {
  const byKey = new Map<string, { value: string; available: number; total: number }[]>();
  for (const [pair, counts] of Object.entries(labels)) {
    const cut = pair.indexOf('=');
    const [key, value] = cut < 0 ? [pair, ''] : [pair.slice(0, cut), pair.slice(cut + 1)];
    byKey.set(key, [...(byKey.get(key) ?? []), { value, available: counts.available, total: counts.total }]);
  }
  return [...byKey]
    .map(([key, values]) => ({
      key,
      values: values.sort((a, b) => a.value.localeCompare(b.value, 'en', { numeric: true })),
    }))
    .sort((a, b) => a.key.localeCompare(b.key));
}
