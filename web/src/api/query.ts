import { type InfiniteData, QueryClient, useInfiniteQuery, type QueryKey } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import { asProblem, Problem } from './problem';

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      // What the server refused it will refuse again; what it could not answer may come.
      retry: (count, error) => {
        const { status } = asProblem(error);
        return count < 2 && (status === 0 || status >= 500);
      },
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});

declare module '@tanstack/react-query' {
  interface Register {
    defaultError: Problem;
    /** `followsItself`: too large to be asked anew for each event; whoever asked keeps it fresh. */
    queryMeta: { followsItself?: boolean };
  }
}

interface ListPage<T> {
  items: T[];
  next_cursor?: string | null;
}

/** A list of pages as one list; `all` goes on until the last page. */
export function useList<T>(options: {
  key: QueryKey;
  page: (cursor: string | undefined, signal: AbortSignal) => Promise<ListPage<T>>;
  all?: boolean;
  refetchInterval?: number | false;
  enabled?: boolean;
  staleTime?: number;
  meta?: { followsItself?: boolean };
  /** False: `page` itself keeps what is as it was; comparing all of a long list at once holds the page up. */
  structuralSharing?: false;
}) {
  const query = useInfiniteQuery<
    ListPage<T>,
    Problem,
    InfiniteData<ListPage<T>>,
    QueryKey,
    string | undefined
  >({
    queryKey: options.key,
    queryFn: ({ pageParam, signal }) => options.page(pageParam, signal),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: options.refetchInterval ?? false,
    enabled: options.enabled ?? true,
    ...(options.staleTime === undefined ? {} : { staleTime: options.staleTime }),
    ...(options.meta ? { meta: options.meta } : {}),
    ...(options.structuralSharing === undefined ? {} : { structuralSharing: options.structuralSharing }),
  });
  const { hasNextPage, isFetchingNextPage, fetchNextPage, isError } = query;
  useEffect(() => {
    if (options.all && hasNextPage && !isFetchingNextPage && !isError) void fetchNextPage();
  }, [options.all, hasNextPage, isFetchingNextPage, fetchNextPage, isError]);
  const items = useMemo(() => query.data?.pages.flatMap((page) => page.items), [query.data]);
  return { ...query, items };
}
