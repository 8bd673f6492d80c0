// Pays a deposit with a wallet of this browser: one transfer, to the address and of
// the amount that the page shows. It knows no DOM.
import { readPay } from './api.ts';
import { Connection } from './connection.ts';
import { fields } from './data.ts';
import { verifyDepositCall, verifyDepositPay } from './deposit-call.ts';
import type { Quote } from './deposit-data.ts';
import type { Difference, Paying, PayingHost } from './deposit-types.ts';
import { ApiError } from './endpoint.ts';
import type { Model, Notice } from './model.ts';
import { type WalletFault, faultOf } from './rpc.ts';
import { type Around, type Known, Sending } from './sending.ts';
import type { Sent } from './store.ts';
import { type StepOf, fundsWords } from './stepper.ts';
import { type Call, type PageCheck, Refusal } from './verify.ts';
import type { Wallet } from './wallets.ts';
import * as say from './words.ts';

export interface PayingDeps {
  readonly tabs: Around['tabs'];
  readonly draw: (p: DepositPaying) => void;
}

export class DepositPaying implements Paying, Known {
  wallets: readonly Wallet[] = [];
  searching = true;
  /** The id of the wallet that is being asked to connect. */
  connecting = '';
  switching = false;
  busy: Paying['busy'] = 'no';
  signing: StepOf | null = null;
  /** Another tab is signing. */
  elsewhere = false;
  /** The transfer, verified for the connected account and this quote. */
  calls: readonly Call[] = [];
  funds: Model['funds'] = null;
  sent: Sent | null;
  sentBefore: boolean;
  stranded = false;
  failed: StepOf | null = null;
  readonly connection: Connection;
  readonly store;
  /** Hashes that the payer need not be warned of any more. */
  readonly settled = new Set<string>();
  notice: (Notice & { run: () => void }) | null = null;
  /** The page was reloaded while the wallet showed the transfer. */
  askedBefore: boolean;

  // A payment of this kind is one call, in its own asset.
  awaited = null;
  readonly done = new Map<string, string>();
  readonly other = null;

  private readonly sending: Sending;
  /** Of which the call is. */
  private quote: Quote | null = null;
  /** Counts what makes a running question out of date. */
  private epoch = 0;
  /** The wallet chosen before a reload, until it is found or the payer chooses anew. */
  private last: string | null;

  constructor(
    private readonly h: PayingHost,
    private readonly d: PayingDeps,
  ) {
    const { store } = h;
    this.store = store;
    this.sent = store.sent;
    this.sentBefore = this.sent !== null;
    this.askedBefore = !this.sent && store.asking;
    this.last = store.wallet;
    const chain = this.chain() ?? { id: 0, network: '', name: '', rpcUrls: [], explorer: '', native: { name: '', symbol: '', decimals: 18 } };
    this.connection = new Connection(chain, () => this.moved());
    this.sending = new Sending(this, {
      api: { intent: (body) => h.api.intent(body), event: () => undefined, telemetry: (event, more) => h.api.telemetry(event, more) },
      tabs: d.tabs,
      now: h.now,
      sleep: h.sleep,
      verify: (_, call, request) => this.verifyAgain(call, request),
      show: h.show,
      tick: h.tick,
      tell: (words, run, retry) => this.tell(words, run, retry),
      walletFailed: (fault, again) => this.walletFailed(fault, again),
      refuse: (r) => this.refuse(r),
      prepare: () => void this.prepare(),
      go: () => void this.go(),
    });
    if (this.sent) void this.sending.watch(this.sent);
  }

  /** Nothing may be signed after that. */
  get payment(): { readonly expiresAt: number } {
    return { expiresAt: this.h.f.quote?.expiresAt ?? 0 };
  }

  get status(): Known['status'] {
    return this.h.f.status;
  }

  get where(): number {
    return this.h.f.asset?.chainId ?? 0;
  }

  get idle(): boolean {
    return !this.sent && this.busy !== 'signing' && !this.switching && !this.elsewhere && !this.askedBefore;
  }

  mayGo(): boolean {
    return (
      this.mayPrepare() && this.busy === 'no' && !this.switching && !this.elsewhere && this.calls.length > 0 && this.quote === this.h.f.quote &&
      !this.funds?.missing && !this.askedBefore && !this.warning()
    );
  }

  /** A payment was sent that this tab did not follow: the payer has to decide. */
  warning(): { readonly words: say.Words; readonly key: string } | null {
    const { f } = this.h;
    const { announcedTx, transfers } = f.status;
    const key = announcedTx.toLowerCase();
    if (!key || this.sent || !f.payable || this.settled.has(key) || transfers.some((t) => t.txHash.toLowerCase() === key)) return null;
    return { words: say.announced, key };
  }

