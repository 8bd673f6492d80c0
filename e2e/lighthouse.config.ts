import { defineConfig } from '@playwright/test';
import config from './playwright.config.ts';

// Figures, not tests: nothing here fails for being slow.
export default defineConfig(config, { testDir: 'measure', workers: 1 });
