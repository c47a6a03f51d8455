import { ADMIN } from './berth';
import { expect, signIn, somebody, test } from './test';

test('who makes an account is in at once where that is open, and a bad name is said at its field', async ({
  page,
}) => {
  await page.goto('/register');
  await page.getByLabel('Name', { exact: true }).fill('docker');
  await page.getByLabel('Password').fill('a-rope-of-words');
  await page.getByRole('button', { name: 'Make the account' }).click();
  await expect(page.getByText('belongs to the system on many machines')).toBeVisible();
  const name = `deckhand${Date.now() % 1_000_000}`;
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByRole('button', { name: 'Make the account' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Dashboard' })).toBeVisible();
  await page.goto('/users');
  await expect(page.getByRole('heading', { name: 'This is not yours to see' })).toBeVisible();
});

test('a one-time link sets a password once, and leaves the address bar', async ({ page, berth }) => {
  const who = await somebody(berth);
  await signIn(page);
  await page.goto(`/users?q=${who.username}`);
  await page.getByRole('link', { name: who.username, exact: true }).click();
  const details = page.getByRole('dialog', { name: who.username });
  await details.getByRole('button', { name: 'Make a one-time link' }).click();
  await page
    .getByRole('dialog', { name: 'A one-time link' })
    .getByRole('button', { name: 'Make a one-time link' })
    .click();
  const link = page.getByRole('dialog', { name: `One-time link for ${who.username}` });
  const url = await link.locator('code').textContent();
  await link.getByRole('button', { name: 'Done' }).click();
  await details.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Sign out' }).first().click();
  await expect(page).toHaveURL(/\/login/);

  const password = 'a-new-and-longer-rope';
  await page.goto(url ?? '');
  await expect(page).toHaveURL(/\/password$/);
  await page.getByLabel('New password', { exact: true }).fill(password);
  await page.getByLabel('New password again').fill('not the same');
  await expect(page.getByText('The two are not the same').first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Set the password' })).toBeDisabled();
  await page.getByLabel('New password again').fill(password);
  await page.getByRole('button', { name: 'Set the password' }).click();
  await expect(page.getByText('The password is set')).toBeVisible();

  await page.goto(url ?? '');
  await page.getByLabel('New password', { exact: true }).fill(password);
  await page.getByLabel('New password again').fill(password);
  await page.getByRole('button', { name: 'Set the password' }).click();
  await expect(page.getByRole('alert')).toContainText('not valid any more');
  await signIn(page, { ...who, password });
});

test('who was given a password is asked to choose another, until it is done', async ({ page, berth }) => {
  const who = await somebody(berth);
  await signIn(page, who);
  const notice = page.getByText('An admin chose your password');
  await expect(notice).toBeVisible();
  await page.getByRole('link', { name: 'Change it now' }).click();
  await page.getByLabel('Current password').fill(who.password);
  await page.getByLabel('New password', { exact: true }).fill('a-rope-of-my-own');
  await page.getByLabel('New password again').fill('a-rope-of-my-own');
  await page.getByRole('button', { name: 'Change the password' }).click();
  await expect(notice).toBeHidden();
  await page.reload();
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(notice).toBeHidden();
});

test('the last admin stays one, and whoever is suspended is told so', async ({ page, berth }) => {
  const who = await somebody(berth);
  await signIn(page);
  await page.goto(`/users?user=${ADMIN.username}`);
  const own = page.getByRole('dialog', { name: ADMIN.username });
  await expect(own.getByRole('button', { name: 'Suspend' })).toHaveAttribute('aria-disabled', 'true');
  await expect(own.getByRole('button', { name: 'Suspend' })).toHaveAccessibleDescription(/last active admin/);
  await page.goto(`/users?user=${who.username}`);
  await page.getByRole('dialog', { name: who.username }).getByRole('button', { name: 'Suspend' }).click();
  await page
    .getByRole('dialog', { name: /Suspend/ })
    .getByRole('button', { name: 'Suspend' })
    .click();
  await expect(page.getByText(`${who.username} is suspended.`)).toBeVisible();
  await page.getByRole('dialog', { name: who.username }).getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Sign out' }).first().click();
  await page.getByLabel('Name').fill(who.username);
  await page.getByLabel('Password').fill(who.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText('suspended');
});

test('an access token is shown once and works, and a key shows its fingerprint', async ({ page, berth }) => {
  const who = await somebody(berth);
  await signIn(page, who);
  await page.goto('/settings?tab=tokens');
  await page.getByRole('button', { name: 'Make a token' }).click();
  const form = page.getByRole('dialog', { name: 'Make an access token' });
  await form.getByLabel('Name').fill('nightly');
  await form.getByRole('button', { name: 'Make a token' }).click();
  const shown = page.getByRole('dialog', { name: 'Access token nightly' });
  const token = await shown.locator('code').textContent();
  await shown.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByText(token ?? '?')).toHaveCount(0);
  const answer = await page.request.get('/api/whoami', { headers: { authorization: `Bearer ${token}` } });
  expect(await answer.json()).toMatchObject({ username: who.username, via: 'token' });

  await page.goto('/settings?tab=keys');
  await page.getByRole('button', { name: 'Add a key' }).click();
  const key = page.getByRole('dialog', { name: 'Add an SSH key' });
  await key.getByLabel('Public key').fill('-----BEGIN OPENSSH PRIVATE KEY-----');
  await key.getByRole('button', { name: 'Add a key' }).click();
  await expect(key.getByText('This is a private key')).toBeVisible();
  await key
    .getByLabel('Public key')
    .fill('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER sailor@deck');
  await key.getByRole('button', { name: 'Add a key' }).click();
  await expect(key).toHaveCount(0);
  await expect(page.getByRole('listitem').filter({ hasText: 'sailor@deck' })).toContainText('SHA256:');
});

test('signing out everywhere ends the other places, too', async ({ page, browser, berth }) => {
  const who = await somebody(berth);
  const other = await (await browser.newContext({ baseURL: berth.url })).newPage();
  await signIn(other, who);
  await signIn(page, who);
  await page.goto('/settings?tab=sessions');
  await expect(page.getByText('This one')).toBeVisible();
  await page.getByRole('button', { name: 'Sign out everywhere' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click();
  await expect(page).toHaveURL(/\/login/);
  await other.goto('/settings');
  await expect(other).toHaveURL(/\/login/);
  await other.context().close();
});

test('news are counted, listed and read', async ({ page, berth }) => {
  const who = await somebody(berth);
  await signIn(page, who);
  await berth.call(who, 'POST', '/api/reservations', {
    count: 1,
    duration: '30m',
    reservation_password: 'a-pass-for-news',
  });
  await expect(page.getByRole('link', { name: /Notifications: \d+ unread/ }).first()).toBeVisible();
  await page
    .getByRole('link', { name: /Notifications: \d+ unread/ })
    .first()
    .click();
  await page.getByRole('link', { name: /Your machines are ready/ }).click();
  await expect(page).toHaveURL(/\/reservations\//);
  await page.goto('/notifications');
  await page.getByRole('button', { name: 'Mark all as read' }).click();
  await expect(page.getByRole('link', { name: 'Notifications', exact: true }).first()).toBeVisible();
  await page.getByRole('navigation', { name: 'Notifications' }).getByRole('link', { name: 'Unread' }).click();
  await expect(page.getByRole('heading', { name: 'All are read' })).toBeVisible();
  for (const { id } of (
    await berth.call<{ items: { id: string }[] }>(who, 'GET', '/api/reservations?limit=5')
  ).items) {
    await berth.call(who, 'DELETE', `/api/reservations/${id}`);
  }
});
