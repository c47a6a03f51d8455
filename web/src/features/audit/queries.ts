import { api, body } from '@/api/client';
import { useList } from '@/api/query';
import { now } from '@/lib/time';
import { sinceOf } from './actions';

export interface AuditFilter {
  actor: string;
  action: string;
  /** A span as `24h`, or a moment. */
  since: string;
}

/** Who did what, newest first, page by page. */
export function useAudit({ actor, action, since }: AuditFilter) {
  return useList({
    key: ['audit', actor, action, since],
    page: (cursor, signal) => {
      const from = sinceOf(since, now());
      return body(
        api.GET('/api/audit', {
          params: {
            query: {
              limit: 100,
              ...(actor ? { actor } : {}),
              ...(action ? { action } : {}),
              ...(from ? { since: from } : {}),
              ...(cursor ? { cursor } : {}),
            },
          },
          signal,
        }),
      );
    },
  });
}
