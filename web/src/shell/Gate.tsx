import { useEffect } from 'react';
import { Navigate, useLocation } from 'react-router';
import { queries } from '@/api/query';
import { useSession } from '@/features/accounts/session';
import { paths } from '@/lib/paths';
import { Loading } from '@/ui/states';
import { Frame } from './Frame';

/** Lets in who is signed in; the others go to the sign-in page and come back here after. */
export function Gate() {
  const now = useSession();
  const here = useLocation();
  useEffect(() => {
    // Nothing of one person stays for the next.
    if (now.status === 'out') queries.clear();
  }, [now.status]);
  if (now.status === 'unknown') return <Loading />;
  if (now.status === 'out') {
    const to = here.pathname + here.search;
    const query = new URLSearchParams(to === '/' ? {} : { to });
    if (now.why) query.set('why', now.why);
    return <Navigate to={`${paths.login}${query.size ? `?${query}` : ''}`} replace />;
  }
  return <Frame />;
}
