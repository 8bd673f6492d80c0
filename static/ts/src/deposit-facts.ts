// Everything a deposit's page knows at one moment, and the decisions that follow
// from it. No network or DOM: only questions with answers. What concerns a wallet of
// this browser is behind Paying.
import type { State } from './data.ts';
import type { DepositAsset, DepositPage, DepositStatus, Quote } from './deposit-data.ts';
import type { Paying } from './deposit-types.ts';
import type { Words } from './words.ts';

/** Why there is no quote: as the server's page says it. */
export type Trouble = '' | 'lapsed' | 'unavailable' | 'limited';

export class DepositFacts {
  status: DepositStatus;
  /** The chosen asset. */
  asset: DepositAsset | null;
  /** Of that asset, verified; once it is over it goes. */
  quote: Quote | null = null;
  trouble: Trouble = '';
  /** The server is being asked for a quote. */
  quoting = false;
  /** About the quote, beside what the page says of its troubles by itself. */
  news: Words | null = null;
  /** The check that failed, in words. Nothing takes it away again. */
  unsafe = '';
  /** What that means to the payer. */
  refused = '';
  /** Paying with a wallet of this browser, once the script for it is there. */
  paying: Paying | null = null;
  /** This tab has sent something before a reload, and the script that follows it is not there yet. */
  awaiting = false;

  constructor(readonly page: DepositPage) {
    this.status = page.status;
    this.asset = this.find(page.asset);
  }

  find(id: string): DepositAsset | null {
    return this.page.assets.find((a) => a.id === id) ?? null;
  }

  /** What the page is to show. */
  state(): State {
    if (this.unsafe) return 'unsafe';
    return this.underWay ? 'seen' : this.status.state;
  }

  /** Money can still be sent, as far as the server has said. */
  get payable(): boolean {
    return !this.unsafe && this.status.state === 'open' && this.status.payable;
  }

  /** A transaction of this browser is on its way and was not counted yet. */
  get underWay(): boolean {
    return this.payable && (this.paying?.sent ? !this.paying.stranded : this.awaiting);
  }

  /** The page may ask for a new price by itself: nobody is sending anything here. */
  get idle(): boolean {
    return this.payable && !this.quoting && !this.awaiting && (this.paying?.idle ?? true);
  }

  /** A wallet shows a transfer: what it says must not change. */
  get signing(): boolean {
    return this.paying?.busy === 'signing';
  }
}
