import { queryOptions } from '@tanstack/react-query';
import { api, body } from '@/api/client';
import { queries } from '@/api/query';
import type { MachineView, State } from '@/api/schema';
import { now } from '@/lib/time';

/** A cleaning that takes longer than this has met something. */
const PATIENCE = 10 * 60_000;
const CLEANING: State[] = ['draining', 'cleaning', 'verifying'];

async function machinesIn(state: State, signal: AbortSignal): Promise<MachineView[]> {
  return (await body(api.GET('/api/machines', { params: { query: { state, limit: 50 } }, signal }))).items;
}

function isOverdue(machine: MachineView): boolean {
  return machine.attempts > 1 || PATIENCE < now() - Date.parse(machine.state_since);
}

/** Machines that are set aside, and cleanings that do not end. */
export const attention = queryOptions({
  queryKey: ['machines', 'attention'],
  queryFn: async ({ signal }) => {
    const lists = await Promise.all(
      (['quarantined', ...CLEANING] as State[]).map((state) => machinesIn(state, signal)),
    );
    return lists.flat().filter((machine) => machine.state === 'quarantined' || isOverdue(machine));
  },
  refetchInterval: 60_000,
});

/** What the person holds now. */
export const held = queryOptions({
  queryKey: ['reservations', 'held'],
  queryFn: ({ signal }) =>
    body(api.GET('/api/reservations', { params: { query: { state: 'live', limit: 20 } }, signal })),
  refetchInterval: 60_000,
});

/** How the pool stands. */
export const pool = queryOptions({
  queryKey: ['available', 'summary'],
  queryFn: ({ signal }) => body(api.GET('/api/available', { signal })),
  refetchInterval: 30_000,
});

/** The newest runs: one's own, or for admins all. */
export const latestRuns = queryOptions({
  queryKey: ['runs', 'latest'],
  queryFn: ({ signal }) => body(api.GET('/api/runs', { params: { query: { limit: 6 } }, signal })),
  refetchInterval: 60_000,
});

/** Asks for all of it, before it is drawn; who draws it tells what went wrong. */
export async function askAhead(isAdmin: boolean) {
  await Promise.allSettled([
    queries.query(held),
    queries.query(pool),
    queries.query(latestRuns),
    isAdmin && queries.query(attention),
  ]);
}
