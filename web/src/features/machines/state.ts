import type { MachineView, State } from '@/api/schema';
import type { ToneName } from '@/ui/Tone';

// What a state means and what it allows: `src/machines/model.rs`, `src/machines/admin.rs`, `src/machines/plan.rs`.

/** All states, those that people look for first at the front. */
export const STATES: State[] = [
  'ready',
  'held',
  'provisioning',
  'leased',
  'draining',
  'cleaning',
  'verifying',
  'checking',
  'new',
  'quarantined',
  'maintenance',
  'retired',
];

interface Look {
  tone: ToneName;
  /** One letter for a cell of the map. */
  letter: string;
  /** It will be in another state soon without anybody's doing. */
  moving: boolean;
}

export const LOOKS: Record<State, Look> = {
  ready: { tone: 'good', letter: 'R', moving: false },
  held: { tone: 'held', letter: 'H', moving: true },
  provisioning: { tone: 'busy', letter: 'P', moving: true },
  leased: { tone: 'held', letter: 'L', moving: false },
  draining: { tone: 'clean', letter: 'D', moving: true },
  cleaning: { tone: 'clean', letter: 'C', moving: true },
  verifying: { tone: 'clean', letter: 'V', moving: true },
  checking: { tone: 'busy', letter: 'K', moving: true },
  new: { tone: 'off', letter: 'N', moving: true },
  quarantined: { tone: 'bad', letter: 'Q', moving: false },
  maintenance: { tone: 'off', letter: 'M', moving: false },
  retired: { tone: 'off', letter: 'X', moving: false },
};

const BUSY: ReadonlySet<State> = new Set([
  'held',
  'provisioning',
  'leased',
  'draining',
  'cleaning',
  'verifying',
]);

/** A reservation uses the machine, or what it left is being removed (`State::is_busy`). */
export function isBusy(state: State): boolean {
  return BUSY.has(state);
}

export type Health = 'well' | 'unwell' | 'unseen';

/** Whether the last contact went well. What went wrong is shown to admins only; the state tells the others. */
export function healthOf(machine: MachineView): Health {
  if (machine.last_error || machine.state === 'quarantined') return 'unwell';
  return machine.last_check_at ? 'well' : 'unseen';
}

/** The server's word for a host key that is not the pinned one (`remote::Error::HostKeyChanged`). */
export function isHostKeyChanged(machine: MachineView): boolean {
  return /host key .*is not the one that is pinned/.test(machine.last_error ?? '');
}

/** A text of `machines.json` with its values: why something cannot be done now. */
export interface Why {
  key: string;
  values?: Record<string, string>;
}

/** `admin::quarantine` refuses retired machines only. */
export function quarantineRefused(machine: MachineView): Why | null {
  return machine.state === 'retired' ? { key: 'refused.retired' } : null;
}

/** `admin::release` takes machines that are set aside, or that go aside when they are clean. */
export function releaseRefused(machine: MachineView): Why | null {
  const aside = machine.state === 'quarantined' || machine.state === 'maintenance';
  return aside || machine.then_state ? null : { key: 'refused.notAside' };
}

/** `admin::remove` refuses machines that somebody holds. */
export function deleteRefused(machine: MachineView): Why | null {
  const { holder } = machine;
  return holder ? { key: 'refused.held', values: { who: holder.username } } : null;
}

/** `admin::check` takes no new host key while somebody holds the machine. */
export const newHostKeyRefused = deleteRefused;

/** `admin::update`: how a machine in use is reached cannot change; its labels and pool can. */
export function reachRefused(machine: MachineView): Why | null {
  if (machine.holder) return { key: 'refused.reachHeld', values: { who: machine.holder.username } };
  return isBusy(machine.state) ? { key: 'refused.reachBusy' } : null;
}
