import AxeBuilder from '@axe-core/playwright';
import { ADMIN, type Berth } from './berth';
import { sights, visit } from './pages';
import { emptyPool, expect, signIn, test } from './test';

test('no page has a serious or critical barrier, in the light or in the dark', async ({ page, berth }) => {
  test.setTimeout(600_000);
  const all = await sights(berth);
  for (const outside of [true, false]) {
    if (!outside) await signIn(page);
    for (const sight of all.filter((one) => Boolean(one.outside) === outside)) {
      await visit(page, sight);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await expect(page.locator('html')).toHaveAttribute('data-bs-theme', colorScheme);
        // Colours in transition are no colours yet; what pulses for ever is not waited for.
        await page.evaluate(() =>
          Promise.all(
            document
              .getAnimations()
              .filter((one) => one instanceof CSSTransition)
              .map((one) => one.finished.catch(() => null)),
          ),
        );
        const { violations } = await new AxeBuilder({ page }).analyze();
        const bad = violations
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(
            ({ id, nodes }) =>
              `${id}: ${nodes
                .map((node) => node.html)
                .slice(0, 3)
                .join(' ')}`,
          );
        expect.soft(bad, `${sight.name}, ${colorScheme}`).toEqual([]);
      }
    }
  }
  await setFree(berth);
});

test('no page scrolls sideways on a phone, and none is lost on a wall', async ({ page, berth }) => {
  test.setTimeout(300_000);
  const all = await sights(berth);
  await signIn(page);
  for (const width of [360, 2560]) {
    await page.setViewportSize({ width, height: 800 });
    for (const sight of all.filter((one) => !one.outside)) {
      await visit(page, sight);
      const over = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect.soft(over, `${sight.name} at ${width}`).toBeLessThanOrEqual(0);
    }
  }
  await setFree(berth);
});

/** Machines that were set aside go back to the pool. */
async function setFree(berth: Berth) {
  for (const { name } of berth.machines) {
    await berth.call(ADMIN, 'POST', `/api/machines/${name}/release`).catch(() => undefined);
  }
  await emptyPool(berth);
}
