// Paying from a Safe: recognises one, has the payment's calls proposed to it as
// one transaction, and says what becomes of that. No DOM.
import type { ApiError, Check, Status } from './api.ts';
import { type Hex, fields, isHash, sameHex } from './data.ts';
import type { Model } from './model.ts';
import { quantity } from './rpc.ts';
import { batches } from './safes.gen.ts';
import { type Account, type News, type Proposed, readAccount, readDeadline, readNews, readProposed } from './safe-data.ts';
import { type Frame, type SafeInfo, asWallet } from './safe-frame.ts';
import { checkTx, findTx, writeTx } from './safe-tx.ts';
import type { Safe, SafeCheck, SafeHost, SafePayer } from './safe-types.ts';
import type { Drawing, SafeModel, Waiting } from './safe-view.ts';
import { Watch } from './safe-watch.ts';
import * as say from './safe-words.ts';
import { remaining } from './units.ts';
import type { Call, RegistryChain } from './verify.ts';

/** A Safe's app that shows nothing by then may have lost the request. */
const patience = 120_000;
/** How long after it was told the server may still say what it knew before. */
const settling = 15_000;

type Answer = Pick<Proposed, 'hash' | 'plain'>;

/** The wallet's account or chain is not the one the calls were made for, or the time is up. */
class Moved extends Error {}
/** The wallet takes one call at a time, and a Safe would have to sign each by itself. */
class OneByOne extends Error {}

export class SafePay implements Safe, SafePayer {
  private info: SafeInfo | null = null;
  /** The app has not answered. */
  private mute = false;
  private watch: Watch | null = null;
  private news: News | null = null;
  private rejected = false;
  /** A proposal waits that this payment is not kept for. */
  private late = false;

  constructor(
    private readonly host: SafeHost,
    private readonly drawing: Drawing,
    /** The Safe's app around this page, null where there is none. */
    private readonly frame: Frame | null,
  ) {
    const { f } = host;
    const mine = readProposed(f.store.proposed);
    if (mine && f.payment.state === 'open') this.follow(mine, true);
    else f.store.proposed = null;
    if (f.status) this.onStatus(f.status);
    if (frame) void this.greet(frame);
  }

  // What happens outside.

  /** The Safe is the app's. */
  get fixed(): boolean {
    return this.host.f.connection.wallet?.provider === this.frame;
  }

  async look(account: Hex): Promise<void> {
    const { f } = this.host;
    if (this.fixed || (await this.resembles(account))) f.safe = this;
  }

  failed(err: ApiError): boolean {
    const { f, prepare } = this.host;
    if (this.fixed || !['not_a_safe', 'no_contract'].includes(err.code)) return false;
    // A contract of another kind pays as any account does.
    f.safe = null;
    prepare();
    return true;
  }

  onStatus(s: Status): void {
    const { f, now, prepare } = this.host;
    this.news = readNews(s.safe);
    const { news, watch } = this;
    const mine = watch?.own ? watch : null;
    const same = !!news && !!watch && sameHex(news.hash, watch.proposed.hash);
    if (mine) {
      const known = same && news.stage !== 'waiting';
      // The payment is kept for another, or for none any more.
      const free = mine.told > 0 && now() - mine.told > settling && (s.payable || (!same && !!news));
      if (s.state !== 'open') {
        // What was not executed by then must not be.
        this.late = s.state === 'expired' && !known;
        this.end();
      } else if (known || free) {
        this.end();
        if (!known && !mine.proposed.plain) this.host.tell(say.letGo, prepare, 'I have looked');
        else if (s.payable) prepare();
      }
    } else if (watch && !(same && news.stage === 'waiting')) {
      this.end();
    }
    this.join();
    if (s.state !== 'open') f.store.proposed = null;
  }

  // What the payer does.

  async start(known: RegistryChain, call: Call, from: Hex): Promise<void> {
    const { f, tabs, show } = this.host;
    f.busy = 'signing';
    f.signing = call;
    f.failed = f.notice = null;
    show();
    const release = await tabs.hold();
    try {
      if (release) await this.propose(known, from);
    } catch (err) {
      this.stumble(err);
    } finally {
      release?.();
      f.store.asking = false;
      f.signing = null;
      if (f.busy === 'signing') f.busy = 'no';
      show();
    }
  }

