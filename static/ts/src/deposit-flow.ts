// A deposit's page, from choosing what to pay with to the end: what is shown, when a
// price is asked for, and what is refused. It knows no DOM and no wallet: it gets its
// surroundings as Deps and hands out its facts to be drawn.
import type { DepositApi } from './deposit-api.ts';
import { DepositFacts } from './deposit-facts.ts';
import type { DepositPage, DepositStatus, Quote } from './deposit-data.ts';
import type { Difference, PayingModule } from './deposit-types.ts';
import { type ShownQuote, verifyDeposit, verifyQuote, verifyShown } from './deposit-verify.ts';
import { changed, depositChecks, lateNews, quoteFailed, refusedWords, renewed } from './deposit-words.ts';
import { ApiError } from './endpoint.ts';
import type { Store } from './store.ts';
import { Refusal, type Registry, shorten } from './verify.ts';
import type { Wallet } from './wallets.ts';
import * as say from './words.ts';

export interface DepositDeps {
  readonly page: DepositPage;
  readonly registry: Registry;
  readonly api: Pick<DepositApi, 'status' | 'quote' | 'pay' | 'intent' | 'telemetry'>;
  readonly store: Store;
  /** Fetches the script for wallets of this browser. */
  readonly paying: () => Promise<PayingModule>;
  /** Reads back what the page shows. */
  readonly shown: () => ShownQuote;
  readonly render: (f: DepositFacts) => void;
  /** The browser's clock, milliseconds since 1970. */
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly reload: () => void;
  /** Somebody is looking at the page. */
  readonly visible: () => boolean;
  /** Follow the payment with quotes of this asset from now on. */
  readonly follow: (asset: string) => void;
  /** The address bar names this asset from now on. */
  readonly chosen: (asset: string) => void;
}

/** A quote that has ended while somebody looked is renewed within this time, or by a click. */
const freshness = 5_000;
/** How long an answer may have been on its way. */
const latency = 30_000;
/** How often in a row without a click: a page that was left open must not ask for ever. */
const renewals = 6;

export class DepositFlow {
  readonly f: DepositFacts;
  /** Of the server's clock over the browser's. */
  private offset: number;
  /** Counts questions for quotes: an answer for another asset is too late. */
  private asked = 0;
  private renewed = 0;
  /** The server's time when it last gave a quote that was asked for, and what was missing then. */
  private given = { now: 0, missing: '' };
  private fetching = false;
  private wallets: readonly Wallet[] = [];
  private searching = true;

  constructor(private readonly d: DepositDeps) {
    this.offset = d.page.status.now - d.clock();
    this.f = new DepositFacts(d.page);
  }

  /** The server's clock. */
  now(): number {
    return this.d.clock() + this.offset;
  }

  /** Checks the page and goes on with what a reload interrupted. */
  start(): void {
    const { f, d } = this;
    this.guarded(() => {
      verifyDeposit(d.registry, f.page);
      // The address of a payment is one for ever.
      const before = d.store.address;
      if (before && f.page.address && before !== f.page.address) throw new Refusal('page_address', 'address', before, f.page.address);
      if (f.page.address) d.store.address = f.page.address;
      this.adopt(f.page.status);
      // What was drawn before this script came.
      if (f.quote) verifyShown(f.quote, d.shown());
    });
    if (f.payable && (d.store.sent || d.store.asking)) {
      f.awaiting = d.store.sent !== null;
      void this.pay();
    }
    this.tick();
  }

  // What happens outside.

  setWallets(wallets: readonly Wallet[], searching: boolean): void {
    this.wallets = wallets;
    this.searching = searching;
    const { paying } = this.f;
    if (paying) paying.setWallets(wallets, searching);
    else if (wallets.length) void this.pay();
  }

  onStatus(s: DepositStatus): void {
    const { f } = this;
    if (s.now < f.status.now) return;
    // What was long on its way makes the clock look slow; a quote must not seem to last longer for that.
    const offset = s.now - this.d.clock();
    if (offset > this.offset || this.offset - offset > latency) this.offset = offset;
    f.status = s;
    this.guarded(() => this.adopt(s));
    f.paying?.changed();
    this.show();
  }

  tick(): void {
    const { f, d } = this;
    const { quote } = f;
    const over = quote ? this.now() - quote.expiresAt : -1;
    if (quote && over >= 0) {
      if (f.signing) f.news = lateNews;
      else {
        this.drop('lapsed');
        if (over < freshness && d.visible() && f.idle && this.renewed++ < renewals) void this.ask(true, quote);
        f.paying?.changed();
      }
    }
    this.show();
  }

  /** The page is seen again, or came back from the browser's memory: what it knows may be old. */
  async returned(): Promise<void> {
    const { f } = this;
    this.tick();
    await this.look();
    f.paying?.returned();
  }

  /** The wallet has answered: what was put off for it may happen. */
  settle(): void {
    this.guarded(() => this.adopt(this.f.status));
    this.tick();
  }

  // What the payer does.

  /** Chooses an asset, by its id; from the address bar nothing is asked for. */
  async choose(id: string, told = false): Promise<void> {
    const { f, d } = this;
    const asset = f.find(id);
    if (f.signing || (asset === f.asset && (told || f.quote || f.quoting))) return;
    this.renewed = 0;
    if (asset !== f.asset) {
      f.asset = asset;
      f.quote = f.news = null;
      f.trouble = '';
      f.quoting = false;
      this.asked++;
      f.paying?.changed();
      if (!told) d.chosen(id);
      d.follow(id);
    }
    this.show();
    if (told) await this.returned();
    else await this.ask(false);
  }

