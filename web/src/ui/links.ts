import { useCallback, type MouseEvent } from 'react';
import { useNavigate } from 'react-router';

/**
 * One listener for all plain links inside: a table draws hundreds of them while it is scrolled, and a `Link` each would
 * cost more than the rows. What the browser does with a click (new tab, download) stays the browser's.
 */
export function usePlainLinks(): (event: MouseEvent) => void {
  const navigate = useNavigate();
  return useCallback(
    (event: MouseEvent) => {
      if (event.defaultPrevented || event.button !== 0) return;
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      const link = (event.target as Element).closest('a[href^="/"]');
      const to = link?.getAttribute('href');
      if (!to || link?.hasAttribute('target')) return;
      event.preventDefault();
      void navigate(to);
    },
    [navigate],
  );
}