  private async propose(known: RegistryChain, from: Hex): Promise<void> {
    const { f, api, now, prepare, tools } = this.host;
    const { connection, calls, other } = f;
    const [first] = calls;
    const chain = connection.chain.id;
    await connection.refresh();
    if (!first || connection.account !== from || connection.chainId !== chain || now() >= f.payment.expiresAt) throw new Moved();
    const requests = calls.map(({ to, data, value }) => Object.freeze({ to, data, value: quantity(value) }));
    // All of it once more, in the same breath: what follows the first is in the proof of a route.
    if (other) other.again(requests[0] ?? {}, first);
    else tools.verifyPlan(known, f.revealed(), requests, chain);
    const account = readAccount(f.reply?.safe ?? null);
    const deadline = readDeadline(f.reply?.metadata['safePaymentDeadline']);
    f.store.asking = true;
    api.event('payment_sent_to_wallet', from);
    const attempt = this.ask(from, chain, calls);
    const went = (a: Answer): void => this.went({ ...a, safe: from, chain, deadline, at: now(), tx: null, calls: calls.map((c) => ({ to: c.to, value: String(c.value), data: c.data })) }, account);
    let abandoned = false;
    const gaveUp = this.impatience(attempt).then(() => {
      abandoned = true;
      // The owners may sign it after all: then it counts.
      attempt.then((late) => void (late && went(late)), () => undefined);
      return null;
    });
    const answer = await Promise.race([attempt, gaveUp]);
    f.notice = null;
    if (abandoned) {
      f.busy = 'no';
      return prepare();
    }
    f.calls = [];
    if (answer) went(answer);
    else this.host.tell(say.noHash, prepare, 'I have looked');
  }

  /** Has the calls proposed; resolves to the safeTxHash, or null if the wallet did not give one. */
  private async ask(from: Hex, chain: number, calls: readonly Call[]): Promise<Answer | null> {
    const hashIn = (v: unknown, key: string, plain = false): Answer | null => {
      const hash = fields(v)?.[key] ?? v;
      return isHash(hash) ? { hash: hash.toLowerCase() as Hex, plain } : null;
    };
    if (this.fixed && this.frame) {
      return hashIn(await this.frame.send(calls.map((c) => ({ to: c.to, value: String(c.value), data: c.data }))), 'safeTxHash');
    }
    const provider = this.host.f.connection.provider();
    const chainId = quantity(chain);
    const list = calls.map((c) => ({ to: c.to, data: c.data, value: quantity(c.value) }));
    try {
      return hashIn(await provider.request({ method: 'wallet_sendCalls', params: [{ version: '2.0.0', chainId, from, atomicRequired: true, calls: list }] }), 'id');
    } catch (err) {
      if (!this.unable(err)) throw err;
    }
    if (list.length > 1) throw new OneByOne();
    return hashIn(await provider.request({ method: 'eth_sendTransaction', params: [{ from, chainId, ...list[0] }] }), 'hash', true);
  }

  /** Resolves when the payer gives up waiting for the app, which they are asked once it has been silent for long. */
  private impatience(attempt: Promise<unknown>): Promise<void> {
    let answered = false;
    const stop = (): void => void (answered = true);
    attempt.then(stop, stop);
    return new Promise((resolve) => {
      void this.host.sleep(patience).then(() => answered || this.host.tell(say.stillAsking, resolve, 'Start again'));
    });
  }

  /** The wallet does not know how to propose several calls, as far as its error tells. */
  private unable(err: unknown): boolean {
    const fault = this.host.tools.faultOf(err);
    if (fault === 'rejected' || fault === 'busy') return false;
    const f = fields(err);
    // 5700 and 5760 are EIP-5792's, for what a batch must be and the wallet cannot make it.
    return fault === 'unsupported' || [5700, 5760].includes(Number(f?.['code'])) || /not (supported|available|found|exist|implemented)|unsupported|unknown method|missing or invalid/i.test(String(f?.['message'] ?? err));
  }

  private stumble(err: unknown): void {
    const { host } = this;
    if (err instanceof host.tools.Refusal) return host.refuse(err);
    if (err instanceof Moved) {
      host.tick();
      return host.tell(say.moved, host.prepare, 'Check again');
    }
    if (err instanceof OneByOne) return host.tell(say.oneByOne, host.prepare, 'Check again');
    const fault = host.tools.faultOf(err);
    host.walletFailed(fault, () => (fault === 'rejected' || fault === 'busy' ? host.go() : host.prepare()));
  }

