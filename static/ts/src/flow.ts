// The paying, from the first look at the page to the payment that is seen: what
// may happen next and what is refused. It knows no DOM: it gets its
// surroundings as Deps and hands out a Model.
import { type Api, type Status, readPay } from './api.ts';
import { checksum, keccak } from './calldata.ts';
import { Checking } from './checking.ts';
import { Connection } from './connection.ts';
import type { Payment } from './data.ts';
import { Facts } from './facts.ts';
import type { Gasless, GaslessModule } from './gasless-types.ts';
import type { Model } from './model.ts';
import type { Other, Ways, WaysModule } from './ways-types.ts';
import { present } from './present.ts';
import type { RouteModule } from './route-types.ts';
import { type WalletFault, faultOf } from './rpc.ts';
import type { Safe, SafeModule } from './safe-types.ts';
import { type Around, Sending } from './sending.ts';
import type { Sent, Store } from './store.ts';
import { sumWords } from './stepper.ts';
import { type Registry, Refusal, type Shown, verifyCall, verifyPlan } from './verify.ts';
import type { Wallet } from './wallets.ts';
import * as say from './words.ts';

export interface Deps {
  readonly payment: Payment;
  readonly registry: Registry;
  readonly api: Pick<Api, 'access' | 'options' | 'pay' | 'status' | 'intent' | 'event' | 'telemetry' | 'json'>;
  readonly store: Store;
  readonly tabs: Around['tabs'];
  /** Reads back what the page displays. */
  readonly shown: () => Shown;
  readonly render: (model: Model) => void;
  /** The server's clock, milliseconds since 1970. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly reload: () => void;
  /** Fetch the scripts for other ways to pay. */
  readonly ways: () => Promise<WaysModule>;
  readonly route: () => Promise<RouteModule>;
  /** Fetches the script for Safes. */
  readonly safe: () => Promise<SafeModule>;
  /** Fetches the script for paying without gas and for batches. */
  readonly gasless: () => Promise<GaslessModule>;
  /** Another site's page has this one in a frame, and may. */
  readonly framed: boolean;
  /** Adds a wallet to those there are. */
  readonly offer: (wallet: Wallet) => void;
}

export class Flow {
  private readonly f: Facts;
  private readonly sending: Sending;
  private readonly checking: Checking;
  private readonly tools;
  private ways: Ways | null = null;
  private extending = false;
  private safe: Safe | null = null;
  private securing: Promise<void> | null = null;
  private lifting: Promise<Gasless | null> | null = null;

  constructor(private readonly d: Deps) {
    this.tools = { Refusal, registry: d.registry, checksum, keccak, faultOf, readPay, sumWords, verifyCall, verifyPlan };
    const connection = new Connection(d.payment.chain, () => this.moved());
    this.f = new Facts(d.payment, d.store, connection);
    this.checking = new Checking(this.f, {
      api: d.api,
      registry: d.registry,
      shown: d.shown,
      sleep: d.sleep,
      show: () => this.show(),
      tell: (words, run) => this.tell(words, run),
      onStatus: (s) => this.onStatus(s),
      reloadFor: (s) => this.reloadFor(s),
      lift: () => this.lift(),
    });
    this.sending = new Sending(this.f, {
      api: d.api,
      tabs: d.tabs,
      now: d.now,
      sleep: d.sleep,
      verify: (known, call, request) => {
        const { f } = this;
        return f.gasless?.again(request, call) ?? (f.other ? f.other.again(request, call) : verifyCall(known, f.revealed(), request));
      },
      show: () => this.show(),
      tick: () => this.tick(),
      tell: (words, run, retry) => this.tell(words, run, retry),
      walletFailed: (fault, again) => this.walletFailed(fault, again),
      refuse: (r) => this.checking.refuse(r),
      prepare: () => void this.checking.prepare(),
      go: () => void this.go(),
    });
  }

  /** Checks the page and goes on with what a reload interrupted. */
  start(): void {
    const { f, d } = this;
    if (d.payment.payable && !this.checking.checkPage()) return;
    if (f.sent) void this.sending.watch(f.sent);
    if (f.sent?.chain) void this.extend();
    if (d.framed || d.store.proposed) void this.secure();
    if (d.store.gasless) void this.lift();
    this.tick();
  }

  // What happens outside.

  setWallets(wallets: readonly Wallet[], searching: boolean): void {
    this.f.wallets = wallets;
    this.f.searching = searching;
    this.show();
  }

  /** Another tab has begun or finished signing. */
  setElsewhere(elsewhere: boolean): void {
    this.f.elsewhere = elsewhere;
    this.show();
    if (!elsewhere && this.f.busy === 'no') void this.checking.prepare();
  }

  /** Another tab has sent this. */
  adopt(sent: Sent): void {
    if (this.f.sent?.hash === sent.hash || sent.kind !== 'pay') return;
    this.d.store.sent = sent;
    void this.sending.watch(sent);
  }

