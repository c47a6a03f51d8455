import { useQueries, useQuery } from '@tanstack/react-query';
import { api, body } from '@/api/client';
import { queries, useList } from '@/api/query';
import type { RunLineView, RunView } from '@/api/schema';

export interface RunChoice {
  machine?: string;
  state?: string;
  reservation?: string;
}

export function useRuns(choice: RunChoice, refetchInterval = 60_000) {
  return useList<RunView>({
    key: ['runs', 'list', choice],
    page: (cursor, signal) =>
      body(
        api.GET('/api/runs', {
          params: { query: { ...choice, limit: 100, ...(cursor ? { cursor } : {}) } },
          signal,
        }),
      ),
    refetchInterval,
  });
}

export function useRun(id: string | undefined) {
  return useQuery({
    queryKey: ['runs', 'one', id],
    queryFn: ({ signal }) => body(api.GET('/api/runs/{id}', { params: { path: { id: id ?? '' } }, signal })),
    enabled: id !== undefined,
    // Events tell of progress; this is for when they do not come.
    refetchInterval: (query) => (query.state.data?.state === 'running' ? 3000 : false),
  });
}

/** What of a log is looked for. */
export interface LineChoice {
  machine?: string;
  status?: string;
  kind?: string;
  q?: string;
}

async function lines(id: string, after: number, limit: number, choice: LineChoice, signal: AbortSignal) {
  const answer = await body(
    api.GET('/api/runs/{id}/events', {
      params: { path: { id }, query: { ...choice, after, limit } },
      signal,
    }),
  );
  return answer.items;
}

/** Lines of one request, and of one piece of the log that is kept. */
const WINDOW = 400;
/** How soon what was written meanwhile is asked for. */
const SOON = 300;

/**
 * Lines of a log by their place, from 0. Only the pieces around `from` and `to` are asked for, each line once: what was
 * written stays as it is, so a piece that is full is never asked for again, and one that is not grows at its end.
 */
export function useLines(run: RunView, from: number, to: number, rest: boolean) {
  const first = Math.floor(from / WINDOW);
  const last = Math.max(first, Math.floor(to / WINDOW));
  const pieces = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const results = useQueries({
    queries: pieces.map((piece) => {
      const queryKey = ['run-lines', run.id, piece];
      const wanted = Math.min(WINDOW, run.lines - piece * WINDOW);
      return {
        queryKey,
        queryFn: async ({ signal }: { signal: AbortSignal }) => {
          const have = queries.getQueryData<RunLineView[]>(queryKey) ?? [];
          if (have.length >= WINDOW) return have;
          const more = await lines(run.id, piece * WINDOW + have.length, WINDOW - have.length, {}, signal);
          return [...have, ...more];
        },
        enabled: rest || queries.getQueryData(queryKey) !== undefined,
        staleTime: Infinity,
        gcTime: 120_000,
        refetchInterval: (query: { state: { data?: RunLineView[] | undefined; status: string } }) => {
          if ((query.state.data?.length ?? 0) >= wanted) return false;
          return query.state.status === 'error' ? 3000 : SOON;
        },
      };
    }),
  });
  return {
    line: (index: number): RunLineView | undefined =>
      results[Math.floor(index / WINDOW) - first]?.data?.[index % WINDOW],
    error: results.find((result) => result.error && !result.data)?.error ?? null,
    retry: () => {
      for (const result of results) if (result.error) void result.refetch();
    },
  };
}

interface Found {
  lines: RunLineView[];
  /** All up to this line was looked through. */
  upTo: number;
}

/** The lines that match, from the first on; more of them while `near` says that their end is in sight. */
export function useMatches(run: RunView | undefined, choice: LineChoice, near: boolean, size = 500) {
  const queryKey = ['run-lines', run?.id, 'where', choice];
  const total = run?.lines ?? 0;
  return useQuery<Found>({
    queryKey,
    queryFn: async ({ signal }) => {
      const have = queries.getQueryData<Found>(queryKey) ?? { lines: [], upTo: 0 };
      const more = await lines(run?.id ?? '', have.upTo, size, choice, signal);
      const last = more.at(-1)?.seq ?? have.upTo;
      return {
        lines: more.length > 0 ? [...have.lines, ...more] : have.lines,
        upTo: more.length < size ? Math.max(last, total) : last,
      };
    },
    enabled: run !== undefined && total > 0,
    staleTime: Infinity,
    gcTime: 60_000,
    refetchInterval: (query) => {
      const found = query.state.data;
      if (!found || found.upTo >= total || !near) return false;
      return query.state.status === 'error' ? 3000 : SOON;
    },
  });
}

/** Most results that are drawn as a grid. */
export const MOST_STEPS = 20_000;

/** The steps of a run, for its grid: all of them, or as many as can be drawn. */
export function useSteps(run: RunView | undefined) {
  // A long log is mostly what programs printed; only the tasks of it are asked for.
  const choice: LineChoice = run && run.lines > 4000 ? { kind: 'task' } : {};
  const key = ['run-lines', run?.id, 'where', choice];
  const have = queries.getQueryData<Found>(key)?.lines.length ?? 0;
  return useMatches(run, choice, have < MOST_STEPS, 2000);
}
