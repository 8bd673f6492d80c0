// The choice of ways to pay, as a payer meets it: chains and tokens, the chosen
// route, money on a bridge and how that ended.
import { type Locator, expect } from '@playwright/test';
import type { Checkout } from './checkout.ts';

/** Ids of ways as the server gives them: "USDT-arbitrum-one" is one from another chain or token. */
export function wayId(currency: string): string {
  return `crosschain:${currency.slice(currency.indexOf('-') + 1)}:${currency}`;
}

export const own = 'evmref:base:USDC-base';
export const usdcFromArbitrum = wayId('USDC-arbitrum-one');
export const usdtFromArbitrum = wayId('USDT-arbitrum-one');
export const usdtOnBase = wayId('USDT-base');

export const sameChainWords = "You'll be paying on the same chain as your recipient";
export const acrossWords = "You'll be paying across chain via Li.Fi";

export class Ways {
  constructor(readonly checkout: Checkout) {}

  id(testId: string): Locator {
    return this.checkout.id(testId);
  }

  get words(): Locator {
    return this.id('way-words');
  }
  get notes(): Locator {
    return this.id('ways-notes');
  }

  /** One way of the list, by its id; only where there is a choice. */
  way(id: string): Locator {
    return this.id('ways-enough').locator('label').filter({ has: this.checkout.root.locator(`input[value="${id}"]`) });
  }

  short(id: string): Locator {
    return this.id('ways-short').locator('label').filter({ has: this.checkout.root.locator(`input[value="${id}"]`) });
  }

  /** The wallet has been looked into. */
  async looked(count: string | RegExp = /^(\d+ other ways?|No other way)$/): Promise<void> {
    await expect(this.id('ways-count')).toHaveText(count);
  }

  async open(): Promise<void> {
    if (!(await this.id('ways-more').evaluate((el) => (el as HTMLDetailsElement).open))) await this.id('ways-summary').click();
    await expect(this.id('ways-more')).toHaveAttribute('open', '');
  }

  /** All that are enough, and all that are not, in their order. */
  async listed(): Promise<{ enough: string[]; short: string[] }> {
    const ids = (list: string) => this.id(list).locator('input').evaluateAll((all) => all.map((i) => (i as HTMLInputElement).value));
    return { enough: await ids('ways-enough'), short: await ids('ways-short') };
  }

  /** Looks, opens the list and chooses. */
  async choose(id: string): Promise<void> {
    await this.looked();
    await this.open();
    await this.way(id).click();
    await this.expectChosen(id);
  }

  async expectChosen(id: string): Promise<void> {
    await expect(this.way(id).locator('input')).toBeChecked();
  }

  /** Chooses, and has the wallet moved to that way's network. */
  async chooseAndSwitch(id: string): Promise<void> {
    await this.choose(id);
    await this.checkout.id('switch-chain').click();
    await expect(this.checkout.id('wrong-chain')).toBeHidden();
  }

  /** What the chosen route's terms say of this. */
  term(name: string): Locator {
    return this.id('route').locator('.row').filter({ has: this.checkout.root.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd');
  }

  /** Money is on a bridge. */
  async expectBridging(from = 'Arbitrum One (sandbox)'): Promise<void> {
    await this.checkout.expectState('seen');
    await expect(this.id('progress-title')).toHaveText(`Your payment is on its way from ${from}`);
  }

  async expectEnded(title: string): Promise<void> {
    await this.checkout.expectState('open');
    await expect(this.id('ways-told')).toBeVisible();
    await expect(this.id('ways-told-title')).toHaveText(title);
  }
}
