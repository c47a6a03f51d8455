import { replaceEqualDeep, useQuery, type InfiniteData } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import { api, body } from '@/api/client';
import { onEvent } from '@/api/live';
import { asProblem } from '@/api/problem';
import { queries, useList } from '@/api/query';
import type { AvailableView, EventView, ListMachineView, MachineView } from '@/api/schema';
import { isBusy } from './state';

// The whole pool in the browser: up to ten thousand machines, so it is not asked anew for each event. Events name the
// machine that moved, and the short list of what is free tells of the rest; only those machines are asked for again.

const ALL = ['machines', 'all'];
/** The largest page that the server gives. */
const PAGE = 500;
/** From this many on, asking for all is less work than asking for each. */
const MANY = 24;
/** Not all machines again before this long. */
const PAUSE = 10_000;
const POLL = 10_000;

/** What is free now; asked every few seconds, since others' reservations send no events here. */
export function useAvailable() {
  return useQuery({
    queryKey: ['available'],
    queryFn: ({ signal }) => body(api.GET('/api/available', { signal })),
    refetchInterval: POLL,
  });
}

/** Every machine. While pages are still on their way, the first one and `isPartial`. */
export function usePool() {
  const list = useList<MachineView>({
    key: ALL,
    all: true,
    page: async (cursor, signal) =>
      kept(await body(api.GET('/api/machines', { params: { query: { limit: PAGE, cursor } }, signal }))),
    structuralSharing: false,
    staleTime: 60_000,
    meta: { followsItself: true },
  });
  const available = useAvailable();
  useEffect(() => followEvents(), []);
  const { items, data, hasNextPage, isFetching, error } = list;
  const isPartial = hasNextPage && !error;
  useEffect(() => {
    if (!items || !available.data || hasNextPage || isFetching) return;
    // The machines were asked for after what is free: then they know better.
    if (available.dataUpdatedAt < list.dataUpdatedAt) return;
    const moved = movedSince(items, available.data);
    if (moved) notice(moved);
  }, [items, available.data, available.dataUpdatedAt, hasNextPage, isFetching, list.dataUpdatedAt]);
  const first = data?.pages[0]?.items;
  // Drawing once at the end is calmer than drawing twenty times on the way.
  const machines = useMemo(() => (isPartial ? first : items), [isPartial, first, items]);
  return {
    machines,
    isPartial,
    loaded: items?.length ?? 0,
    error,
    retry: () => void (items ? list.fetchNextPage() : list.refetch()),
  };
}

/** A page with the machines that are as they were before: what did not change is not drawn anew. */
function kept(page: ListMachineView): ListMachineView {
  const first = page.items[0]?.name;
  const before = queries.getQueryData<InfiniteData<ListMachineView>>(ALL);
  const same = before?.pages.find(({ items }) => items[0]?.name === first);
  return same ? replaceEqualDeep(same, page) : page;
}

/** The machines that cannot be where `machines` says; `all` when their names are not to be told; null when all fits. */
export function movedSince(machines: MachineView[], now: AvailableView): Set<string> | 'all' | null {
  const free = new Set(now.available);
  const busy = new Set(now.reserved);
  const moved = new Set<string>();
  const counts = new Map<string, number>();
  let known = 0;
  for (const machine of machines) {
    counts.set(machine.state, (counts.get(machine.state) ?? 0) + 1);
    if (free.delete(machine.name)) {
      known += 1;
      if (machine.state !== 'ready') moved.add(machine.name);
    } else if (busy.delete(machine.name)) {
      known += 1;
      if (!isBusy(machine.state)) moved.add(machine.name);
    } else if (machine.state === 'ready' || isBusy(machine.state)) {
      moved.add(machine.name);
    }
  }
  // New ones, or other states of the same kind.
  if (free.size + busy.size > 0) return 'all';
  if (moved.size > 0) return moved;
  const same = Object.entries(now.counts).every(([state, count]) => (counts.get(state) ?? 0) === count);
  const total = Object.values(now.counts).reduce((sum, count) => sum + count, 0);
  return same && total === machines.length && known <= total ? null : 'all';
}

let waiting = new Set<string>();
let wantsAll = false;
let timer: ReturnType<typeof setTimeout> | undefined;
let allAt = 0;
let followers = 0;
let stop: (() => void) | undefined;

function followEvents() {
  followers += 1;
  stop ??= onEvent(hear);
  return () => {
    followers -= 1;
    if (followers > 0) return;
    stop?.();
    stop = undefined;
  };
}

function hear(event: EventView) {
  if (event.machine && event.kind.startsWith('machine.')) notice(new Set([event.machine]));
}

/** These machines moved: they are asked for again, those of a short while together. */
export function notice(names: ReadonlySet<string> | 'all') {
  if (names === 'all') wantsAll = true;
  else for (const name of names) waiting.add(name);
  timer ??= setTimeout(() => {
    timer = undefined;
    void refresh();
  }, 300);
}

async function refresh() {
  const names = [...waiting];
  if (wantsAll || names.length > MANY) {
    const wait = allAt + pauseOf() - Date.now();
    if (wait > 0) {
      timer ??= setTimeout(() => {
        timer = undefined;
        void refresh();
      }, wait);
      return;
    }
    allAt = Date.now();
    wantsAll = false;
    waiting = new Set();
    await queries.invalidateQueries({ queryKey: ALL });
    return;
  }
  waiting = new Set();
  const found = await Promise.all(
    names.map(async (name) => {
      try {
        return await body(api.GET('/api/machines/{name}', { params: { path: { name } } }));
      } catch (error) {
        return asProblem(error).status === 404 ? { name, gone: true as const } : null;
      }
    }),
  );
  put(found.filter((one) => one !== null));
}

/** A short list is cheap to have again. */
function pauseOf(): number {
  const pages = queries.getQueryData<InfiniteData<ListMachineView>>(ALL)?.pages.length ?? 1;
  return pages > 1 ? PAUSE : 1000;
}

/** Puts machines as they are now into the list of all. */
export function put(found: (MachineView | { name: string; gone: true })[]) {
  const before = queries.getQueryData<InfiniteData<ListMachineView>>(ALL);
  if (!before || found.length === 0) return;
  const now = new Map(found.map((one) => [one.name, one]));
  const pages = before.pages.map((page) => {
    if (!page.items.some(({ name }) => now.has(name))) return page;
    const items = page.items.flatMap((machine) => {
      const one = now.get(machine.name);
      now.delete(machine.name);
      if (!one) return [machine];
      return 'gone' in one ? [] : [one];
    });
    return { ...page, items };
  });
  queries.setQueryData<InfiniteData<ListMachineView>>(ALL, { ...before, pages });
  if ([...now.values()].some((one) => !('gone' in one))) notice('all');
}
