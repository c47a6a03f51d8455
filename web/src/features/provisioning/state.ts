import type { Counts, RunLineView, RunView } from '@/api/schema';
import type { ToneName } from '@/ui/Tone';

/** States of a run: `provisioning::RunState` in `src/provisioning/model.rs`. */
export const RUN_STATES = ['running', 'succeeded', 'failed', 'lost'] as const;

export function runTone(state: string): ToneName {
  if (state === 'running') return 'busy';
  if (state === 'succeeded') return 'good';
  return state === 'failed' ? 'bad' : 'off';
}

/** How a task ended: `playbook::Status` in `src/playbook/event.rs`, the worst last. */
export const STATUSES = ['skipped', 'ok', 'changed', 'failed', 'unreachable'] as const;
export type Status = (typeof STATUSES)[number];

const TONES: Record<Status, ToneName> = {
  skipped: 'off',
  ok: 'good',
  changed: 'busy',
  failed: 'bad',
  unreachable: 'bad',
};
const LETTERS: Record<Status, string> = {
  skipped: 'S',
  ok: 'O',
  changed: 'C',
  failed: 'F',
  unreachable: 'U',
};

export function isStatus(text: string): text is Status {
  return (STATUSES as readonly string[]).includes(text);
}

export function statusTone(status: string): ToneName {
  return isStatus(status) ? TONES[status] : 'off';
}

export function statusLetter(status: string): string {
  return isStatus(status) ? LETTERS[status] : '?';
}

export function worst(one: Status, other: Status): Status {
  return STATUSES.indexOf(one) < STATUSES.indexOf(other) ? other : one;
}

/** Milliseconds a run took, or takes until `now`. */
export function runTook(run: Pick<RunView, 'started_at' | 'finished_at'>, now: number): number {
  const end = run.finished_at ? Date.parse(run.finished_at) : now;
  return Math.max(0, end - Date.parse(run.started_at));
}

/** Each task once: the engine counts what changed as ok, too. */
export function apart(counts: Counts): Counts {
  return { ...counts, ok: Math.max(0, counts.ok - counts.changed) };
}

/** Counts of all machines together; null before the run has ended. */
export function total(summary: Record<string, Counts>): Counts | null {
  const all = Object.values(summary);
  if (all.length === 0) return null;
  const sum = { ok: 0, changed: 0, failed: 0, skipped: 0, unreachable: 0 };
  for (const counts of all) {
    const each = apart(counts);
    for (const status of STATUSES) sum[status] += each[status];
  }
  return sum;
}

/** Whether a line tells how a step ended; others are what a program printed. */
export function isStep(line: RunLineView): boolean {
  return line.kind !== 'log' && isStatus(line.status);
}
