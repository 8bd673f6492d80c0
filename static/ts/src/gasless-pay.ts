// Paying in other ways than one call after another: as one operation of the
// wallet's smart account, whose gas somebody else pays, or as one batch of the
// wallet. It decides which, has it done and says what becomes of it. No DOM.
import type { PayReply, Status } from './api.ts';
import { type Hex, sameHex } from './data.ts';
import { askAbilities, cannotBatch } from './gasless-batch.ts';
import { Batching, Moved } from './gasless-batching.ts';
import { type Abilities, type News, readNews, unable } from './gasless-data.ts';
import { Memory, type SentOp } from './gasless-memory.ts';
import type { Ready } from './gasless-offer.ts';
import { Revoking } from './gasless-revoke.ts';
import { askBundler, unheard } from './gasless-rpc.ts';
import { modelOf, present } from './gasless-show.ts';
import { type Way, choose, isBatch, isFree, isOp } from './gasless-table.ts';
import type { Gasless, GaslessHost, Operating } from './gasless-types.ts';
import type { Drawing } from './gasless-view.ts';
import * as say from './gasless-words.ts';
import type { Model } from './model.ts';
import { display } from './units.ts';
import type { Call, RegistryChain } from './verify.ts';
import type { Words } from './words.ts';

/** A wallet that has not said what it can do by then is not waited for. */
const slowWallet = 1_500;
/** What was prepared for an operation is prepared anew after so long. */
const stale = 60_000;
/** How long after an operation was sent the server may still not say so. */
const settling = 15_000;
/** How often an operation is handed in again that the bundler did not take. */
const tries = 8;
const ops: readonly Way[] = ['op_permit', 'op_approved', 'op_approval'];

export class GaslessPay implements Gasless {
  way: Way = 'plain';
  ways: readonly Way[] = ['plain'];
  ready: Ready | null = null;
  /** Who pays for gas, for people; "" if not known. */
  sponsor = '';
  /** What the wallet would pay for gas by itself, for people. */
  plainGas = '';
  /** How many confirmations the plain way takes. */
  plainCalls = 0;
  /** What is going on while the payer waits, by the name of its words. */
  stage = '';
  news: News | null = null;
  retrying = false;
  readonly memory: Memory;
  readonly revoking: Revoking;
  readonly batching: Batching;
  /** What is known of operations, once its script is there. */
  private op: Operating | null = null;
  private fetching: Promise<Operating | null> | null = null;
  /** Why a way cannot be used. */
  private trouble: (Words & { readonly run: () => void }) | null = null;
  private readonly failed = new Set<Way>();
  /** The wallet has no smart account, or what is said of it is nothing that is known here. */
  private accountless = false;
  private able: Abilities = unable;
  private asked: { readonly key: string; readonly answer: Promise<Abilities> } | null = null;
  private revokes: Call[] = [];
  /** Where the wallet asks for a sponsor, "" if it need not. */
  private paymaster = '';
  private payable: boolean;
  private learning = false;
  private ended: News | null = null;

  constructor(
    readonly host: GaslessHost,
    private readonly drawing: Drawing,
    /** Fetches what is known of operations. */
    private readonly operations: (host: GaslessHost) => Promise<Operating>,
    private readonly origin: string,
  ) {
    const { f } = host;
    this.memory = new Memory(f.store);
    this.revoking = new Revoking(host, () => this.fetch());
    this.batching = new Batching(host, this.memory, (stage) => this.step(stage));
    this.payable = f.payment.payable;
    // A page that was loaded while an operation is on its way says seen.
    if (f.payment.state !== 'open' && f.payment.state !== 'seen') this.memory.forget();
    const { op, batch } = this.memory;
    f.held ||= !!op || !!batch;
    if (f.status) this.onStatus(f.status);
    if (batch) void this.batching.waitFor(batch);
    if (op) void this.resend(op);
  }

  // What happens outside.

  moved(): void {
    this.way = 'plain';
    this.ways = ['plain'];
    this.ready = this.trouble = null;
    this.revokes = [];
    this.accountless = false;
    this.able = unable;
    this.failed.clear();
  }

