import { useQuery } from '@tanstack/react-query';
import { api, body } from '@/api/client';
import { queries, useList } from '@/api/query';

/** How many news are not read; the server counts up to a hundred. */
export function useUnread() {
  return useQuery({
    queryKey: ['notifications', 'unread'],
    queryFn: ({ signal }) => body(api.GET('/api/notifications', { params: { query: { limit: 1 } }, signal })),
    select: (list) => list.unread,
  });
}

export function useNotifications(unread: boolean) {
  return useList({
    key: ['notifications', unread ? 'only-unread' : 'all'],
    page: (cursor, signal) =>
      body(
        api.GET('/api/notifications', {
          params: {
            query: { limit: 50, ...(unread ? { unread: '1' } : {}), ...(cursor ? { cursor } : {}) },
          },
          signal,
        }),
      ),
  });
}

/** This one and all before it count as read. */
export async function markRead(id: string) {
  await api.POST('/api/notifications/read', { body: { up_to: id } });
  await queries.invalidateQueries({ queryKey: ['notifications'] });
}
