// Runs before the page's own code is here. A file of its own: no inline scripts.
(() => {
  // Before the first paint, so that the dark page never flashes light.
  let wanted = 'auto';
  try {
    wanted = JSON.parse(localStorage.getItem('berth.preferences') ?? '{}').theme ?? 'auto';
  } catch {
    // Storage may be refused; then the system decides.
  }
  const dark =
    wanted === 'dark' || (wanted !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.bsTheme = dark ? 'dark' : 'light';

  // Whether somebody is signed in here is asked while the page's code is on its way: `api/session.ts` takes the answer.
  if (['/register', '/password'].includes(location.pathname)) return;
  const ask = () => fetch('/api/refresh', { method: 'POST', credentials: 'same-origin' });
  // As everywhere, one tab at a time: the cookie changes with each use.
  window.berthAsked = 'locks' in navigator ? navigator.locks.request('berth.renew', ask) : ask();
  window.berthAsked.catch(() => undefined);
})();
