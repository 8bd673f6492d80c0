// The ways to pay beside the payment's own: what the wallet holds for them, which
// one is chosen, and what becomes of money that a bridge carries. No DOM.
import type { Status } from './api.ts';
import type { Hex } from './data.ts';
import type { Model, Step } from './model.ts';
import { marks } from './present.ts';
import { label } from './stepper.ts';
import { stepKey, total } from './verify.ts';
import { type Found, type News, type Option, ended, readNews, readOptions, settled } from './ways-data.ts';
import { OtherWay } from './ways-route.ts';
import type { Host, Ways } from './ways-types.ts';
import * as say from './ways-words.ts';
import type { Words } from './words.ts';

/** What the chooser shows. */
export interface WaysModel {
  /** The payment's own way among them. */
  readonly enough: readonly Option[];
  readonly short: readonly Option[];
  readonly chosen: Option;
  readonly count: string;
  readonly notes: readonly string[];
  readonly words: string;
  readonly busy: boolean;
  /** The payment cannot be made in its own way, and so the choice is shown. */
  readonly open: boolean;
  /** What the chosen route takes and brings, in words. */
  readonly route: readonly (readonly [string, string])[];
  /** What became of money on a bridge, or why a way cannot be used. */
  readonly told: { readonly title: string; readonly text: string; readonly link: string; readonly url: string } | null;
  /** A bridge has the money: there is nothing to confirm yet. */
  readonly carried: boolean;
  /** How long it has had it. */
  readonly bridging: { readonly text: string; readonly value: number; readonly max: number } | null;
  /** What the payer gave, for the receipt, and where that is. */
  readonly given: { readonly text: string; readonly url: string } | null;
  /** The network to switch to and why, while another than the payment's own is chosen. */
  readonly switchTo: string;
}

/** What draws it. */
export interface Drawing {
  draw(w: WaysModel, m: Model): void;
}

export class OtherWays implements Ways {
  private state: 'idle' | 'looking' | 'found' | 'failed' = 'idle';
  private found: Found = { options: [], silent: [], missing: [] };
  private account: Hex | null;
  private way: OtherWay | null = null;
  private news: News | null = null;
  /** What the payment was made with, once a bridge has made it. */
  private given: News | null = null;
  /** Why the way that was chosen cannot be used. */
  private trouble: Words | null = null;
  /** An exchange has just been made. */
  private exchanged = false;
  private open = false;
  /** What was found was asked for a Safe. */
  private asSafe = false;

  constructor(
    private readonly host: Host,
    private readonly drawing: Drawing,
  ) {
    const { f } = host;
    this.account = f.connection.account;
    if (f.status) this.onStatus(f.status);
    // The page may have been closed before the server knew.
    if (f.sent?.chain && f.sent.kind === 'pay') host.intend(f.sent);
  }

  // What happens outside.

  moved(): void {
    const { connection, looking, safe } = this.host.f;
    const { account } = connection;
    if (account === this.account && (looking || this.state === 'idle' || this.asSafe === (safe !== null))) return;
    this.account = account;
    this.forget();
  }

  onStatus(s: Status): void {
    const { f, store } = this.host;
    const news = readNews(s.route);
    const already = this.news?.stage === news?.stage;
    this.given = news && settled(news) ? news : null;
    this.news = this.given ? null : news;
    if (!this.news || !ended(this.news)) return;
    const { hash } = this.news;
    if (hash === '') return;
    if (f.settled.has(hash.toLowerCase())) {
      // The wallet's network said it first: once is enough.
      if (this.news.stage === 'broken' && !already && f.notice && f.busy === 'no') {
        f.notice = null;
        this.forget();
      }
      return;
    }
    // The wallet's own network may know what the server's does not.
    if (this.news.stage === 'unknown' && f.sent?.hash.toLowerCase() === hash.toLowerCase() && !f.sent.mined && !f.stranded) return;
    f.settled.add(hash.toLowerCase());
    if (f.sent?.hash.toLowerCase() === hash.toLowerCase()) store.sent = f.sent = null;
    // The money is somewhere else now.
    store.way = null;
    if (f.busy !== 'signing') this.forget();
  }

