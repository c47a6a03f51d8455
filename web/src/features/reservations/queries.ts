import { useQuery } from '@tanstack/react-query';
import { api, body, idempotency } from '@/api/client';
import { queries, useList } from '@/api/query';
import { Problem } from '@/api/problem';
import type { CreateReservation, ReservationView } from '@/api/schema';
import { isMoving, isOver } from './state';

/** The pools and their rules, the default one first. */
export function usePools() {
  return useQuery({
    queryKey: ['available', 'pool-rules'],
    queryFn: async ({ signal }) => (await body(api.GET('/api/pools', { signal }))).items,
  });
}

/** What is free now in a pool, with exactly these labels. */
export function useFree(pool: string, labels: Record<string, string>, enabled = true) {
  const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return useQuery({
    queryKey: ['available', 'for', pool, label],
    queryFn: ({ signal }) => body(api.GET('/api/available', { params: { query: { pool, label } }, signal })),
    enabled,
    refetchInterval: 30_000,
    placeholderData: (before) => before,
  });
}

export function useMyKeys() {
  return useQuery({
    queryKey: ['me', 'ssh-keys', 'for-reserving'],
    queryFn: async ({ signal }) => (await body(api.GET('/api/me/ssh-keys', { signal }))).items,
    staleTime: 0,
  });
}

export type Whose = 'mine' | 'all';
export type Stage = 'live' | 'ended' | 'any';

export function useReservations(whose: Whose, stage: Stage) {
  const page = async (cursor: string | undefined, signal: AbortSignal) =>
    body(
      api.GET('/api/reservations', {
        params: {
          query: {
            limit: 100,
            ...(cursor ? { cursor } : {}),
            ...(whose === 'all' ? { all: '1' } : {}),
            ...(stage === 'any' ? {} : { state: stage }),
          },
        },
        signal,
      }),
    );
  return useList<ReservationView>({
    key: ['reservations', 'list', whose, stage],
    page,
    refetchInterval: 60_000,
  });
}

export function useReservation(id: string) {
  return useQuery({
    queryKey: ['reservations', 'one', id],
    queryFn: ({ signal }) => body(api.GET('/api/reservations/{id}', { params: { path: { id } }, signal })),
    // Events tell of changes; this is for when they do not come.
    refetchInterval: (query) => {
      const state = query.state.data?.state ?? '';
      return isMoving(state) ? 3000 : isOver(state) ? false : 20_000;
    },
  });
}

/** What happened to a reservation, newest first. */
export function useReservationHistory(id: string) {
  return useList({
    key: ['history', 'reservation', id],
    page: (cursor, signal) =>
      body(
        api.GET('/api/history', {
          params: { query: { reservation: id, limit: 50, ...(cursor ? { cursor } : {}) } },
          signal,
        }),
      ),
  });
}

function changed() {
  for (const key of ['reservations', 'available', 'machines', 'history', 'runs']) {
    void queries.invalidateQueries({ queryKey: [key] });
  }
}

/** The booking under way: the same request sent again after a cut is done once. */
let attempt: { request: string; headers: Record<string, string> } | null = null;

export async function book(request: CreateReservation): Promise<ReservationView> {
  const text = JSON.stringify(request);
  if (attempt?.request !== text) attempt = { request: text, headers: idempotency() };
  try {
    const reservation = await body(
      api.POST('/api/reservations', { body: request, headers: attempt.headers }),
    );
    attempt = null;
    changed();
    return reservation;
  } catch (error) {
    // Only an answer ends the attempt: after silence nobody knows whether it was done.
    if (error instanceof Problem && error.status !== 0) attempt = null;
    throw error;
  }
}

export async function extend(id: string, duration: string): Promise<ReservationView> {
  const after = await body(
    api.POST('/api/reservations/{id}/extend', { params: { path: { id } }, body: { duration } }),
  );
  queries.setQueryData(['reservations', 'one', id], after);
  changed();
  return after;
}

export async function release(id: string): Promise<ReservationView> {
  const after = await body(api.DELETE('/api/reservations/{id}', { params: { path: { id } } }));
  queries.setQueryData(['reservations', 'one', id], after);
  changed();
  return after;
}

export async function releaseAll() {
  const result = await body(api.POST('/api/release_all'));
  changed();
  return result;
}