  current(): Sent | null {
    return this.f.sent;
  }

  tick(): void {
    const { f, d } = this;
    f.expired = d.now() >= d.payment.expiresAt;
    if (f.expired) f.calls = [];
    this.show();
  }

  onStatus(s: Status): void {
    const { f, d } = this;
    f.status = s;
    if (s.route) void this.extend();
    this.ways?.onStatus(s);
    if (s.safe) void this.secure();
    this.safe?.onStatus(s);
    if (s.op) void this.lift();
    f.gasless?.onStatus(s);
    if (s.state === 'paid') d.store.sent = f.sent = null;
    if (s.state === 'paid' || s.state === 'seen') d.store.asking = f.askedBefore = false;
    else if (s.reorged && f.sent?.mined) {
      d.store.sent = { ...f.sent, mined: false };
      void this.sending.watch({ ...f.sent, mined: false, at: d.now() });
    }
    if (f.stale(s)) this.reloadFor(s);
    this.show();
  }

  // What the payer does.

  async connect(wallet: Wallet, silently = false): Promise<void> {
    const { f, d } = this;
    if (f.busy === 'signing' || f.connecting === wallet.id) return;
    if (!silently) {
      f.connecting = wallet.id;
      f.notice = null;
      this.show();
    }
    try {
      if (await f.connection.connect(wallet, silently)) {
        d.store.wallet = wallet.id;
        if (f.connection.account) d.api.event('wallet_connected', f.connection.account);
      }
    } catch (err) {
      // The payer may have chosen another wallet meanwhile: then this one's refusal is no news.
      if (!silently && f.connecting === wallet.id) this.walletFailed(faultOf(err), () => void this.connect(wallet));
    } finally {
      if (f.connecting === wallet.id) f.connecting = '';
      this.show();
    }
  }

  forgetWallet(): void {
    if (this.f.busy === 'signing') return;
    this.d.store.wallet = null;
    this.f.notice = null;
    this.f.connection.drop();
  }

  async switchChain(): Promise<void> {
    const { f } = this;
    if (f.switching || f.busy === 'signing') return;
    f.switching = true;
    f.notice = null;
    this.show();
    try {
      await f.connection.switchChain();
    } catch (err) {
      const fault = faultOf(err);
      const again = (): void => void this.switchChain();
      if (fault === 'rejected' || fault === 'busy' || fault === 'silent') this.walletFailed(fault, again);
      else this.tell(say.switchFailed, again);
    } finally {
      f.switching = false;
      this.show();
    }
  }

  refresh(): void {
    void this.checking.prepare();
  }

  /** The payer is back on this tab: what was prepared may be out of date. */
  returned(): void {
    if (this.f.busy === 'no' && !this.f.notice) void this.checking.prepare();
  }

  /** The notice's button. */
  retry(): void {
    const { f, d } = this;
    const run = f.notice?.run;
    if (run) {
      f.notice = null;
    } else if (f.answer()?.verdict === 'rejected') {
      return this.forgetWallet();
    } else if (f.answer()?.verdict === 'error') {
      f.admission = null;
    } else if (f.askedBefore) {
      d.store.asking = f.askedBefore = false;
    } else {
      f.settled.add(f.warning()?.key ?? '');
    }
    this.show();
    if (run) run();
    else void this.checking.prepare();
  }

  /** Signs and sends the next step. Calling it twice does it once. */
  async go(): Promise<void> {
    const { f } = this;
    const asked = f.calls[0];
    if (f.mayGo() && (f.other?.fresh === false || f.gasless?.fresh === false)) await this.checking.prepare();
    const call = f.calls[0];
    const from = f.connection.account;
    if (!f.mayGo() || !call || call.kind !== asked?.kind || !from) {
      if (f.busy === 'no' && !f.calls.length && !f.notice) void this.checking.prepare();
      return;
    }
    if (this.checking.checkPage() && this.checking.known) await (f.safe ?? (f.gasless?.takes ? f.gasless : this.sending)).start(this.checking.known, call, from);
  }

  /** Something in this script went wrong: say so, and leave nothing half done. */
  broken(): void {
    if (this.f.busy === 'checking') this.f.busy = 'no';
    this.f.calls = [];
    this.tell(say.broken, this.d.reload, 'Reload');
  }

  // Small things.

  /** Fetches what is needed for other ways to pay, once. */
  private async extend(): Promise<void> {
    const { d } = this;
    if (!d.payment.ways || this.extending) return;
    this.extending = true;
    try {
      const { start } = await d.ways();
      this.ways = start({
        f: this.f, api: d.api, store: d.store, route: d.route, now: d.now,
        tools: this.tools,
        show: () => this.show(),
        tell: (words, run, retry) => this.tell(words, run, retry),
        choose: (other) => this.choose(other),
        prepare: () => void this.checking.prepare(),
        go: () => void this.go(),
        intend: (sent) => void this.sending.intend(sent),
      });
      this.show();
    } catch {
      this.extending = false;
    }
  }