  // What the payer does.

  /** Chooses a way to pay. */
  select(id: string): void {
    const { f, store } = this.host;
    const option = this.options().find((o) => o.id === id);
    if (!option || this.locked() || id === this.chosen().id) return;
    if (!option.enough && option.type !== 'samechain') return;
    store.way = id;
    f.notice = this.trouble = null;
    this.exchanged = false;
    this.use(option);
  }

  /** Asks again what the wallet holds. */
  look(): void {
    if (this.state === 'looking') return;
    this.state = 'idle';
    this.host.show();
  }

  // What is shown.

  present(m: Model): Model {
    if (this.state === 'idle' && this.account && this.mayLook()) void this.ask(this.account);
    const failed = m.checks.find((c) => c.outcome === 'failed' && say.routeTitles[c.name]);
    const unsafe = failed && m.unsafe ? `${say.routeTitles[failed.name]}${failed.detail ? `: ${failed.detail}` : ''}` : m.unsafe;
    const shown = { ...m, unsafe };
    return this.onTheWay(shown) ?? this.chosenSteps(shown);
  }

  draw(m: Model): void {
    this.drawing.draw(this.model(m), m);
  }

  private model(m: Model): WaysModel {
    const all = this.options();
    const { payment } = this.host.f;
    const usable = (o: Option): boolean => o.enough || (o.type === 'samechain' && !this.answered());
    return {
      enough: all.filter(usable), short: all.filter((o) => !usable(o)), chosen: this.chosen(), count: this.count(), notes: this.notes(),
      words: this.exchanged ? say.exchangedWords(payment) : say.wayWords(this.chosen(), payment),
      busy: this.locked(), open: this.open, route: this.terms(),
      told: m.state === 'open' ? this.told() : null,
      carried: this.underWay(m) !== null, bridging: this.bridging(m), switchTo: this.way?.chain.name ?? '',
      given: this.given?.amount ? { text: say.givenWords(this.given), url: this.given.url } : null,
    };
  }

  private told(): WaysModel['told'] {
    if (this.trouble) return { ...this.trouble, link: '', url: '' };
    return this.news && ended(this.news) ? { ...say.endWords(this.news, this.host.f.payment), url: this.news.endUrl || this.news.url } : null;
  }

  /** The page of money that a bridge carries; null if none does. */
  private onTheWay(m: Model): Model | null {
    const n = this.underWay(m);
    if (!n) return null;
    const { f, now } = this.host;
    const late = n.seconds > 0 && now() - n.sentAt > Math.max(2 * n.seconds, n.seconds + 60) * 1_000;
    const known = f.sent?.chain ? f.sent.hash : '';
    return { ...m, progress: say.progress(n, late, f.payment), tx: { hash: n.hash || known, url: n.url || m.tx.url } };
  }

  /** What is known of money on a bridge: the server's word, or what this tab has sent. */
  private underWay(m: Model): News | null {
    const { f } = this.host;
    if (m.state !== 'seen' || f.status?.state === 'seen' || f.status?.reorged) return null;
    const { sent } = f;
    const seconds = this.way?.quote?.seconds ?? 0;
    // Whoever was told a time when he paid is told the same after that.
    if (this.news && !ended(this.news)) return seconds && sent?.hash === this.news.hash ? { ...this.news, seconds } : this.news;
    if (!sent?.chain) return null;
    const chain = this.host.tools.registry[sent.chain]?.name ?? '';
    return { stage: sent.mined ? 'bridging' : 'sent', chain, amount: '', hash: sent.hash, url: '', sentAt: sent.at, seconds, endUrl: '', left: sent.mined };
  }

