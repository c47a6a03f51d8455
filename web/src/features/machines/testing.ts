import type { MachineView } from '@/api/schema';

/** A machine for tests. */
export function machine(name: string, more: Partial<MachineView> = {}): MachineView {
  return {
    name,
    pool: 'default',
    labels: {},
    state: 'ready',
    state_since: '2026-11-21T10:00:00Z',
    last_check_at: '2026-11-21T10:00:00Z',
    attempts: 0,
    created_at: '2026-11-21T10:00:00Z',
    ...more,
  };
}