  onStatus(s: Status): void {
    const { f, now, prepare } = this.host;
    const { memory } = this;
    const told = readNews(s.op);
    const mine = memory.op;
    if (mine && !told?.own) void this.learn();
    // It has a story of its own here: nobody need be warned of it as of a transaction.
    if (told?.own) f.settled.add(told.hash.toLowerCase());
    // How an operation of this browser has ended is told on, by whichever stream.
    if (told?.own && told.stage !== 'waiting') this.ended = told;
    const news = told ?? (s.state === 'open' && !mine ? this.ended : null);
    this.news = news;
    const again = s.payable && !this.payable;
    this.payable = s.payable;
    if (s.state !== 'open') {
      if (mine || memory.batch) {
        memory.op = memory.batch = null;
        f.held = false;
      }
      if (s.state === 'paid') void this.revoking.look(this.ready);
      return;
    }
    const same = !!mine && !!news && sameHex(news.hash, mine.hash);
    // What the server holds or lets go counts from when it has heard of it.
    const forgotten = !!mine && !same && s.payable && !this.retrying && now() - mine.at > settling;
    if (same || forgotten) f.held = false;
    if (forgotten || (same && (s.payable || news.stage !== 'waiting'))) memory.op = null;
    if (forgotten) this.fail(say.lost);
    else if ((again || same) && s.payable && !f.held && !f.calls.length) prepare();
  }

  private async learn(): Promise<void> {
    if (this.learning) return;
    this.learning = true;
    await this.host.ask().catch(() => undefined);
    this.learning = false;
  }

  // What the payer does.

  pick(way: Way): void {
    const { f, prepare } = this.host;
    if (f.busy !== 'no' || way === this.way || !this.ways.includes(way)) return;
    this.memory.picked = way;
    this.trouble = f.notice = null;
    prepare();
  }

  /** The most that the account may take, null for exactly what it needs. */
  cap(units: bigint | null): void {
    if (this.host.f.busy !== 'no' || units === this.memory.cap) return;
    this.memory.cap = units;
    this.host.prepare();
  }

  // What is prepared.

  get takes(): boolean {
    const kind = this.host.f.calls[0]?.kind;
    return isBatch(this.way) || (isOp(this.way) && kind !== 'allow' && kind !== 'revoke');
  }

  get fresh(): boolean {
    return !isOp(this.way) || (this.ready !== null && this.host.now() - this.ready.at < stale);
  }

  async split(reply: PayReply): Promise<PayReply> {
    const { f, tools } = this.host;
    const { account, chain } = f.connection;
    const list: unknown = reply.transactions;
    this.revokes = [];
    if (!Array.isArray(list) || !account) return reply;
    const { erc20FeeProxy = '', batchPayments = '' } = tools.registry[chain.id] ?? {};
    for (const step of list.slice(0, -1)) {
      // approve(…, 0), which a payment may begin with for reasons of its own.
      const spender = /^0x095ea7b30{24}(.{40})0{64}$/i.exec(String((step as { data?: unknown } | null)?.data))?.[1];
      if (!spender || [erc20FeeProxy, batchPayments].some((a) => sameHex(a, `0x${spender}`))) break;
      const op = await this.fetch();
      // Without what knows the wallet's account nobody can tell what this step is.
      if (!op) throw new Error('operation.js did not come');
      const revoke = op.revoke(step, account);
      if (!revoke) break;
      this.revokes.push(revoke);
    }
    return this.revokes.length ? { ...reply, transactions: list.slice(this.revokes.length) } : reply;
  }

  async prepared(reply: PayReply, known: RegistryChain, current: () => boolean): Promise<void> {
    const { host } = this;
    const { f } = host;
    const { account } = f.connection;
    const { calls: plain, funds } = f;
    if (!account || f.safe || !funds) return this.moved();
    const sponsored = reply.gasless;
    const { native, nativeRequired, enoughGas, enoughBalance, assets } = reply.funds;
    const token = enoughBalance && [...assets.values()].every((a) => a.balance === null || a.required === null || a.balance >= a.required);
    const coin = enoughGas && (native === null || nativeRequired === null || native >= nativeRequired);
    if (sponsored || plain.length > 1) await this.askWallet(account);
    const url = sponsored && this.able.paymaster ? this.paymasterUrl(reply) : '';
    const batched = url !== '' && this.able.atomic !== 'no' && !this.failed.has('batch_sponsored');
    const ready = current() && sponsored && token && !this.accountless && !batched ? await this.read(account, known) : null;
    if (!current()) return;
    this.ready = ready;
    this.paymaster = url;
    this.sponsor = ready?.offer.sponsor || this.sponsor;
    this.plainGas = funds.gas;
    this.plainCalls = plain.length + this.revokes.length;
    const { ways, way } = choose(
      {
        atomic: this.able.atomic, paymaster: url !== '', sponsored, calls: plain.length, coin, account: ready !== null,
        token: token && (!ready || ready.offer.balance >= ready.offer.amount), permit: !!ready?.offer.permit, allowed: !!ready && ready.offer.allowance >= ready.offer.amount,
      },
      this.memory.picked,
      this.failed,
    );
    this.ways = ways;
    this.way = way;
    if (isOp(way) && ready && this.op) {
      ready.take();
      f.calls = this.op.shown(ready, way === 'op_approved' ? null : this.limit(ready));
      f.checks = [...ready.checks, ...f.checks.filter((c) => c.name.startsWith('page_'))];
    } else {
      f.calls = [...this.revokes, ...plain];
    }
    if (isFree(way)) f.funds = { ...funds, gas: say.gasPaid(this.sponsor), missing: token ? '' : funds.missing };
    if (this.trouble) host.tell(this.trouble, this.trouble.run);
  }

