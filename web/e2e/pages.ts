import { ADMIN, type Berth } from './berth';
import { expect, type Page } from './test';

export interface Sight {
  name: string;
  path: string;
  /** Seen without signing in. */
  outside?: boolean;
}

interface Reservation {
  id: string;
  state: string;
  runs: string[];
  machines: { machine: string }[];
}

/** Every page, with something on it: a reservation in use, a run that ended, a machine set aside. */
export async function sights(berth: Berth): Promise<Sight[]> {
  const call = <T>(method: string, path: string, body?: unknown) => berth.call<T>(ADMIN, method, path, body);
  const wanted = { count: 1, duration: '45m', reservation_password: 'a-pass-for-looks' };
  const { id } = await call<Reservation>('POST', '/api/reservations', wanted);
  let made: Reservation | undefined;
  await expect
    .poll(async () => (made = await call<Reservation>('GET', `/api/reservations/${id}`)).state, {
      timeout: 60_000,
    })
    .toBe('active');
  const held = made?.machines[0]?.machine ?? '';
  const aside = berth.machines.find(({ name }) => name !== held)?.name ?? '';
  await call('POST', `/api/machines/${aside}/quarantine`, {
    reason: 'the fan is loud; Ada looks at it on Monday',
  });
  return [
    { name: 'login', path: '/login', outside: true },
    { name: 'register', path: '/register', outside: true },
    { name: 'password', path: '/password?token=not-a-real-one', outside: true },
    { name: 'dashboard', path: '/' },
    { name: 'machines', path: '/machines' },
    { name: 'machine', path: `/machines/${held}` },
    { name: 'machine-aside', path: `/machines/${aside}` },
    { name: 'machine-new', path: '/machines/new' },
    { name: 'import', path: '/machines/import' },
    { name: 'available', path: '/available' },
    { name: 'reservations', path: '/reservations' },
    { name: 'reservation-new', path: '/reservations/new' },
    { name: 'reservation', path: `/reservations/${id}` },
    { name: 'terminal', path: `/reservations/${id}/terminal/${held}` },
    { name: 'runs', path: '/runs' },
    { name: 'run', path: `/runs/${made?.runs[0] ?? ''}` },
    { name: 'users', path: '/users' },
    { name: 'audit', path: '/audit' },
    { name: 'notifications', path: '/notifications' },
    ...['profile', 'keys', 'tokens', 'sessions', 'appearance', 'notifications'].map((tab) => ({
      name: `settings-${tab}`,
      path: `/settings?tab=${tab}`,
    })),
    { name: 'nowhere', path: '/no/such/page' },
  ];
}

/** Goes to a page and waits until it shows what it has. */
export async function visit(page: Page, sight: Sight) {
  await page.goto(sight.path);
  await expect(page.getByRole('heading').first()).toBeVisible();
  await expect(page.locator('.placeholder-glow')).toHaveCount(0);
}