  /** Fetches what is needed to pay from a Safe, once. */
  private secure(): Promise<void> {
    const { d, f } = this;
    if (!d.payment.safe) return Promise.resolve();
    this.securing ??= d.safe().then(
      ({ start }) => {
        this.safe = start({
          f, api: d.api, tabs: d.tabs, now: d.now, sleep: d.sleep, framed: d.framed, tools: this.tools,
          show: () => this.show(),
          tick: () => this.tick(),
          tell: (words, run, retry) => this.tell(words, run, retry),
          walletFailed: (fault, again) => this.walletFailed(fault, again),
          refuse: (r) => this.checking.refuse(r),
          prepare: () => {
            this.ways?.moved();
            void this.checking.prepare();
          },
          go: () => void this.go(),
          offer: (wallet) => {
            d.offer(wallet);
            if (!f.connection.account) void this.connect(wallet, true);
          },
        });
        this.show();
      },
      () => void (this.securing = null),
    );
    return this.securing;
  }

  /** Fetches what makes calls in other ways than one by one, once. */
  private lift(): Promise<Gasless | null> {
    const { d, f } = this;
    if (!d.payment.gasless) return Promise.resolve(null);
    this.lifting ??= d.gasless().then(
      ({ start }) => {
        f.gasless = start({
          f, api: d.api, tabs: d.tabs, now: d.now, sleep: d.sleep, tools: this.tools,
          show: () => this.show(),
          tick: () => this.tick(),
          tell: (words, run, retry) => this.tell(words, run, retry),
          walletFailed: (fault, again) => this.walletFailed(fault, again),
          refuse: (r) => this.checking.refuse(r),
          prepare: () => void this.checking.prepare(),
          go: () => void this.go(),
          ask: async () => this.onStatus(await d.api.status()),
          went: (sent) => {
            this.adopt(sent);
            d.tabs.announce(sent);
            void this.sending.intend(sent);
          },
        });
        this.show();
        return f.gasless;
      },
      () => (this.lifting = null),
    );
    return this.lifting;
  }

  /** An account with code that is not merely delegated to may be a Safe, and the wallet in a Safe's app is. */
  private async look(): Promise<void> {
    const { f, d } = this;
    const { account, chainId, wallet } = f.connection;
    f.safe = null;
    f.looking = account !== null && d.payment.safe !== '';
    if (f.looking) {
      this.show();
      if (wallet?.id === 'safe' || /^0x(?!ef0100)./i.test(String(await f.connection.read('eth_getCode', [account, 'latest']).catch(() => '')))) {
        await this.secure();
        if (account) await this.safe?.look(account);
      }
      if (account !== f.connection.account || chainId !== f.connection.chainId) return;
      f.looking = false;
      this.ways?.moved();
      this.show();
    }
    await this.checking.prepare();
  }

  private choose(other: Other | null): void {
    this.f.other = other;
    this.f.connection.chain = (other ?? this.d.payment).chain;
    this.moved();
  }

  /** The wallet's account or chain, or where to pay from, became different: whatever was prepared was for another. */
  private moved(): void {
    const { f } = this;
    if (f.connection.account) {
      void this.extend();
      void this.lift();
    }
    this.ways?.moved();
    f.gasless?.moved();
    this.checking.invalidate();
    f.calls = [];
    f.funds = null;
    f.done.clear();
    f.failed = f.awaited = null;
    this.show();
    void this.look();
  }

  /** Reloads for the new rest unless something is being signed; never twice for the same one. */
  private reloadFor(s: Status): boolean {
    const { f, d } = this;
    const key = [...s.requests.map((r) => r.missing), ...s.contractFees].join();
    if (!f.idle()) return false;
    if (d.store.reloadedFor === key) {
      f.calls = [];
      this.tell(say.amountChanged, d.reload, 'Reload');
      return false;
    }
    d.store.reloadedFor = key;
    d.store.sent = null;
    d.reload();
    return true;
  }

  private walletFailed(fault: WalletFault, again: () => void): void {
    if (fault === 'rejected') this.d.api.telemetry('wallet_rejected');
    this.tell(say.walletWords(fault), again);
  }

  private tell(words: say.Words, run: () => void, retry = 'Try again'): void {
    this.f.notice = { ...words, retry, run };
    this.show();
  }

  private show(): void {
    const shown = present(this.f, this.d.now());
    const other = this.ways?.present(shown) ?? shown;
    const safe = this.safe?.present(other) ?? other;
    const m = this.f.gasless?.present(safe) ?? safe;
    this.d.render(m);
    this.ways?.draw(m);
    this.safe?.draw(m);
    this.f.gasless?.draw(m);
  }
}
