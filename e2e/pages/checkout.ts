// The hosted page as a payer meets it. Elements are found by their test ids
// only, so words and looks may change without touching a journey.
import { type Frame, type Locator, type Page, type Response, expect } from '@playwright/test';
import type { Address } from 'viem';

export type State = 'open' | 'seen' | 'paid' | 'expired' | 'canceled' | 'failed' | 'blocked' | 'unsafe';
export type Step = 'reset' | 'approve' | 'pay';

/** The sandbox's wallet and the tests' own, by the names they announce. */
export const sandboxWallet = 'dev.quittance.sandbox';
export const testWallet = 'test.wallet';
/** What a plain window.ethereum is listed as. */
export const injectedWallet = 'injected';

export class Checkout {
  /** root is where the checkout stands, if not in the page itself: a frame of it. */
  constructor(readonly page: Page, readonly root: Page | Frame = page) {}

  id(testId: string): Locator {
    return this.root.getByTestId(testId);
  }

  get go(): Locator {
    return this.id('go');
  }
  get notice(): Locator {
    return this.id('notice');
  }
  get noticeTitle(): Locator {
    return this.id('notice-title');
  }
  get retry(): Locator {
    return this.id('notice-retry');
  }

  async open(url: string): Promise<Response> {
    const response = await this.page.goto(url);
    if (!response) throw new Error(`nothing was loaded from ${url}`);
    return response;
  }

  wallet(rdns: string = testWallet): Locator {
    return this.id('wallet-list').locator(`[data-rdns="${rdns}"]`);
  }

  /** Chooses a wallet that lets the page in by itself. */
  async connect(address?: Address, rdns: string = testWallet): Promise<void> {
    await this.wallet(rdns).click();
    // A page that refuses at once has put the account away again.
    await expect(this.id('account').or(this.id('unsafe')).filter({ visible: true }).first()).toBeVisible();
    if (address) await expect(this.id('account-address')).toHaveText(address);
  }

  /** One payment of a batch, by its place from 0. */
  item(index: number): Locator {
    return this.id('items').locator(`[data-item="${index}"]`);
  }

  step(kind: Step): Locator {
    return this.id('steps').locator(`[data-step="${kind}"]`);
  }

  steps(): Promise<(string | null)[]> {
    return this.id('steps').locator('[data-step]').evaluateAll((all) => all.map((s) => s.getAttribute('data-step')));
  }

  async expectStep(kind: Step, status: 'todo' | 'active' | 'signing' | 'pending' | 'done' | 'failed'): Promise<void> {
    await expect(this.step(kind)).toHaveAttribute('data-status', status);
  }

  /** Waits until the button offers this step, then presses it. */
  async press(words: string | RegExp): Promise<void> {
    await this.expectGo(words);
    await this.go.click();
  }

  async expectGo(words: string | RegExp): Promise<void> {
    await expect(this.go).toHaveText(words);
    await expect(this.go).toBeEnabled();
  }

  async expectState(state: State): Promise<void> {
    await expect(this.id('qt')).toHaveAttribute('data-state', state);
    const stage = { open: 'act', seen: 'progress', paid: 'success', expired: 'over', canceled: 'over', failed: 'over', blocked: 'over', unsafe: 'unsafe' }[state];
    for (const id of ['act', 'progress', 'success', 'over', 'unsafe']) {
      await expect(this.id(id), `${id} in state ${state}`).toBeVisible({ visible: id === stage });
    }
  }

  /** It is on its way, or made already: a payment that nothing holds is seen for three seconds, which a busy machine may miss. */
  async expectUnderway(): Promise<void> {
    await expect(this.id('qt')).toHaveAttribute('data-state', /^(seen|paid)$/);
  }

  async expectNotice(title: string | RegExp, kind?: 'info' | 'warn' | 'error'): Promise<void> {
    await expect(this.notice).toBeVisible();
    await expect(this.noticeTitle).toHaveText(title);
    if (kind) await expect(this.notice).toHaveAttribute('data-kind', kind);
  }

  /** Nothing here can start a signature. */
  async expectNothingToSign(): Promise<void> {
    await expect(this.go.and(this.root.locator(':enabled')).filter({ visible: true })).toHaveCount(0);
  }

  /** Waits for the receipt, which names this transaction: the last one that the wallet sent, if given. */
  async expectPaid(by?: string | { sent: { hash: string }[] }): Promise<void> {
    await this.expectState('paid');
    const hash = typeof by === 'object' ? by.sent.at(-1)?.hash : by;
    await expect(this.id('success-tx')).toHaveText(by === undefined ? /^0x[0-9a-f]{64}$/ : (hash ?? 'nothing was sent'));
  }

  /** Every value that the confirmations' text has had so far; start before they come. */
  async recordConfirmations(): Promise<() => Promise<string[]>> {
    await this.id('confirmations-text').evaluate((el) => {
      const seen: string[] = [];
      (window as unknown as { confirmationsSeen: string[] }).confirmationsSeen = seen;
      const note = () => {
        const text = el.textContent ?? '';
        if (seen.at(-1) !== text) seen.push(text);
      };
      note();
      new MutationObserver(note).observe(el, { childList: true, characterData: true, subtree: true });
    });
    return () => this.page.evaluate(() => (window as unknown as { confirmationsSeen: string[] }).confirmationsSeen);
  }
}
