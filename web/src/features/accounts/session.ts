import { useEffect, useRef } from 'react';
import { session, renew } from '@/api/session';
import { useStore } from '@/lib/store';

/** Finds out once whether somebody is signed in here: the refresh cookie knows. */
export function useSession() {
  const now = useStore(session);
  const asked = useRef(false);
  useEffect(() => {
    if (asked.current || session.get().status !== 'unknown') return;
    asked.current = true;
    const ask = () => {
      renew().catch(() => {
        // Refused is an answer; unreachable is not, and the question is put again.
        if (session.get().status === 'unknown') setTimeout(ask, 2000);
      });
    };
    ask();
  }, []);
  return now;
}
