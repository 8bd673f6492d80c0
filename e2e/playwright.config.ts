import { defineConfig } from '@playwright/test';
import { executablePath, flags } from './chromium.ts';

export default defineConfig({
  testDir: 'specs',
  outputDir: 'out/results',
  globalSetup: './global-setup.ts',
  fullyParallel: true,
  workers: 2,
  forbidOnly: process.env['CI'] === 'true',
  // A test that needs a second try is a fault to find, not to paper over.
  retries: 0,
  // Only what has failed takes that long: a machine may be busy with other things.
  timeout: 180_000,
  expect: { timeout: 45_000 },
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    launchOptions: { executablePath, args: flags },
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    // Without its film, which costs more than the tests themselves.
    trace: { mode: 'retain-on-failure', screenshots: false },
    screenshot: 'only-on-failure',
  },
});