  private bridging(m: Model): WaysModel['bridging'] {
    const n = this.underWay(m);
    if (!n || n.stage === 'refunding' || !n.sentAt) return null;
    const ms = this.host.now() - n.sentAt;
    return { text: say.elapsed(ms, n.seconds), value: Math.min(ms / 1_000, n.seconds), max: n.seconds };
  }

  /** Steps and button of the chosen route. */
  private chosenSteps(m: Model): Model {
    const { f } = this.host;
    const { way } = this;
    if (!way || !f.connection.account) return m;
    const { status, links } = marks(f);
    const [next] = f.calls;
    const own = way.from.type === 'crosschain' ? ['pay'] : ['swap0', 'reset0', 'approve0', 'pay'];
    const steps = ['reset-1', 'approve-1', ...own].flatMap((key): Step[] => {
      const call = f.calls.find((c) => stepKey(c.kind, c.asset) === key);
      const marked = status.get(key);
      if (!call && !marked) return [];
      const kind = (/^[a-z]+/.exec(key)?.[0] ?? 'pay') as Step['kind'];
      const ofRoute = key.endsWith('-1') || key === 'swap0' || own.length === 1;
      const token = ofRoute ? way.from.token : f.payment.assets[0];
      const at = marked ?? (call === next ? 'active' : 'todo');
      const text = { done: 'Done', signing: 'Confirm in your wallet', pending: 'Waiting for the network', failed: 'Did not go through', active: '', todo: '' }[at];
      return [{ kind, asset: token.symbol, status: at, title: this.title(kind, ofRoute), text: text || this.explain(kind, ofRoute), link: links.get(key) ?? '' }];
    });
    const current = f.signing ?? f.sent ?? next ?? f.failed;
    const go = current && m.go.text === label(f.payment, current) ? this.title(current.kind, current.asset < 0 || current.kind === 'swap' || own.length === 1) : m.go.text;
    const plain = !current && m.go.text === label(f.payment, { kind: 'pay', asset: 0 }) ? this.title('pay', own.length === 1) : go;
    return { ...m, steps, go: { ...m.go, text: plain } };
  }

  private title(kind: string, ofRoute: boolean): string {
    const { payment } = this.host.f;
    const leaving = ofRoute && this.way ? say.amount(this.way.units, this.way.from.token) : say.amount(total(payment, 0), payment.assets[0]);
    return say.stepTitle(kind, leaving);
  }

  private explain(kind: string, ofRoute: boolean): string {
    const { payment } = this.host.f;
    if (!ofRoute || !this.way) return kind === 'pay' ? 'Sends the money to the recipient.' : 'Lets the official contract take exactly this amount. No money moves yet.';
    return say.stepText(kind, this.way.from.token, this.way.quote?.tool ?? '', this.arrives(), payment);
  }

  private arrives(): string {
    const { payment } = this.host.f;
    return say.amount(this.way?.plan?.arrives ?? total(payment, 0), payment.assets[0]);
  }

  private terms(): WaysModel['route'] {
    const { way } = this;
    const { plan, quote } = way ?? {};
    if (!way || !plan || !quote) return [];
    const { token, chain, type } = way.from;
    const time = quote.seconds ? say.about(quote.seconds) : 'a few seconds';
    const over = type === 'crosschain';
    return [
      ['You pay', say.amount(plan.deposit, token)],
      ['of which the route takes', say.amount(plan.fee, token)],
      ...(plan.nativeFee > 0n ? [['Fee of the bridge, on top', say.held(plan.nativeFee, chain.native)] as const] : []),
      [over ? 'At least this arrives' : 'You get at least', this.arrives()],
      [over ? 'Bridge' : 'Exchanged by', quote.tool || 'Li.Fi'],
      ['It takes', time],
      // What the wallet will show, so that the payer finds it there.
      ['Your wallet calls', say.lifiAt(plan.calls.find((c) => c.kind === 'swap' || c.kind === 'pay')?.to ?? '')],
    ];
  }