  /** It was proposed. */
  private went(p: Proposed, account: Account | null): void {
    const { api, f, tools } = this.host;
    api.event('payment_approved_in_wallet', p.safe);
    const items = p.calls.map((c) => ({ ...c, value: BigInt(c.value) }));
    const list = batches[p.chain] ?? [];
    // The tools make one transaction of calls, so mostly it can be proven without asking anybody.
    const tx = account && findTx(tools.keccak, p.chain, p.safe, p.hash, items, list, account.nonce);
    const proven = tx ? { ...p, tx: writeTx(tx) } : p;
    if (tx) this.passed(checkTx(tools.keccak, { ...p, tx }, items, list, account.nonce));
    f.calls = [];
    f.store.proposed = JSON.stringify(proven);
    this.follow(proven, true);
  }

  private follow(p: Proposed, own: boolean): void {
    const { host, frame } = this;
    this.watch?.stop();
    if (own) host.f.held = true;
    const watch: Watch = new Watch(p, own, host, host.tools.keccak, frame && ((hash) => frame.transaction(hash)), {
      refused: (checks) => this.refuse(checks),
      proven: (proven, checks) => {
        host.f.store.proposed = JSON.stringify(proven);
        this.passed(checks);
      },
      declined: (err) => this.decline(err),
      changed: () => host.show(),
    });
    this.watch = watch;
    void watch.run();
    host.show();
  }

  /** Whoever opens the page in the app of the Safe that pays sees, and tells, who has signed. */
  private join(): void {
    const { news, info } = this;
    if (this.watch || !this.frame || !info || !news || news.stage !== 'waiting' || !news.hash) return;
    if (!sameHex(news.address, info.address) || news.chainId !== info.chainId) return;
    this.follow({ hash: news.hash, safe: info.address, chain: info.chainId, deadline: 0, at: 0, plain: false, tx: null, calls: [] }, false);
  }

  private end(): void {
    this.watch?.stop();
    this.watch = null;
    this.host.f.held = false;
    this.host.f.store.proposed = null;
  }

  private passed(checks: readonly Check[]): void {
    const { f, show } = this.host;
    f.checks = [...f.checks.filter((c) => !say.titleOf(c.name)), ...checks.filter((c) => c.outcome !== 'pending')];
    show();
  }

  /** What was proposed is not the payment: nothing goes on from here. */
  private refuse(checks: readonly Check[]): void {
    const { host } = this;
    const bad = checks.find((c) => c.outcome === 'failed');
    this.end();
    this.rejected = true;
    host.refuse(new host.tools.Refusal((bad?.name ?? 'safe_hash') as SafeCheck, 'Safe transaction', 'this payment', bad?.detail ?? 'another'));
    this.passed(checks); // with their own words in place of a difference
  }

  private decline(err: ApiError): void {
    const { host } = this;
    this.end();
    this.late = true;
    host.tell(err.code === 'safe_pending' ? say.already : say.refused(err.said), host.prepare, 'I have rejected it');
  }

  private async greet(frame: Frame): Promise<void> {
    try {
      this.info = await frame.info();
      this.host.offer(asWallet(frame));
      this.join();
    } catch {
      this.mute = true;
    }
    this.host.show();
  }

  /** Whether a contract answers as Safes do; the server knows which ones are. */
  private async resembles(account: Hex): Promise<boolean> {
    const call = (data: string): Promise<unknown> => this.host.f.connection.read('eth_call', [{ to: account, data }, 'latest']);
    try {
      const [threshold, version] = await Promise.all([call('0xe75235b8'), call('0xffa1ad74')]); // getThreshold(), VERSION()
      return /^0x0{56}[0-9a-f]{8}$/.test(String(threshold)) && /[1-9a-f]/.test(String(threshold).slice(2)) && /^0x0{62}20.{62}0[3-9a-f]3\d2e3\d/.test(String(version));
    } catch {
      return false;
    }
  }

  // What is shown.

  present(m: Model): Model {
    const { f, tools } = this.host;
    const bad = this.rejected && m.checks.find((c) => c.outcome === 'failed' && say.titleOf(c.name));
    let shown: Model = bad ? { ...m, unsafe: `${say.titleOf(bad.name)}: ${bad.detail}` } : m;
    const { connection } = f;
    if (f.safe && m.account) {
      const astray = this.fixed && !connection.ready;
      const there = tools.registry[connection.chainId ?? 0]?.name ?? say.otherNetwork;
      shown = {
        ...shown,
        wrongChain: m.wrongChain && !astray,
        funds: m.funds && { ...m.funds, gas: say.gas },
        // They are one transaction.
        steps: m.steps.map((s) => ({ ...s, status: f.busy === 'signing' ? 'signing' : 'todo', text: '' })),
        go: { ...m.go, text: f.busy === 'signing' ? say.confirming : astray ? say.elsewhereGo : f.looking || f.busy !== 'no' || !connection.ready ? m.go.text : say.propose },
        notice: m.notice ?? (astray ? { ...say.elsewhere(there, connection.chain.name), retry: '' } : null),
      };
    }
    const w = this.waiting(m);
    if (!w) return shown;
    return { ...shown, progress: say.waiting(this.standing()), tx: { hash: '', url: this.news?.url ?? '' } };
  }

