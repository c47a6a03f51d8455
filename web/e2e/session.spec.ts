import { ADMIN } from './berth';
import { expect, signIn, test } from './test';

test('signing in leads back to the page that was asked for, and signing out closes it', async ({ page }) => {
  await page.goto('/settings');
  await expect(page).toHaveURL(/\/login\?to=%2Fsettings/);
  await page.getByLabel('Name').fill(ADMIN.username);
  await page.getByLabel('Password').fill('not this one');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText('Request');
  await page.getByLabel('Password').fill(ADMIN.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL(/\/settings/);
  await page.getByRole('button', { name: 'Sign out' }).first().click();
  await expect(page).toHaveURL(/\/login/);
  await page.goto('/');
  await expect(page).toHaveURL(/\/login/);
});

test('a reload keeps the session, and no token is ever stored', async ({ page }) => {
  await signIn(page);
  await page.reload();
  await expect(page.getByRole('heading', { level: 1, name: 'Dashboard' })).toBeVisible();
  const stored = await page.evaluate(() =>
    JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]),
  );
  expect(stored).not.toContain('eyJ');
  expect(await page.evaluate(() => document.cookie)).toBe('');
});

test('a link to somebody else is no way back', async ({ page, berth }) => {
  await signIn(page);
  await page.goto('/login?to=//example.org/');
  await expect(page).toHaveURL(`${berth.url}/`);
});
