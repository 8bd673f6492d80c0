// Takes back what a smart account may still take of its wallet, apart from the
// payment. No DOM.
import type { Ready } from './gasless-offer.ts';
import type { GaslessHost, Operating } from './gasless-types.ts';
import * as say from './gasless-words.ts';

export class Revoking {
  /** What is said of it, "" before anything was done. */
  words = '';
  private done = false;
  /** What the account may take after the payment: base units. */
  private after: { readonly ready: Ready; readonly units: bigint } | null = null;
  private looked = false;

  constructor(
    private readonly host: GaslessHost,
    private readonly operations: () => Promise<Operating | null>,
  ) {}

  /** An operation was sent while the account may take so much. */
  left(ready: Ready, units: bigint): void {
    this.after = { ready, units: units - ready.offer.amount };
  }

  /** What the account may still take, and of what; null for nothing. */
  over(ready: Ready | null): { readonly ready: Ready; readonly units: bigint } | null {
    if (ready && this.host.f.state() === 'open') return ready.offer.allowance > 0n ? { ready, units: ready.offer.allowance } : null;
    return this.after && this.after.units > 0n ? this.after : null;
  }

  /** The payment was made: asks the wallet's chain once what is left. */
  async look(ready: Ready | null): Promise<void> {
    const { f, show } = this.host;
    const r = this.after?.ready ?? ready;
    if (this.looked || !r || !f.connection.ready) return;
    this.looked = true;
    const units = await (await this.operations())?.left(r);
    if (units == null) return;
    this.after = { ready: r, units };
    show();
  }

  async go(ready: Ready | null): Promise<void> {
    const { f, show, tabs, tools, prepare } = this.host;
    const over = this.over(ready);
    if (!over || f.busy !== 'no') return;
    const release = await tabs.hold();
    if (!release) return;
    f.busy = 'mining';
    this.words = say.revoking;
    show();
    try {
      this.done = (await (await this.operations())?.takeBack(over.ready)) === true;
      this.words = this.done ? say.revoked : say.revokeFailed;
      if (this.done) this.after = { ready: over.ready, units: 0n };
    } catch (err) {
      this.words = tools.faultOf(err) === 'rejected' ? say.revokeDeclined : say.revokeFailed;
    } finally {
      release();
      f.busy = 'no';
      show();
    }
    // What may be taken decides how to pay.
    if (f.state() === 'open') prepare();
  }
}
