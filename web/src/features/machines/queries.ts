import { useQuery } from '@tanstack/react-query';
import { api, body, idempotency } from '@/api/client';
import { queries, useList } from '@/api/query';
import type { CreateMachine, MachineView, UpdateMachine } from '@/api/schema';
import { put } from './pool';

export function useMachine(name: string) {
  return useQuery({
    queryKey: ['machines', 'one', name],
    queryFn: ({ signal }) => body(api.GET('/api/machines/{name}', { params: { path: { name } }, signal })),
    // A step that is under way ends without an event for everybody.
    refetchInterval: (query) => (query.state.data?.state === 'ready' ? 30_000 : 5000),
  });
}

export function useRunsOf(machine: string) {
  return useList({
    key: ['runs', 'machine', machine],
    page: (cursor, signal) =>
      body(api.GET('/api/runs', { params: { query: { machine, limit: 20, cursor } }, signal })),
  });
}

export function usePools() {
  return useQuery({
    queryKey: ['available', 'pools'],
    queryFn: ({ signal }) => body(api.GET('/api/pools', { signal })),
    staleTime: 60_000,
  });
}

/** Each change of a machine's state, newest first. */
export function useMovesOf(machine: string) {
  return useList({
    key: ['history', 'moves', machine],
    page: (cursor, signal) =>
      body(
        api.GET('/api/machines/{name}/history', {
          params: { path: { name: machine }, query: { limit: 15, cursor } },
          signal,
        }),
      ),
    refetchInterval: 30_000,
  });
}

/** What the server answered about a machine is what is shown of it from now on. */
function learn(machine: MachineView): MachineView {
  queries.setQueryData(['machines', 'one', machine.name], machine);
  put([machine]);
  for (const key of ['available', 'history']) void queries.invalidateQueries({ queryKey: [key] });
  return machine;
}

export async function createMachine(create: CreateMachine) {
  const registered = await body(api.POST('/api/machines', { body: create, headers: idempotency() }));
  learn(registered.machine);
  return registered;
}

export async function updateMachine(name: string, change: Partial<UpdateMachine>) {
  // What is left out stays as it is; the description makes every field a required null.
  const answer = api.PATCH('/api/machines/{name}', {
    params: { path: { name } },
    body: change as UpdateMachine,
  });
  return learn(await body(answer));
}

export async function checkMachine(name: string, acceptNewHostKey = false) {
  const answer = api.POST('/api/machines/{name}/check', {
    params: { path: { name } },
    body: { accept_new_host_key: acceptNewHostKey },
  });
  return learn(await body(answer));
}

export async function quarantineMachine(name: string, reason: string) {
  const answer = api.POST('/api/machines/{name}/quarantine', {
    params: { path: { name } },
    body: { reason },
  });
  return learn(await body(answer));
}

export async function releaseMachine(name: string) {
  return learn(await body(api.POST('/api/machines/{name}/release', { params: { path: { name } } })));
}

export async function deleteMachine(name: string) {
  await body(api.DELETE('/api/machines/{name}', { params: { path: { name } } }));
  put([{ name, gone: true }]);
  for (const key of ['available', 'history']) void queries.invalidateQueries({ queryKey: [key] });
}

/** Reads an inventory; `dryRun` changes nothing. */
export async function importMachines(text: string, how: { dryRun: boolean; remove: boolean }) {
  const imported = await body(
    api.POST('/api/machines/import', {
      params: {
        query: { dry_run: how.dryRun ? '1' : '0', remove: how.remove ? '1' : '0' },
      },
      headers: { 'content-type': 'application/yaml', ...(how.dryRun ? {} : idempotency()) },
      body: text,
      bodySerializer: (yaml) => yaml,
    }),
  );
  if (!how.dryRun) void queries.invalidateQueries({ queryKey: ['machines'] });
  return imported;
}
