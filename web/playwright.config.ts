import { defineConfig } from '@playwright/test';

// The real server with real demo machines, in the system's Chromium. One worker: all specs share one pool.
export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'Europe/Paris',
    actionTimeout: 30_000,
    trace: 'off',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.BERTH_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    },
  },
  projects: [
    { name: 'e2e', testIgnore: /pictures|measure/ },
    // By their own recipes only: pictures to look at, and figures, which depend on the computer.
    ...(process.env.BERTH_PROJECT
      ? [{ name: process.env.BERTH_PROJECT, testMatch: new RegExp(process.env.BERTH_PROJECT) }]
      : []),
  ],
});
