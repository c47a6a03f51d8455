import { ADMIN } from './berth';
import { emptyPool, expect, signIn, somebody, test, type Page } from './test';

/** What the terminal shows. */
function screen(page: Page) {
  return page.locator('.xterm-rows');
}

async function type(page: Page, line: string) {
  await page.locator('.xterm-helper-textarea').pressSequentially(line);
  await page.keyboard.press('Enter');
}

test('an admin imports machines: faults are shown where they are, and nothing happens unseen', async ({
  page,
  berth,
}) => {
  await signIn(page);
  await page.goto('/machines/import');
  const editor = page.getByRole('textbox', { name: 'Inventory (YAML)' });
  await editor.fill(berth.inventory().replace('host: 127.0.0.1', 'hots: 127.0.0.1'));
  await page.getByRole('button', { name: 'See what would happen' }).click();
  const faults = page.getByRole('region', { name: '2 faults; nothing can be imported' });
  await expect(faults.getByRole('button').first()).toContainText('2:5');
  await expect(faults).toContainText('Unknown key `hots`; did you mean `host`?');
  await editor.fill(berth.inventory().replace('zone: south', 'zone: west'));
  await page.getByRole('button', { name: 'See what would happen' }).click();
  await expect(page.getByRole('table').filter({ hasText: 'quay-02' })).toContainText('labels');
  // Passwords are not shown back.
  await expect(page.getByRole('table').getByText('harbour-light')).toHaveCount(0);
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await expect(page.getByText('The import is done.').first()).toBeVisible({ timeout: 60_000 });
  await page.goto('/machines?label=zone%3Dwest');
  await expect(page.getByRole('link', { name: 'quay-02' })).toBeVisible();
});

