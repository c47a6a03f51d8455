import { createStore } from './store';

export type Theme = 'auto' | 'light' | 'dark';

/** How one person likes the page. Kept in the browser: it says nothing about the pool. */
export interface Preferences {
  theme: Theme;
  /** A language tag; none: what the browser asks for. */
  language: string | null;
  /** An IANA name; none: the browser's. */
  timeZone: string | null;
  /** Reminders and quarantines as messages on the page. */
  toasts: boolean;
}

const KEY = 'berth.preferences';
const DEFAULTS: Preferences = { theme: 'auto', language: null, timeZone: null, toasts: true };

function read(): Preferences {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>) };
  } catch {
    return DEFAULTS;
  }
}

export const preferences = createStore<Preferences>(read());

export function prefer(change: Partial<Preferences>) {
  preferences.set((before) => ({ ...before, ...change }));
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences.get()));
  } catch {
    // Storage may be refused; the choice then lasts as long as the page.
  }
}

const darkness = matchMedia('(prefers-color-scheme: dark)');

/** Whether the page is dark now. */
export function isDark(): boolean {
  const { theme } = preferences.get();
  return theme === 'dark' || (theme === 'auto' && darkness.matches);
}

/** Puts the theme on the page, now and whenever the choice or the system's changes. */
export function keepTheme() {
  const apply = () => {
    document.documentElement.dataset.bsTheme = isDark() ? 'dark' : 'light';
  };
  apply();
  preferences.watch(apply);
  darkness.addEventListener('change', apply);
  // Another tab's choice counts here, too.
  window.addEventListener('storage', (event) => {
    if (event.key === KEY) preferences.set(read());
  });
}