  /** A new price, because the payer wants one. */
  async renew(): Promise<void> {
    const { f } = this;
    this.renewed = 0;
    await this.ask(f.quote !== null || f.trouble === 'lapsed');
  }

  /** Something in these scripts went wrong: say so, and leave nothing half done. */
  broken(): void {
    const { f } = this;
    f.quoting = false;
    f.news = say.broken;
    f.paying?.broken();
    this.show();
  }

  // Small things.

  /** Takes the quote of a status, if it is of what is chosen, and looks at it closely. */
  private adopt(s: DepositStatus): void {
    const { f } = this;
    const q = f.payable && s.quote?.asset === f.asset?.id ? s.quote : null;
    const before = f.quote;
    if (!q || !f.asset) {
      // A status tells whole seconds: one of the second in which a quote was given may be from before that.
      if (before && f.payable && s.now === this.given.now && s.missing === this.given.missing) return;
      // The server knows of none: it was used up, or its time is over by its clock.
      if (before && (!f.payable || s.quote === null)) this.drop(f.payable && s.missing !== '0.00' ? 'lapsed' : '');
      return;
    }
    if (q.expiresAt <= this.now() || (before && q.expiresAt < before.expiresAt)) return;
    verifyQuote(f.page, f.asset, s.missing, q);
    f.trouble = '';
    // Somebody may be confirming the old one: it stays until that has ended.
    if (f.signing || (before && before.units === q.units && before.expiresAt === q.expiresAt)) return;
    f.quote = q;
    if (before && before.units !== q.units) f.news = changed(q);
  }

  private drop(trouble: '' | 'lapsed'): void {
    const { f } = this;
    if (f.signing) return;
    f.quote = f.news = null;
    f.trouble = trouble;
  }

  /** Asks for a quote; by itself if `old` is what it is to follow. */
  private async ask(fresh: boolean, old: Quote | null = null): Promise<void> {
    const { f, d } = this;
    if (!f.asset || f.quoting || !f.payable || f.signing) return;
    const turn = ++this.asked;
    f.quoting = true;
    f.news = null;
    this.show();
    try {
      const s = await d.api.quote(f.asset.id, fresh);
      if (turn !== this.asked) return;
      f.quoting = false;
      this.given = s;
      this.onStatus(s);
      f.news = old && f.quote && f.quote.units !== old.units ? renewed(f.quote) : null;
    } catch (err) {
      if (turn === this.asked) await this.quoteFailed(err);
    } finally {
      if (turn === this.asked) f.quoting = false;
      f.paying?.changed();
      this.show();
    }
  }

  private async quoteFailed(err: unknown): Promise<void> {
    const { f } = this;
    if (!(err instanceof ApiError)) throw err;
    if (err.code === 'price_unavailable' || err.status === 429) {
      // An old price is no price; one that still holds does.
      if (!f.quote) f.trouble = err.code === 'price_unavailable' ? 'unavailable' : 'limited';
      else f.news = say.apiWords(err);
      return;
    }
    // Paid, expired or called off meanwhile: the status says which.
    const answered = await this.look();
    if (!answered || f.payable) f.news = err.status >= 400 && err.status < 500 ? say.apiWords(err) : quoteFailed;
  }

  /** Asks for the status; false if there was no answer. */
  private async look(): Promise<boolean> {
    const { f, d } = this;
    const asset = f.asset?.id ?? '';
    const status = await d.api.status(asset).catch(() => null);
    if (status && asset === (f.asset?.id ?? '')) this.onStatus(status);
    return status !== null;
  }

  /** Fetches what is needed to pay with a wallet of this browser, once. */
  private async pay(): Promise<void> {
    const { f, d } = this;
    if (this.fetching || !f.payable) return;
    this.fetching = true;
    try {
      const { start } = await d.paying();
      f.paying = start({
        f, api: d.api, store: d.store, registry: d.registry, sleep: d.sleep, reload: d.reload,
        differs: () => this.differs(),
        now: () => this.now(),
        show: () => this.show(),
        tick: () => this.tick(),
        onStatus: (s) => this.onStatus(s),
        refuse: (check, detail) => this.refuse(check, detail),
        settle: () => this.settle(),
      });
      // More may have been found while it was fetched.
      f.paying.setWallets(this.wallets, this.searching);
    } catch {
      // Without it there are still the address and the code.
      this.fetching = false;
    }
    f.awaiting = false;
    this.show();
  }

  private differs(): Difference | null {
    try {
      if (this.f.quote) verifyShown(this.f.quote, this.d.shown());
      return null;
    } catch (err) {
      if (err instanceof Refusal) return err;
      throw err;
    }
  }

  /** Runs what may refuse. */
  private guarded(run: () => void): void {
    if (this.f.unsafe) return;
    try {
      run();
    } catch (err) {
      if (!(err instanceof Refusal)) throw err;
      this.refuse(err.check, say.difference(err.field, err.expected, err.found));
    }
  }

  /** Ends the paying on this page for good. */
  refuse(check: string, detail: string): void {
    const { f } = this;
    const title = depositChecks[check] ?? 'Safety check';
    // No account in full: nobody should send to one that was refused.
    f.unsafe = (detail ? `${title}: ${detail}` : title).replace(/0x[0-9a-f]{40}/gi, shorten);
    f.refused = refusedWords(check);
    f.quote = f.news = null;
    f.trouble = '';
    this.d.api.telemetry('unsafe_refused', { check, detail });
    this.show();
  }

  private show(): void {
    this.d.render(this.f);
    this.f.paying?.draw();
  }
}
