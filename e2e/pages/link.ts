// The page of a payment link as a payer meets it.
import { type Response, expect } from '@playwright/test';
import { Deposit } from './deposit.ts';

export class LinkPage extends Deposit {
  /** Opens a link and waits until both of its scripts have taken over. */
  override async open(url: string): Promise<Response> {
    const following = this.page.waitForRequest(/\/link\/\d+\/events/);
    const response = await this.page.goto(url);
    if (!response) throw new Error(`nothing was loaded from ${url}`);
    await following;
    await expect(this.id('qt')).toBeVisible();
    if ((await this.id('cancel').count()) > 0) await expect(this.id('cancel')).toHaveAttribute('aria-haspopup', 'dialog');
    return response;
  }

  /** Chooses the bank transfer. */
  async chooseBank(): Promise<void> {
    const more = this.id('choose-more');
    if (!(await more.evaluate((el) => (el as HTMLDetailsElement).open))) await more.locator('summary').click();
    await this.id('bank-choose').click();
    await expect(this.id('bank')).toBeVisible();
  }

  /** What a payer types off the page into a banking app. */
  async bankDetails(): Promise<{ holder: string; iban: string; bic: string; amount: string; text: string }> {
    const said = async (row: string): Promise<string> => ((await this.id(`bank-${row}`).textContent()) ?? '').trim();
    return { holder: await said('holder'), iban: await said('iban'), bic: await said('bic'), amount: await said('amount'), text: await said('text') };
  }

  /** There is nothing here that one could transfer to. */
  async expectNoBank(): Promise<void> {
    await expect(this.id('bank')).toBeHidden();
  }
}
