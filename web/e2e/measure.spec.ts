import { test as base, type Page } from '@playwright/test';
import { ADMIN, Berth } from './berth';
import { signIn } from './test';

// `just measure-web`: figures, printed and not judged; they depend on the computer.
const test = base.extend<object, { many: Berth }>({
  many: [
    async ({}, use) => {
      const berth = await Berth.startWithoutMachines();
      const states = ['north', 'south', 'east', 'west'];
      const entries = Array.from(
        { length: 10_000 },
        (_, i) =>
          `  - {name: m-${String(i).padStart(5, '0')}, host: 10.1.${i >> 8}.${i & 255}, user: root, labels: {zone: ${states[i % 4] ?? ''}}}\n`,
      );
      await berth.call(ADMIN, 'POST', '/api/machines/import', `machines:\n${entries.join('')}`);
      await use(berth);
      await berth.stop();
    },
    { scope: 'worker', timeout: 180_000 },
  ],
  baseURL: async ({ many }, use) => use(many.url),
});

async function slow(page: Page, rate: number) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate });
}

/** When the largest thing was painted, in milliseconds after the page was asked for. */
function largestPaint(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((done) => {
        new PerformanceObserver((list) => {
          const last = list.getEntries().at(-1);
          setTimeout(() => done(last?.startTime ?? 0), 1000);
        }).observe({ type: 'largest-contentful-paint', buffered: true });
      }),
  );
}

test('the first picture with a processor four times slower', async ({ page, many }) => {
  test.setTimeout(200_000);
  await signIn(page);
  const paints: Record<string, number[]> = { '/login': [], '/': [], '/machines': [] };
  for (let round = 0; round < 3; round += 1) {
    for (const path of Object.keys(paints)) {
      const context = await page.context().browser()?.newContext({ baseURL: many.url });
      const fresh = await context?.newPage();
      if (!context || !fresh) throw new Error('no browser');
      if (path !== '/login') await context.addCookies(await page.context().cookies());
      await slow(fresh, 4);
      await fresh.goto(path);
      await fresh.waitForTimeout(3000);
      paints[path]?.push(await largestPaint(fresh));
      // The refresh cookie has changed with its use.
      if (path !== '/login') await page.context().addCookies(await context.cookies());
      await context.close();
    }
  }
  for (const [path, times] of Object.entries(paints)) {
    console.log(
      `largest contentful paint of ${path}, 4 x slower: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`,
    );
  }
});

test('scrolling through 10,000 machines', async ({ page }) => {
  test.setTimeout(200_000);
  await signIn(page);
  await page.goto('/machines');
  const table = page.locator('.data-table');
  await table.waitFor();
  // All pages of the list have come.
  await page.waitForFunction(
    () => document.querySelector('table')?.getAttribute('aria-rowcount') === '10001',
    null,
    {
      timeout: 60_000,
    },
  );
  const frames = await table.evaluate(
    (box) =>
      new Promise<number[]>((done) => {
        const took: number[] = [];
        let before = performance.now();
        let step = 0;
        const next = (now: number) => {
          took.push(now - before);
          before = now;
          step += 1;
          box.scrollTop += 900;
          if (step < 300) requestAnimationFrame(next);
          else done(took.slice(2));
        };
        requestAnimationFrame(next);
      }),
  );
  const sorted = [...frames].sort((a, b) => a - b);
  const over = frames.filter((ms) => ms > 50).length;
  console.log(
    `${frames.length} frames of 900 px: median ${sorted[sorted.length >> 1]?.toFixed(1)} ms, longest ${sorted.at(-1)?.toFixed(1)} ms, over 50 ms: ${over}`,
  );
});
