import { test as base, type Locator, type Page } from '@playwright/test';
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
  report('10,000 machines', await scroll(table, 900));
});

test('the map of 10,000 machines', async ({ page }) => {
  test.setTimeout(200_000);
  await signIn(page);
  await page.addInitScript(() => {
    const tasks: number[] = [];
    Object.assign(window, { longTasks: tasks });
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration))).observe({
      type: 'longtask',
    });
  });
  await page.goto('/available');
  await page.locator('.pool-map').waitFor();
  await page.getByText('of 10000').first().or(page.getByText('of 10,000').first()).waitFor();
  await page.evaluate(() => new Promise((done) => setTimeout(done, 2000)));
  const tasks = await page.evaluate(() => (window as unknown as { longTasks: number[] }).longTasks);
  console.log(
    `tasks over 50 ms until the map is there: ${tasks.map((ms) => ms.toFixed(0)).join(', ') || 'none'}`,
  );
  report('the map', await scroll(page.locator('.pool-map'), 300));
});

test('scrolling through a log of 500,000 lines', async ({ page }) => {
  test.setTimeout(200_000);
  await signIn(page);
  // A run of this length would take an hour: the answers are made here, of the shape that the server's have.
  const machines = Array.from({ length: 20 }, (_, i) => `m-${i}`);
  const begin = Date.parse('2026-11-21T08:00:00Z');
  const moment = (seq: number) => new Date(begin + seq * 7).toISOString();
  const line = (seq: number) => ({
    seq,
    at: moment(seq),
    machine: machines[seq % machines.length],
    kind: seq % 5 ? 'log' : 'task',
    status: seq % 5 ? '' : seq % 500 ? 'ok' : 'failed',
    task: seq % 5 ? '' : `Install package number ${seq}`,
    message:
      seq % 50
        ? `\u001b[32mok\u001b[0m: line ${seq} of what a program has printed`
        : `line ${seq}\nwith a second one\nand a third`,
  });
  const run = {
    id: 'big',
    kind: 'provision',
    state: 'succeeded',
    playbook: '/etc/berth/create-users.yml',
    machines,
    lines: 500_000,
    started_at: moment(0),
    finished_at: moment(500_000),
    reservation_id: '0199a3f2-0000-7000-8000-000000000000',
    summary: {},
    error: null,
  };
  await page.route('**/api/runs/big', (route) => route.fulfill({ json: run }));
  await page.route('**/api/runs/big/events*', (route) => {
    const query = new URL(route.request().url()).searchParams;
    const [after, limit] = [Number(query.get('after') ?? 0), Number(query.get('limit') ?? 50)];
    const last = Math.min(run.lines, after + limit);
    const items = Array.from({ length: Math.max(0, last - after) }, (_, i) => line(after + i + 1));
    const wanted = query.get('kind');
    return route.fulfill({
      json: { items: items.filter(({ kind }) => !wanted || kind === wanted), next_cursor: null },
    });
  });
  await page.goto('/runs/big');
  const log = page.locator('.run-log');
  await log.getByText('line 1 of what').first().waitFor();
  report('500,000 lines, read', await scroll(log, 240));
  report('500,000 lines, flown over', await scroll(log, 36_000));
});

/** Scrolls so far in each frame; how long each of them took. */
function scroll(box: Locator, step: number): Promise<number[]> {
  return box.evaluate(
    (element, by) =>
      new Promise<number[]>((done) => {
        const took: number[] = [];
        let before = performance.now();
        const next = (now: number) => {
          took.push(now - before);
          before = now;
          element.scrollTop += by;
          if (took.length < 300) requestAnimationFrame(next);
          else done(took.slice(2));
        };
        requestAnimationFrame(next);
      }),
    step,
  );
}

function report(what: string, frames: number[]) {
  const sorted = [...frames].sort((a, b) => a - b);
  const over = frames.filter((ms) => ms > 50).length;
  console.log(
    `${what}: ${frames.length} frames, median ${sorted[sorted.length >> 1]?.toFixed(1)} ms, longest ${sorted.at(-1)?.toFixed(1)} ms, over 50 ms: ${over}`,
  );
}