  reaches(sent: Sent): boolean {
    const { account, chainId } = this.connection;
    return account !== null && chainId === sent.chain;
  }

  explorer(hash: string): string {
    const chain = this.h.f.page.chains.find((c) => c.id === this.sent?.chain);
    return chain?.explorer && hash ? `${chain.explorer.replace(/\/+$/, '')}/tx/${hash}` : '';
  }

  // What happens outside.

  setWallets(wallets: readonly Wallet[], searching: boolean): void {
    this.wallets = wallets;
    this.searching = searching;
    const wallet = wallets.find((w) => w.id === this.last);
    if (wallet) {
      this.last = null;
      void this.connect(wallet, true);
    }
    this.h.show();
  }

  setElsewhere(elsewhere: boolean): void {
    this.elsewhere = elsewhere;
    this.h.show();
    if (!elsewhere) void this.prepare();
  }

  /** Another tab has sent this. */
  adopt(sent: Sent): void {
    if (this.sent?.hash === sent.hash || !this.h.f.payable || this.settled.has(sent.hash.toLowerCase())) return;
    this.store.sent = sent;
    void this.sending.watch(sent);
  }

  changed(): void {
    const { f } = this.h;
    const chain = this.chain();
    if (chain && chain !== this.connection.chain && this.busy !== 'signing') this.connection.chain = chain;
    this.counted();
    if (f.quote !== this.quote && this.busy !== 'signing') {
      this.calls = [];
      this.funds = null;
      void this.prepare();
    }
  }

  returned(): void {
    if (this.busy === 'no' && !this.notice) void this.prepare();
  }

  broken(): void {
    if (this.busy === 'checking') this.busy = 'no';
    this.calls = [];
  }

  draw(): void {
    this.d.draw(this);
  }

  // What the payer does.

  choose(id: string): void {
    const wallet = this.wallets.find((w) => w.id === id);
    this.last = null;
    if (wallet) void this.connect(wallet);
  }

  async connect(wallet: Wallet, silently = false): Promise<void> {
    const { h } = this;
    if (this.busy === 'signing' || this.connecting === wallet.id) return;
    if (!silently) {
      this.connecting = wallet.id;
      this.notice = null;
      h.show();
    }
    try {
      if (await this.connection.connect(wallet, silently)) this.store.wallet = wallet.id;
    } catch (err) {
      // The payer may have chosen another wallet meanwhile: then this one's refusal is no news.
      if (!silently && this.connecting === wallet.id) this.walletFailed(faultOf(err), () => void this.connect(wallet));
    } finally {
      if (this.connecting === wallet.id) this.connecting = '';
      h.show();
    }
  }

  forget(): void {
    if (this.busy === 'signing') return;
    this.last = this.store.wallet = null;
    this.notice = null;
    this.connection.drop();
  }

  /** The notice's button. */
  retry(): void {
    const run = this.notice?.run;
    if (run) this.notice = null;
    else if (this.stranded) this.store.sent = this.sent = null;
    else if (this.askedBefore) this.store.asking = this.askedBefore = false;
    else this.settled.add(this.warning()?.key ?? '');
    this.stranded = false;
    this.h.show();
    if (run) run();
    else void this.prepare();
  }

  /** Switches the network if need be, then has the transfer signed and sent. Calling it twice does it once. */
  async go(): Promise<void> {
    const { f, registry, settle } = this.h;
    const [call] = this.calls;
    const { quote } = this;
    const from = this.connection.account;
    if (!this.mayGo() || !call || !quote || !from) return;
    this.notice = null;
    if (!this.connection.ready && !(await this.switchChain())) return;
    // The wallet was open meanwhile: what was checked must still be what is asked for.
    const known = registry[quote.chainId];
    if (!known || f.quote !== quote || this.connection.account !== from || this.calls[0] !== call || !this.mayGo()) return this.prepare();
    const differs = this.h.differs();
    if (differs) return this.refuse(differs);
    await this.sending.start(known, call, from);
    settle();
  }

  /** Fetches the transfer for the connected account and judges it. */
  async prepare(): Promise<void> {
    const { h } = this;
    const { quote, asset } = h.f;
    const { account } = this.connection;
    this.quote = quote;
    if (!account || !quote || !asset || !this.mayPrepare()) return h.show();
    const epoch = ++this.epoch;
    this.busy = 'checking';
    this.calls = [];
    h.show();
    try {
      const answer = await h.api.pay(asset.id, account);
      if (epoch === this.epoch) await this.accept(answer, quote, epoch);
    } catch (err) {
      if (epoch === this.epoch) await this.prepareFailed(err);
    } finally {
      if (epoch === this.epoch && this.busy === 'checking') this.busy = 'no';
      h.show();
    }
  }