  /** What the account is allowed: what the payer chose, at least what it needs. */
  limit(ready: Ready): bigint {
    const chosen = this.memory.cap ?? 0n;
    return chosen > ready.offer.amount ? chosen : ready.offer.amount;
  }

  /** The wallet's backend asks there, and nowhere but at this page's own server. */
  private paymasterUrl(reply: PayReply): string {
    const url = reply.paymasterUrl;
    return url.startsWith(`${this.origin}/checkout/`) ? url : '';
  }

  private async askWallet(account: Hex): Promise<void> {
    const { connection } = this.host.f;
    const { id } = connection.chain;
    const key = `${connection.wallet?.id}:${account}:${id}`;
    if (this.asked?.key !== key) {
      this.asked = { key, answer: askAbilities((method, params) => connection.read(method, params), this.host.tools.faultOf, account, id) };
    }
    this.able = await Promise.race([this.asked.answer, this.host.sleep(slowWallet).then(() => unable)]);
  }

  private query(account: Hex): string {
    const { f } = this.host;
    return `wallet=${account}&option=${encodeURIComponent((f.other ?? f.payment).option)}`;
  }

  private fetch(): Promise<Operating | null> {
    this.fetching ??= this.operations(this.host).then(
      (op) => (this.op = op),
      () => (this.fetching = null),
    );
    return this.fetching;
  }

  /** Reads the wallet's smart account; null where it has none. Throws Refusal. */
  private async read(account: Hex, known: RegistryChain): Promise<Ready | null> {
    const { host } = this;
    const fetched = this.fetch();
    let answer: unknown;
    try {
      answer = await host.api.json(`gasless?${this.query(account)}`);
    } catch (err) {
      const code = String((err as { readonly code?: unknown }).code);
      this.accountless = ['owner_has_code', 'account_changed', 'gasless_unsupported', 'gasless_native'].includes(code);
      // A wallet that pays for gas by itself need not know why it must.
      if (isOp(this.memory.picked) || !this.accountless) this.quiet = say.notNow;
      return null;
    }
    const op = await fetched;
    const ready = op?.prove(answer, known, account, host.f.connection.chain) ?? null;
    this.quiet = ready ? '' : say.notNow;
    this.accountless = op !== null && ready === null;
    return ready;
  }

  /** Why there is no way without gas where there should be one, "" if there is. */
  quiet = '';

  again(request: object, call: Call): Pick<Call, 'kind' | 'asset'> | null {
    const { f, tools } = this.host;
    if (call.kind !== 'allow' && call.kind !== 'revoke') return null;
    const t = request as { readonly to?: unknown; readonly data?: unknown; readonly value?: unknown };
    const same = f.calls.includes(call) && t.to === call.to && t.data === call.data && t.value === '0x0' && this.op?.own(call, f.connection.account ?? '0x');
    if (!same) throw new tools.Refusal('op_calls', 'step', call.kind, 'another');
    return call;
  }

  // What is signed.

  async start(known: RegistryChain, call: Call, from: Hex): Promise<void> {
    const { f, tabs, show } = this.host;
    f.busy = 'signing';
    f.signing = call;
    f.failed = f.notice = this.trouble = null;
    show();
    const release = await tabs.hold();
    try {
      if (release) await (isBatch(this.way) ? this.batch(known, from) : this.operate());
    } catch (err) {
      this.stumble(err);
    } finally {
      release?.();
      f.store.asking = false;
      f.signing = null;
      this.step('');
      if (f.busy === 'signing') f.busy = 'no';
      show();
    }
  }

