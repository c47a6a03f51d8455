import { test as base, expect, type Page } from '@playwright/test';
import { ADMIN, Berth } from './berth';

/** Every spec gets the one running Berth, and a page that fails the test when it logs an error nobody expected. */
export const test = base.extend<{ faults: string[] }, { berth: Berth }>({
  berth: [
    async ({}, use) => {
      const berth = await Berth.start(3);
      await berth.register();
      await use(berth);
      await berth.stop();
    },
    { scope: 'worker', timeout: 180_000 },
  ],
  baseURL: async ({ berth }, use) => use(berth.url),
  // What the browser complains of: scripts that failed, and what the content security policy held back.
  faults: [
    async ({ page }, use) => {
      const faults: string[] = [];
      page.on('pageerror', (error) => faults.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
          faults.push(message.text());
      });
      await use(faults);
      expect(faults, 'the browser has nothing to complain of').toEqual([]);
    },
    { auto: true },
  ],
});

export { expect, type Page };

export async function signIn(page: Page, who = ADMIN) {
  await page.goto('/login');
  await page.getByLabel('Name').fill(who.username);
  await page.getByLabel('Password').fill(who.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Dashboard' })).toBeVisible();
}

let people = 0;

/** Somebody new, who may book. */
export async function somebody(berth: Berth): Promise<{ username: string; password: string }> {
  people += 1;
  const who = { username: `sailor${people}`, password: 'a-long-rope-and-4-knots' };
  await berth.call(ADMIN, 'POST', '/api/users', who);
  return who;
}

/** Gives everything back and waits until all machines are free again. */
export async function emptyPool(berth: Berth) {
  await berth.call(ADMIN, 'POST', '/api/release_all');
  await expect
    .poll(
      async () =>
        (await berth.call<{ available: string[] }>(ADMIN, 'GET', '/api/available')).available.length,
      {
        timeout: 60_000,
      },
    )
    .toBe(berth.machines.length);
}