  // Small things.

  private mayPrepare(): boolean {
    const { f } = this.h;
    return this.connection.account !== null && f.quote !== null && f.payable && !this.sent && !f.quoting && this.busy !== 'signing';
  }

  private chain() {
    const { f } = this.h;
    return f.page.chains.find((c) => c.id === f.asset?.chainId);
  }

  private async accept(answer: unknown, quote: Quote, epoch: number): Promise<void> {
    const { h } = this;
    const reply = readPay(answer);
    const bad = reply.checks.find((c) => c.outcome === 'failed');
    if (bad) return h.refuse(bad.name, bad.detail);
    let call: Call;
    try {
      call = verifyDepositPay(quote, fields(answer) ?? {}, reply.transactions, reply.chainId);
    } catch (err) {
      // A part may have arrived, or another tab got a new price: then it is the page that is out of date.
      const status = err instanceof Refusal ? await h.api.status(quote.asset).catch(() => null) : null;
      if (epoch !== this.epoch) return;
      if (status) h.onStatus(status);
      if (h.f.quote !== quote) return;
      throw err;
    }
    this.calls = [call];
    this.notice = null;
    const { asset: id, symbol, decimals, token: address, native } = quote;
    this.funds = fundsWords(
      { chain: this.connection.chain, assets: [{ id, symbol, decimals, address, native, resetAllowance: false, contractFee: 0n }], items: [{ asset: 0, amount: quote.units, fee: 0n }] },
      reply.funds,
    );
  }

  private async prepareFailed(err: unknown): Promise<void> {
    const { h } = this;
    if (err instanceof Refusal) return this.refuse(err);
    if (!(err instanceof ApiError)) {
      // The page's own script may have made it, which has a class of its own.
      const { status, code } = (err ?? {}) as Partial<ApiError>;
      if (typeof status !== 'number' || typeof code !== 'string') throw err;
    }
    const e = err as ApiError;
    if (e.code === 'unsafe') return h.refuse(e.field, '');
    if (e.status === 409) {
      const { quote } = this;
      const status = await h.api.status(h.f.asset?.id ?? '').catch(() => null);
      if (status) h.onStatus(status);
      if (h.f.quote !== quote || !h.f.payable) return;
    }
    this.tell(say.apiWords(e), () => void this.prepare());
  }

  private async switchChain(): Promise<boolean> {
    this.switching = true;
    this.h.show();
    try {
      await this.connection.switchChain();
      return true;
    } catch (err) {
      const fault = faultOf(err);
      const again = (): void => void this.go();
      if (fault === 'rejected' || fault === 'busy' || fault === 'silent') this.walletFailed(fault, again);
      else this.tell(say.switchFailed, again);
      return false;
    } finally {
      this.switching = false;
      this.h.show();
    }
  }

  /** The wallet's account or chain became different. */
  private moved(): void {
    // The transfer is the same wherever the wallet is.
    if (this.switching) return this.h.show();
    this.epoch++;
    if (this.busy === 'checking') this.busy = 'no';
    this.calls = [];
    this.funds = null;
    void this.prepare();
  }

  /** What this browser sent is done with once the server lists it, or needs nothing more. */
  private counted(): void {
    const { status } = this.h.f;
    const { sent } = this;
    if (status.state !== 'open') this.store.asking = this.askedBefore = false;
    if (!sent || (status.state === 'open' && !status.transfers.some((t) => t.txHash.toLowerCase() === sent.hash.toLowerCase()))) return;
    this.settled.add(sent.hash.toLowerCase());
    this.store.sent = this.sent = null;
    this.stranded = this.sentBefore = false;
    this.notice = null;
    void this.prepare();
  }

  /** In the breath in which the wallet is asked: the call, the quote and the page still say the same. */
  private verifyAgain(call: Call, request: object): Pick<Call, 'kind' | 'asset'> {
    const differs = this.h.differs();
    if (differs) throw new Refusal(differs.check, differs.field, differs.expected, differs.found);
    const { quote } = this.h.f;
    if (!quote || this.calls[0] !== call) throw new Refusal('page_calldata', 'amount', 'this quote', 'another');
    return verifyDepositCall(quote, request);
  }

  private refuse(r: Difference): void {
    this.calls = [];
    this.notice = null;
    this.h.refuse(r.check satisfies PageCheck, say.difference(r.field, r.expected, r.found));
  }

  private walletFailed(fault: WalletFault, again: () => void): void {
    if (fault === 'rejected') this.h.api.telemetry('wallet_rejected');
    this.tell(say.walletWords(fault), again);
  }

  private tell(words: say.Words, run: () => void, retry = 'Try again'): void {
    this.notice = { ...words, retry, run };
    this.h.show();
  }
}