  draw(m: Model): void {
    this.drawing.draw(this.model(m), m);
  }

  private model(m: Model): SafeModel {
    const { news } = this;
    const over = news && (m.state === 'open' || m.state === 'failed') ? say.ending(news, m.state === 'open') : null;
    return { account: this.account(m), waiting: this.waiting(m), ended: over && { ...over, url: news?.url ?? '' }, tooLate: this.late && m.state === 'expired', refused: this.rejected, paid: m.state === 'paid' && this.knows(m.payer) };
  }

  /** Whether an account is the Safe that this page works with: the money may be seen before what became of the Safe's transaction. */
  private knows(account: string): boolean {
    return [this.news?.address, this.info?.address].some((a) => !!a && sameHex(a, account));
  }

  private account(m: Model): SafeModel['account'] {
    const { f } = this.host;
    if (m.state !== 'open') return null;
    if (!m.account) return this.mute ? { ...say.mute, warnings: [] } : null;
    if (!f.safe) return null;
    const read = readAccount(f.reply?.safe ?? null);
    const known = read && sameHex(read.address, m.account.address) ? read : this.info;
    const title = say.accountTitle(known?.threshold ?? 0, known?.owners.length ?? 0);
    const text = this.fixed && this.info?.readOnly ? say.readOnly : say.accountText(f.calls.length !== 1);
    return { title, text, warnings: read?.warnings ?? [] };
  }

  /** What is known of who has signed: the server's word, and what the app shows. */
  private standing(): say.Standing & { readonly list: readonly Hex[]; readonly signers: readonly Hex[] } {
    const { news, watch, info } = this;
    const { details, proposed: p } = watch ?? {};
    const local = info && p && sameHex(info.address, p.safe) ? info : readAccount(this.host.f.reply?.safe ?? null);
    const list = news?.owners.length ? news.owners : p ? (local?.owners ?? []) : [];
    const signers = [...(news?.signers ?? []), ...(details?.signers ?? [])];
    const counted = list.filter((o) => signers.some((s) => sameHex(s, o))).length;
    const signed = news?.signed != null || details ? Math.max(news?.signed ?? 0, counted) : null;
    return {
      executed: news?.stage === 'executed', nameless: !news?.address && !news?.own && !watch?.own, owners: list.length,
      threshold: news?.threshold || details?.required || (p ? (local?.threshold ?? 0) : 0), signed, list, signers,
    };
  }

  /** A transaction under way; null if none is, or a bridge has taken over. */
  private waiting(m: Model): Waiting | null {
    const { news, watch } = this;
    const { f, now } = this.host;
    const stage = news?.stage === 'executed' ? 'executed' : 'waiting';
    const under = watch?.own || news?.stage === 'waiting' || (news?.stage === 'executed' && !f.status?.route);
    if (!under || m.state !== 'seen' || f.status?.state === 'seen') return null;
    const s = this.standing();
    const { chain } = f.payment;
    const address = news?.address || (watch?.own ? watch.proposed.safe : '');
    const signedOn = news?.chainId || watch?.proposed.chain || chain.id;
    const deadline = news?.deadline || (watch?.proposed.deadline ?? 0) * 1_000;
    const time = (at: number): string => (at ? say.date(at, at > now() ? remaining(at - now()) : '') : '');
    const base = chain.explorer.replace(/\/+$/, '');
    return {
      stage, nameless: s.nameless, signatures: say.signatures(s), signed: s.signed ?? 0, threshold: s.threshold,
      owners: s.list.map((o) => ({ address: o, signed: s.signers.some((x) => sameHex(x, o)) })), unsigned: say.unsigned(s),
      address, url: base && address && signedOn === chain.id ? `${base}/address/${address}` : '',
      chain: signedOn === chain.id ? '' : news?.chain || (this.host.tools.registry[signedOn]?.name ?? ''),
      queue: say.queue(news?.nonce ?? nonceOf(watch?.proposed.tx), news?.ahead ?? null), deadline: time(deadline), until: time(news?.until ?? 0),
    };
  }
}

const nonceOf = (tx: object | null | undefined): number | null => {
  const nonce = fields(tx)?.['nonce'];
  return typeof nonce === 'number' ? nonce : null;
};
