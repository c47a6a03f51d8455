import type { Effect, Imported, ImportedMachine, Outcome } from '@/api/schema';
import type { ToneName } from '@/ui/Tone';

// What an import does: `src/machines/plan.rs`, `src/machines/import.rs`.

/** `yaml::MAX_BYTES`. */
export const MAX_BYTES = 8 * 1024 * 1024;

export const EXAMPLE = `# Each machine: name, host, port, user, and password or key_file;
# further labels, pool, host_key and jump.
machines:
  - name: quay-01
    host: 192.0.2.11
    user: root
    password: harbour-light  # used once, to install Berth's own key
    labels: { zone: north, gpu: a100 }
  - name: quay-02
    host: 192.0.2.12
    user: root
    password: harbour-light
`;

/** The groups of a plan, and of what was done: those that need attention first. */
export const GROUPS = ['failed', 'removed', 'changed', 'new', 'unchanged'] as const;
export type Group = (typeof GROUPS)[number];

export const GROUP_TONES: Record<Group, ToneName> = {
  failed: 'bad',
  removed: 'busy',
  changed: 'held',
  new: 'good',
  unchanged: 'off',
};

export const OUTCOME_TONES: Record<Outcome, ToneName> = {
  registered: 'good',
  checked: 'good',
  failed: 'bad',
  planned: 'busy',
};

export function groupOf(item: ImportedMachine): Group {
  return item.outcome === 'failed' ? 'failed' : item.change;
}

export function countsOf(imported: Imported): Map<Group, number> {
  const counts = new Map<Group, number>();
  for (const item of imported.items) counts.set(groupOf(item), (counts.get(groupOf(item)) ?? 0) + 1);
  return counts;
}

/** Machines that are registered and not in the file. */
export function missingOf(imported: Imported): string[] {
  return imported.items.filter(({ change }) => change === 'removed').map(({ name }) => name);
}

/** Whether an import would do anything at all. */
export function doesSomething(imported: Imported, remove: boolean): boolean {
  const acts: Effect[] = remove ? ['new', 'changed', 'removed'] : ['new', 'changed'];
  return imported.items.some(({ change }) => acts.includes(change));
}

/** The text area writes its lines with `\n`; so must what stands in it. */
export function asTyped(text: string): string {
  return text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n');
}
