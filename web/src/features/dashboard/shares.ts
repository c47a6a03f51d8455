import type { ToneName } from '@/ui/Tone';

/** The twelve states of a machine in five words that a person needs: `machines::State` in `src/machines/model.rs`. */
const GROUPS = [
  { name: 'ready', tone: 'good', states: ['ready'] },
  { name: 'used', tone: 'held', states: ['held', 'provisioning', 'leased'] },
  { name: 'cleaned', tone: 'clean', states: ['draining', 'cleaning', 'verifying'] },
  { name: 'checked', tone: 'busy', states: ['new', 'checking'] },
  { name: 'aside', tone: 'bad', states: ['quarantined'] },
  { name: 'maintenance', tone: 'off', states: ['maintenance'] },
] as const satisfies readonly { name: string; tone: ToneName; states: readonly string[] }[];

export interface Share {
  name: (typeof GROUPS)[number]['name'];
  tone: ToneName;
  count: number;
}

/** How many machines are in which group; groups without any are left out. Retired machines are no part of the pool. */
export function shares(counts: Record<string, number>): Share[] {
  return GROUPS.map(({ name, tone, states }) => ({
    name,
    tone,
    count: states.reduce((sum, state) => sum + (counts[state] ?? 0), 0),
  })).filter((share) => share.count > 0);
}
