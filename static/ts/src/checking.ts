// Fetches the calls and lets them through only if every check of this page
// passes. What it refuses stays refused.
import { type Api, ApiError, type PayReply, type Status } from './api.ts';
import type { Hex } from './data.ts';
import type { Facts } from './facts.ts';
import type { Gasless } from './gasless-types.ts';
import { fundsWords } from './stepper.ts';
import { type Call, Refusal, type Registry, type RegistryChain, type Shown, stepKey, verifyPage, verifyPlan } from './verify.ts';
import * as say from './words.ts';

/** How often the server's node is asked again for an approval that the wallet's has mined. */
const patienceWithNodes = 8;

/** What checking needs of the flow around it. */
export interface Around {
  readonly api: Pick<Api, 'access' | 'pay' | 'status' | 'telemetry'>;
  readonly registry: Registry;
  readonly shown: () => Shown;
  readonly sleep: (ms: number) => Promise<void>;
  show(): void;
  tell(words: say.Words, run: () => void): void;
  onStatus(s: Status): void;
  /** Whether the page is being loaded anew for what is left to pay. */
  reloadFor(s: Status): boolean;
  /** What makes calls in other ways than one by one, once it is there; null without. */
  lift(): Promise<Gasless | null>;
}

export class Checking {
  /** The registry's chain, once the page itself has passed. */
  known: RegistryChain | null = null;
  /** Counts what makes a running check out of date. */
  private epoch = 0;
  private lag = 0;

  constructor(
    private readonly f: Facts,
    private readonly a: Around,
  ) {}

  /** Whatever is being checked was for another account or chain. */
  invalidate(): void {
    this.epoch++;
    if (this.f.busy === 'checking') this.f.busy = 'no';
  }

  /** Asks whether the connected wallet may pay, then for its calls, and judges them. */
  async prepare(): Promise<void> {
    const { f, a } = this;
    const account = f.connection.account;
    const ask = !f.letIn() && f.payment.payable && !f.sent && !f.unsafe && !f.answer();
    if (!account || f.looking || !(ask || f.mayPrepare())) return;
    const epoch = ++this.epoch;
    f.busy = 'checking';
    f.calls = [];
    a.show();
    try {
      if (ask) {
        const answer = await a.api.access(account);
        if (epoch !== this.epoch) return;
        f.admission = { ...answer, account };
        f.busy = 'no';
        if (!f.mayPrepare()) return;
        f.busy = 'checking';
        a.show();
      }
      const reply = await this.fetch(account);
      if (epoch === this.epoch) await this.accept(reply, account, epoch);
    } catch (err) {
      if (epoch === this.epoch) await this.prepareFailed(err);
    } finally {
      if (epoch === this.epoch && f.busy === 'checking') f.busy = 'no';
      a.show();
    }
  }

  private fetch(account: Hex): Promise<PayReply> {
    const { f } = this;
    return this.a.api.pay(account, (f.other ?? f.payment).option, f.safe !== null);
  }

  private async accept(given: PayReply, account: Hex, epoch: number): Promise<void> {
    const { f, a } = this;
    if (!this.checkPage() || !this.known) return;
    const gasless = await a.lift();
    const reply = (await gasless?.split(given)) ?? given;
    if (epoch !== this.epoch) return;
    const bad = reply.checks.find((c) => c.outcome === 'failed');
    if (bad) return this.refuseNamed(bad.name, bad.detail);
    let calls: readonly Call[];
    try {
      f.payeeSecret = reply.payeeSecret;
      const plan = f.other ? await f.other.verify(reply, account) : verifyPlan(this.known, f.revealed(), reply.transactions, reply.chainId);
      if (!plan || epoch !== this.epoch) return;
      calls = plan;
    } catch (err) {
      // Part of the amount may have arrived since the page was made: then it is the page that is out of date.
      const status = err instanceof Refusal ? await a.api.status().catch(() => null) : null;
      if (epoch !== this.epoch || (status && f.stale(status) && this.a.reloadFor(status))) return;
      throw err;
    }
    f.checks = [
      ...reply.checks,
      { name: 'page_registry', outcome: 'passed', detail: `This page itself knows the ${calls.at(-1)?.targetName}.` },
      { name: 'page_calldata', outcome: 'passed', detail: say.calldataPassed(f.payment) },
    ];
    f.calls = calls;
    f.reply = reply;
    f.funds = fundsWords(f.other?.leaving ?? f.payment, reply.funds);
    f.notice = null;
    await gasless?.prepared(reply, this.known, () => epoch === this.epoch);
    if (epoch !== this.epoch) return;
    const { key, data } = f.awaited ?? {};
    // Another amount is another step: an offer that has become dearer needs more allowed.
    const behind = f.calls.some((c) => stepKey(c.kind, c.asset) === key && c.data === data) || (key?.startsWith('swap') && !reply.funds.enoughBalance);
    if (behind && this.lag++ < patienceWithNodes) {
      // The wallet's node has mined the step, the server's has not: nobody should take it twice for that.
      f.calls = [];
      await a.sleep(1_500);
      const again = epoch === this.epoch ? await this.fetch(account) : null;
      if (again && epoch === this.epoch) await this.accept(again, account, epoch);
      return;
    }
    f.awaited = null;
    this.lag = 0;
    for (const c of f.calls) f.done.delete(stepKey(c.kind, c.asset));
    if (!f.funds.missing && f.checks.some((c) => c.outcome !== 'passed')) {
      f.calls = [];
      this.a.tell(say.checksPending, () => void this.prepare());
    }
  }

  private async prepareFailed(err: unknown): Promise<void> {
    if (err instanceof Refusal) return this.refuse(err);
    if (!(err instanceof ApiError)) throw err;
    if (this.f.safe?.failed(err)) return;
    if (err.code === 'unsafe') return this.refuseNamed(err.field, '');
    const { account } = this.f.connection;
    if (say.accessCodes.includes(err.code) && account) {
      this.f.admission = { account, reason: err.code, verdict: err.status === 403 ? 'rejected' : 'error' };
      return;
    }
    if (err.status === 403 || err.status === 409) {
      // Expired, paid or under way meanwhile: the status says which.
      const status = await this.a.api.status().catch(() => null);
      if (status && !status.payable) return this.a.onStatus(status);
    }
    this.a.tell(this.f.other?.failed(err) ?? say.apiWords(err), () => void this.prepare());
  }

  /** The page itself: registry, asset, and that it displays what its data says. */
  checkPage(): boolean {
    if (this.f.unsafe) return false;
    try {
      this.known = verifyPage(this.a.registry, this.f.payment, this.a.shown());
      return true;
    } catch (err) {
      if (!(err instanceof Refusal)) throw err;
      this.refuse(err);
      return false;
    }
  }

  refuse(r: Refusal): void {
    this.refuseNamed(r.check, say.difference(r.field, r.expected, r.found));
  }

  /** Ends the paying on this page for good. */
  private refuseNamed(check: string, detail: string): void {
    const { f } = this;
    const title = say.checkTitles[check] ?? 'Safety check';
    f.unsafe = detail ? `${title}: ${detail}` : title;
    f.checks = [...f.checks.filter((c) => c.name !== check), { name: check, outcome: 'failed', detail }];
    f.calls = [];
    f.busy = 'no';
    f.notice = null;
    this.a.api.telemetry('unsafe_refused', { check, detail });
    this.a.show();
  }
}
