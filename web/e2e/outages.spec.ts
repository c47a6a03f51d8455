import { ADMIN } from './berth';
import { emptyPool, expect, signIn, test } from './test';

test('a server that is killed under the page is missed, and the page goes on when it is back', async ({
  page,
  berth,
}) => {
  await signIn(page);
  const pool = page.getByRole('region', { name: 'The pool' });
  await expect(pool).toContainText('Ready');
  await berth.killServer();
  await expect(page.getByTestId('line-bar')).toContainText('cannot be reached');
  // What was known stays in sight, with its age.
  await expect(pool).toContainText('Ready');
  await berth.serve();
  await expect(page.getByTestId('line-bar')).toHaveCount(0, { timeout: 30_000 });
  // The stream is alive again: a change made elsewhere appears by itself.
  const { name } = berth.machines[0] ?? { name: '' };
  await berth.call(ADMIN, 'POST', `/api/machines/${name}/quarantine`, { reason: 'the cable is loose' });
  await expect(page.getByRole('region', { name: 'Needs a look' })).toContainText('The cable is loose');
  await berth.call(ADMIN, 'POST', `/api/machines/${name}/release`);
  await emptyPool(berth);
  await expect(page.getByRole('region', { name: 'Needs a look' })).toContainText('All is well');
});

test('offline is said at once, and is over at once', async ({ page, context }) => {
  await signIn(page);
  await context.setOffline(true);
  await expect(page.getByTestId('line-bar')).toContainText('You are offline');
  await context.setOffline(false);
  await expect(page.getByTestId('line-bar')).toHaveCount(0, { timeout: 30_000 });
});

test('a page that is not let through by a proxy that holds streams back asks instead', async ({ page }) => {
  await page.route('**/api/events', (route) => route.abort());
  await page.route('**/api/events?*', (route) => route.continue());
  await signIn(page);
  await expect(page.getByTestId('line-bar')).toContainText('every few seconds', { timeout: 30_000 });
});