  private step(stage: string): void {
    this.stage = stage;
    this.host.show();
  }

  /** Has the smart account pay: a permit if it needs one, then one operation. */
  private async operate(): Promise<void> {
    const { host, ready, way, op } = this;
    const { f, prepare } = host;
    if (!ready || !op) throw new Moved();
    const cap = this.limit(ready);
    const ran = await op.run(ready, way, cap, this.query(ready.owner), (stage) => this.step(stage));
    if ('sent' in ran) {
      this.memory.op = ran.sent;
      this.revoking.left(ready, way === 'op_permit' ? cap : ready.offer.allowance);
      f.held = true;
      f.calls = [];
      f.notice = null;
      void this.resend(ran.sent);
      // The server's status may have come first.
      if (f.status) this.onStatus(f.status);
      return;
    }
    f.busy = 'no';
    if (!ran.trouble) return prepare();
    if (!ran.passing) return this.without(ops, ran.trouble);
    host.tick();
    this.fail(ran.trouble);
    prepare();
  }

  /** Hands in again what the bundler did not take, which cannot pay twice: its nonce is one. */
  private async resend(op: SentOp): Promise<void> {
    const { host, memory } = this;
    if (!op.params || this.retrying) return;
    this.retrying = true;
    for (let i = 0, wait = 2_000; i < tries && memory.op?.hash === op.hash; i++, wait = Math.min(wait * 2, 30_000)) {
      host.show();
      await host.sleep(wait);
      const err: unknown = await askBundler(host.api, op.query, 'eth_sendUserOperation', op.params).then(
        () => null,
        (e: unknown) => e,
      );
      // The server has let go of what was refused for good: its status says so.
      if (err === null || !unheard(err)) break;
    }
    this.retrying = false;
    if (memory.op?.hash === op.hash) memory.op = { ...op, params: null, at: host.now() };
    host.show();
  }

  private batch(known: RegistryChain, from: Hex): Promise<void> {
    const paymaster = this.way === 'batch_sponsored' ? this.paymaster : '';
    return this.batching.send(known, from, { able: this.able, paymaster, again: (request, call) => this.again(request, call) });
  }

  // What goes wrong.

  /** Says why something did not work; again, if something is prepared meanwhile. */
  private fail(words: Words): void {
    const { prepare, tell } = this.host;
    const run = (): void => {
      this.trouble = null;
      prepare();
    };
    this.trouble = { ...words, run };
    tell(words, run);
  }

  /** Goes on without some ways, until the payer wants to try them again. */
  private without(ways: readonly Way[], words: Words): void {
    const { f, prepare, tell } = this.host;
    const run = (): void => {
      for (const w of ways) this.failed.delete(w);
      this.trouble = null;
      prepare();
    };
    for (const w of ways) this.failed.add(w);
    this.trouble = { ...words, run };
    tell(words, run);
    f.busy = 'no';
    prepare();
  }

  private stumble(err: unknown): void {
    const { host, way } = this;
    const { tools, prepare, go } = host;
    host.f.store.asking = false;
    if (err instanceof tools.Refusal) return host.refuse(err);
    if (err instanceof Moved) {
      host.tick();
      return host.tell(say.moved, prepare, 'Check again');
    }
    const fault = tools.faultOf(err);
    // A wallet that could not have the fee paid may still make the batch.
    if (isBatch(way) && cannotBatch(err, fault)) return this.without([way], way === 'batch' ? say.batchUnable : say.batchSponsorless);
    host.walletFailed(fault, () => (fault === 'rejected' || fault === 'busy' ? go() : prepare()));
  }

  // What is shown.

  present(m: Model): Model {
    return present(this, m);
  }

  draw(m: Model): void {
    this.drawing.draw(modelOf(this, m), m);
  }

  /** The asset that the chosen way takes. */
  get asset(): { readonly symbol: string; readonly decimals: number } {
    const { f } = this.host;
    return (f.other?.leaving ?? f.payment).assets[0];
  }

  sum(units: bigint): string {
    return `${display(units, this.asset.decimals)} ${this.asset.symbol}`;
  }

  /** All that leaves the wallet, in words. */
  whole(): string {
    const { f, tools } = this.host;
    return tools.sumWords(f.other?.leaving ?? f.payment);
  }
}
