// The page of a payment in dollars as a payer meets it.
import { type Locator, type Page, type Response, expect } from '@playwright/test';
import { Checkout, type State } from './checkout.ts';

const stages: Record<string, string[]> = { open: ['choose'], seen: ['arrived'], paid: ['success'], expired: ['over'], canceled: ['over'], failed: ['over'], unsafe: ['unsafe'] };

export class Deposit extends Checkout {
  constructor(page: Page) {
    super(page);
  }

  override async open(url: string): Promise<Response> {
    const response = await super.open(url);
    await this.awake();
    return response;
  }

  /** Waits until the page's script has taken over, where there is one. */
  async awake(): Promise<void> {
    await expect(this.id('qt')).toBeVisible();
    if ((await this.id('time-left').count()) > 0 && (await this.id('time-left').isVisible())) await expect(this.id('time-left')).toHaveText(/left$/);
  }

  choice(asset: string): Locator {
    return this.id('choose-form').locator(`[data-asset="${asset}"]`);
  }

  /** Chooses an asset by touching it. */
  async choose(asset: string): Promise<void> {
    const more = this.id('choose-more');
    if (!(await more.evaluate((el) => (el as HTMLDetailsElement).open))) await more.locator('summary').click();
    await this.choice(asset).click();
  }

  async expectQuote(place: string | RegExp): Promise<{ amount: string; address: string; uri: string }> {
    await expect(this.id('send-title')).toHaveText(typeof place === 'string' ? `Send ${place}` : place);
    await expect(this.id('quote')).toBeVisible();
    await expect(this.id('send-number')).toHaveText(/^\d+(\.\d+)?$/);
    return {
      amount: (await this.id('send-number').textContent()) ?? '',
      address: (await this.id('address').textContent())?.trim() ?? '',
      uri: (await this.id('open-wallet').getAttribute('href')) ?? '',
    };
  }

  /** Presses for a price until there is one, as a payer does who was told to try again. */
  async tryAgain(): Promise<void> {
    await expect(async () => {
      const wanting = !(await this.id('quote').isVisible()) && (await this.id('refresh-go').isEnabled());
      if (wanting) await this.id('refresh-go').click();
      await expect(this.id('quote')).toBeVisible({ timeout: 5_000 });
    }).toPass({ timeout: 120_000 });
  }

  /** There is nothing here that one could send to. */
  async expectNoQuote(): Promise<void> {
    await expect(this.id('quote')).toBeHidden();
    await expect(this.id('address')).toBeHidden();
  }

  transfer(index: number): Locator {
    return this.id('transfers').locator('[data-transfer]').nth(index);
  }

  /** Waits for the end of a payment's time, which may be that far away. */
  async runsOut(within: number, state: 'expired' | 'failed'): Promise<void> {
    await expect(this.id('qt')).toHaveAttribute('data-state', state, { timeout: within + 60_000 });
    await this.expectState(state);
  }

  override async expectState(state: State): Promise<void> {
    await expect(this.id('qt')).toHaveAttribute('data-state', state);
    for (const id of new Set(Object.values(stages).flat())) {
      if (stages[state]?.includes(id)) await expect(this.id(id), `${id} in state ${state}`).toBeVisible();
      else if (id !== 'arrived') await expect(this.id(id), `${id} in state ${state}`).toBeHidden();
    }
  }
}
