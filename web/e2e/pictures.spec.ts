import { join, resolve } from 'node:path';
import { sights, visit } from './pages';
import { signIn, test } from './test';

// `just pictures`: every page, to be looked at one by one.
const into = resolve(import.meta.dirname, '../../.local/pictures');

test('pictures of every page', async ({ page, berth }) => {
  test.setTimeout(600_000);
  const all = await sights(berth);
  const looks = [
    { name: 'light', colorScheme: 'light', width: 1280, height: 800 },
    { name: 'dark', colorScheme: 'dark', width: 1280, height: 800 },
    { name: 'phone', colorScheme: 'light', width: 390, height: 844 },
  ] as const;
  for (const outside of [true, false]) {
    if (!outside) await signIn(page);
    for (const look of looks) {
      await page.emulateMedia({ colorScheme: look.colorScheme });
      await page.setViewportSize({ width: look.width, height: look.height });
      for (const sight of all.filter((one) => Boolean(one.outside) === outside)) {
        await visit(page, sight);
        await page.waitForTimeout(700);
        await page.screenshot({
          path: join(into, `${sight.name}-${look.name}.png`),
          fullPage: look.name === 'phone',
        });
      }
    }
  }
});