test('somebody makes an account, books two machines, works in a terminal, extends, and gives them back', async ({
  page,
  berth,
}) => {
  await emptyPool(berth);
  const me = { username: 'ada', password: 'engine-of-1843-notes' };
  await page.goto('/register');
  await page.getByLabel('Name', { exact: true }).fill(me.username);
  await page.getByLabel('Password', { exact: true }).fill(me.password);
  await page.getByRole('button', { name: 'Make the account' }).click();
  // Registration is open here: one is in at once.
  await expect(page.getByRole('heading', { level: 1, name: 'Dashboard' })).toBeVisible();

  await page.getByRole('link', { name: 'Reserve machines' }).click();
  await page.getByRole('button', { name: 'One more' }).click();
  await page.getByRole('button', { name: 'Reserve 2 machines' }).click();
  await expect(page).toHaveURL(/\/reservations\/[0-9a-f-]{36}$/);
  await expect(page.getByTestId('state')).toHaveText('Active', { timeout: 60_000 });

  // The password that was made is there once, and after a reload no more.
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page.getByTestId('password')).not.toContainText('•');
  await page.reload();
  await expect(page.getByTestId('state')).toHaveText('Active');
  await expect(page.getByTestId('password')).toHaveCount(0);
  // The log survived the reload, and what the machines were told is in it.
  await expect(page.getByText(/create|account/i).first()).toBeVisible();

  const place = page.getByTestId(/^place-/).first();
  const machine = (await place.getAttribute('data-testid'))?.replace('place-', '') ?? '';
  await place.getByRole('link', { name: 'Terminal' }).click();
  await expect(page.getByText('Connected')).toBeVisible({ timeout: 30_000 });
  await type(page, 'echo "I am $(id -un), not $((6 * 7))"');
  await expect(screen(page)).toContainText('I am ada, not 42');
  await page.setViewportSize({ width: 900, height: 700 });
  await type(page, 'clear; echo "columns: $(stty size | cut -d" " -f2)"');
  await expect(screen(page)).toContainText(/columns: (8|9)\d/);
  // A flood does not take the page away, and can be ended.
  await type(page, 'yes flood');
  await expect(screen(page)).toContainText('flood');
  await page.keyboard.press('Control+c');
  await type(page, 'clear; echo dry land');
  await expect(screen(page)).toContainText('dry land', { timeout: 30_000 });
  // Links and clipboard writes of the output are text.
  await type(page, String.raw`printf '\033]52;c;aGVsbG8=\a\033]8;;https://example.org\ahere\033]8;;\a\n'`);
  await expect(screen(page).getByText('here').last()).toBeVisible();
  await page.setViewportSize({ width: 1280, height: 800 });

  await page.getByRole('link', { name: 'Back to the reservation' }).click();
  const before = await page.getByTestId('time-left').textContent();
  await page.getByRole('button', { name: 'Extend' }).click();
  await page.getByRole('button', { name: '+ 30 min' }).click();
  await expect(page.getByTestId('new-end')).not.toHaveText('–');
  await page.getByRole('dialog').getByRole('button', { name: 'Extend' }).click();
  await expect(page.getByText(/^Extended\. It ends on/)).toBeVisible();
  await expect(page.getByTestId('time-left')).not.toHaveText(before ?? '');
  await expect(page.getByTestId('time-left')).toContainText('1:2');

  const place1 = berth.machines.find(({ name }) => name === machine);
  if (!place1) throw new Error(`${machine} is no machine of ours`);
  expect(await berth.onMachine(place1, 'id -un ada')).toContain('ada');
  await page.getByRole('button', { name: 'Release' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
  await expect(page.getByTestId('state')).toHaveText('Over', { timeout: 60_000 });
  expect(await berth.onMachine(place1, 'id -un ada 2>&1 || true')).not.toMatch(/^ada/);
});

test('what is somebody else’s is refused: the reservation, its terminal, and the pages of admins', async ({
  page,
  berth,
}) => {
  await emptyPool(berth);
  const [owner, stranger] = [await somebody(berth), await somebody(berth)];
  const wanted = { count: 1, duration: '20m', reservation_password: 'a-pass-of-mine' };
  const made = await berth.call<{ id: string; machines: { machine: string }[] }>(
    owner,
    'POST',
    '/api/reservations',
    wanted,
  );
  const machine = made.machines[0]?.machine ?? '';
  await signIn(page, stranger);
  await page.goto(`/reservations/${made.id}`);
  await expect(page.getByRole('alert')).toContainText('There is nothing here');
  await page.goto(`/reservations/${made.id}/terminal/${machine}`);
  await expect(page.getByRole('alert')).toContainText('there is no reservation', { ignoreCase: true });
  await page.goto('/audit');
  await expect(page.getByRole('alert').or(page.getByText('This is not yours to see')).first()).toBeVisible();
  await page.goto(`/machines/${machine}`);
  // Where it is and how one gets in is told only to who holds it.
  await expect(page.getByRole('heading', { level: 1 })).toContainText(machine);
  await expect(page.getByText('127.0.0.1')).toHaveCount(0);
  await emptyPool(berth);
});

test('when the time is over, the page and the terminal say so by themselves', async ({
  page,
  context,
  berth,
}) => {
  test.setTimeout(240_000);
  await emptyPool(berth);
  const owner = await somebody(berth);
  const wanted = { count: 1, duration: '1m', reservation_password: 'a-pass-of-mine' };
  const made = await berth.call<{ id: string; machines: { machine: string }[] }>(
    owner,
    'POST',
    '/api/reservations',
    wanted,
  );
  await signIn(page, owner);
  await page.goto(`/reservations/${made.id}`);
  await expect(page.getByTestId('state')).toHaveText('Active', { timeout: 60_000 });
  const terminal = await context.newPage();
  await terminal.goto(`/reservations/${made.id}/terminal/${made.machines[0]?.machine ?? ''}`);
  await expect(terminal.getByText('Connected')).toBeVisible({ timeout: 30_000 });
  await expect(page).toHaveTitle(/left/);
  await expect(terminal.locator('.terminal-note')).toContainText(/over|ended|expired/i, { timeout: 90_000 });
  await expect(page.getByTestId('state')).toHaveText('Over', { timeout: 90_000 });
  await expect(page.getByRole('link', { name: 'Book the same again' })).toBeVisible();
  await terminal.close();
});

test('admins release everything with a typed word', async ({ page, berth }) => {
  await emptyPool(berth);
  const owner = await somebody(berth);
  await berth.call(owner, 'POST', '/api/reservations', {
    count: 1,
    duration: '20m',
    reservation_password: 'a-pass-of-mine',
  });
  await signIn(page, ADMIN);
  await page.goto('/reservations?whose=all');
  await page.getByRole('button', { name: 'Release all' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Release all' })).toHaveAttribute('aria-disabled', 'true');
  await dialog.getByRole('textbox').fill('release all');
  await dialog.getByRole('button', { name: 'Release all' }).click();
  await expect(page.getByRole('table', { name: 'What happened to each reservation' })).toContainText(
    owner.username,
  );
  await emptyPool(berth);
});
