// Runs before the first paint, so that the dark page never flashes light. A file of its own: no inline scripts here.
(() => {
  let wanted = 'auto';
  try {
    wanted = JSON.parse(localStorage.getItem('berth.preferences') ?? '{}').theme ?? 'auto';
  } catch {
    // Storage may be refused; then the system decides.
  }
  const dark =
    wanted === 'dark' || (wanted !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.bsTheme = dark ? 'dark' : 'light';
})();
