// The demo's Safe app, with the checkout in its frame.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Frame, type Locator, type Page, expect } from '@playwright/test';
import type { Demo } from '../fixtures/demo.ts';
import { desktop, expectAccessible, phone } from '../fixtures/page.ts';
import { Checkout } from './checkout.ts';

const screens = fileURLToPath(new URL('../out/screens/', import.meta.url));

export class SafeApp {
  constructor(readonly page: Page, readonly demo: Demo) {}

  id(testId: string): Locator {
    return this.page.getByTestId(testId);
  }

  /** Opens a payment in the app's frame. */
  async open(link: string, network = 'base'): Promise<Checkout> {
    const url = new URL(this.demo.sandbox.safe.appUrl);
    url.searchParams.set('chain', network);
    url.searchParams.set('app', link);
    await this.page.goto(url.href);
    return this.checkout();
  }

  async checkout(): Promise<Checkout> {
    return new Checkout(this.page, await this.frame());
  }

  async frame(): Promise<Frame> {
    const handle = await this.id('safe-frame').elementHandle();
    const frame = await handle?.contentFrame();
    if (!frame) throw new Error('the Safe app has no frame');
    await frame.waitForURL(`${this.demo.baseUrl}/**`);
    return frame;
  }

  /** What the app asks before it proposes anything. */
  get dialog(): Locator {
    return this.id('safe-dialog');
  }

  async propose(o: { owner?: number; fails?: boolean } = {}): Promise<string> {
    await expect(this.dialog).toBeVisible();
    if (o.owner) await this.id('safe-dialog-owner').selectOption(String(o.owner));
    if (o.fails) await this.id('safe-dialog-fails').check();
    const before = await this.transactions.count();
    await this.id('safe-propose').click();
    await expect(this.dialog).toBeHidden();
    await expect(this.transactions).toHaveCount(before + 1);
    return (await this.transactions.first().getAttribute('data-hash'))!;
  }

  async decline(): Promise<void> {
    await expect(this.dialog).toBeVisible();
    await this.id('safe-decline').click();
  }

  /** Newest first. */
  get transactions(): Locator {
    return this.id('safe-tx');
  }

  transaction(hash: string): Locator {
    return this.page.locator(`[data-testid="safe-tx"][data-hash="${hash}"]`);
  }

  async signAs(hash: string, owner: number): Promise<void> {
    await this.id('safe-actor').selectOption(String(owner));
    await this.transaction(hash).getByTestId('safe-sign').click();
  }

  async execute(hash: string): Promise<void> {
    await this.transaction(hash).getByTestId('safe-execute').click();
    await expect(this.transaction(hash)).toHaveAttribute('data-state', 'executed');
  }

  /** Fails with what axe finds in the app and in the checkout, in both schemes. */
  async expectAccessible(): Promise<void> {
    await this.page.emulateMedia({ colorScheme: 'light' });
    await expectAccessible(this.page);
    await this.page.emulateMedia({ colorScheme: 'dark' });
    await expectAccessible(this.page, 'color-contrast');
    await this.page.emulateMedia({ colorScheme: null });
  }

  /** Takes the app with the whole of the checkout, on phone and desktop, light and dark. */
  async photograph(name: string): Promise<void> {
    mkdirSync(screens, { recursive: true });
    const [before, frame] = [this.page.viewportSize(), await this.frame()];
    for (const [size, viewport] of Object.entries({ phone, desktop })) {
      await this.page.setViewportSize(viewport);
      await this.#grow('');
      await this.#grow(`${await frame.evaluate(() => document.body.scrollHeight + 2)}px`);
      // Of a frame of another origin Chromium paints what is in the window, and no more.
      await this.page.setViewportSize({ width: viewport.width, height: await this.page.evaluate(() => document.documentElement.scrollHeight) });
      await frame.evaluate(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))));
      for (const colorScheme of ['light', 'dark'] as const) {
        await this.page.emulateMedia({ colorScheme });
        await this.page.screenshot({ path: `${screens}${name}-${size}-${colorScheme}.png`, animations: 'disabled' });
        for (const one of [this.page, frame]) {
          const wide = await one.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          expect(wide, `${one.url()} is wider than its window`).toBeLessThanOrEqual(0);
        }
      }
    }
    await this.#grow('');
    await this.page.emulateMedia({ colorScheme: null });
    if (before) await this.page.setViewportSize(before);
  }

  #grow(height: string): Promise<void> {
    return this.id('safe-frame').evaluate((el, h) => void ((el as HTMLElement).style.height = h), height);
  }
}