  private count(): string {
    const { id } = this.chosen();
    const n = this.options().filter((o) => o.enough && o.id !== id).length;
    if (this.state === 'failed') return say.unavailable;
    if (!this.answered()) return say.looking;
    if (n > 0) return say.count(n);
    return this.found.missing.some((m) => m.everywhere) ? say.unavailable : say.none;
  }

  private notes(): string[] {
    if (this.state === 'failed') return [say.lookFailed];
    return [...this.found.silent.map(say.silent), ...this.found.missing.map((m) => m.text)];
  }

  // Small things.

  private answered(): boolean {
    return this.state === 'found';
  }

  /** The ways in their order. The payment's own is one of them even if its chain has not answered; a Safe in its app stays on its network. */
  private options(): readonly Option[] {
    const { options } = this.found;
    const { safe, connection } = this.host.f;
    const all = options.some((o) => o.type === 'samechain') ? options : [this.own(), ...options];
    return safe?.fixed ? all.filter((o) => o.chain.id === connection.chainId) : all;
  }

  private own(): Option {
    const { f } = this.host;
    const { chain, option: id, assets } = f.payment;
    const missing = !!f.funds?.missing && !this.way;
    return { id, type: 'samechain', chain, token: assets[0], balance: null, needed: total(f.payment, 0), fee: 0n, enough: !missing, estimated: false, seconds: 0, steps: 1 };
  }

  private chosen(): Option {
    return this.way?.from ?? this.options().find((o) => o.type === 'samechain') ?? this.own();
  }

  /** Nothing may be chosen now. */
  private locked(): boolean {
    const { f } = this.host;
    return f.busy === 'signing' || f.busy === 'mining' || f.sent !== null || f.held;
  }

  private mayLook(): boolean {
    const { f } = this.host;
    return f.letIn() && f.payment.payable && f.status?.payable !== false && !f.sent && !f.unsafe && !f.looking && !f.held;
  }

  private async ask(account: Hex): Promise<void> {
    const { f, api, tools, show } = this.host;
    this.state = 'looking';
    this.asSafe = f.safe !== null;
    const asSafe = this.asSafe;
    let found: Found | null = null;
    try {
      found = readOptions(await api.options(account, asSafe), tools.registry, f.payment);
    } catch {
      // Said in words below; the payment's own way needs none of it.
    }
    if (account !== this.account || asSafe !== this.asSafe) return;
    this.state = found ? 'found' : 'failed';
    if (found) this.found = found;
    this.suggest();
    show();
  }

  /** The way chosen before a reload; else the payment's own if there is enough for it, else the cheapest that there is enough for. */
  private suggest(): void {
    const { f, store } = this.host;
    const own = this.options().find((o) => o.type === 'samechain');
    const can = this.options().filter((o) => o.enough);
    const pick = can.find((o) => o.id === store.way) ?? (own?.enough ? own : can[0]);
    if (!pick || pick.type === 'samechain' || this.way || this.locked() || f.done.size > 0 || f.unsafe) return;
    this.open = !own?.enough && can.length > 1;
    this.use(pick);
  }

  private use(option: Option): void {
    if (option.type === 'samechain') {
      this.way = null;
    } else {
      const way: OtherWay = new OtherWay(option, this.host, (words) => this.drop(way, words), () => this.pay());
      this.way = way;
      void way.load();
    }
    this.host.choose(this.way);
  }

  /** A way that cannot be used after all. */
  private drop(way: OtherWay, words: Words): void {
    if (this.way !== way) return;
    this.trouble = words;
    this.leave();
  }

  /** What was exchanged is there: now it is paid. */
  private pay(): void {
    this.exchanged = true;
    this.leave();
  }

  private leave(): void {
    this.host.store.way = null;
    if (!this.way) return;
    this.way = null;
    this.host.choose(null);
  }

  /** What was found was another wallet's, or of another time. */
  private forget(): void {
    this.state = 'idle';
    this.found = { options: [], silent: [], missing: [] };
    this.exchanged = this.open = false;
    this.trouble = null;
    if (!this.way) return;
    this.way = null;
    this.host.choose(null);
  }
}
