// Follows one Safe transaction that is to make the payment: has it proven, tells
// the server of it and of every signature that a Safe's app shows. It knows no
// DOM and no page.
import { batches } from './safes.gen.ts';
import type { ApiError, Check } from './api.ts';
import type { Hex } from './data.ts';
import { type Details, type Proposed, readDetails } from './safe-data.ts';
import { type Keccak, checkTx, writeTx } from './safe-tx.ts';
import type { SafeHost } from './safe-types.ts';

/** An app that has shown nothing of the transaction by then is not waited for with telling the server. */
const patience = 8_000;
const firstWait = 1_500;
const longestWait = 15_000;

/** What becomes of it. */
export interface Fate {
  /** The transaction is not the payment. */
  refused(checks: readonly Check[]): void;
  /** It is the payment, and this is what proves it. */
  proven(p: Proposed, checks: readonly Check[]): void;
  /** The server does not take it. */
  declined(err: ApiError): void;
  changed(): void;
}

export class Watch {
  details: Details | null = null;
  /** When the server first knew, milliseconds since 1970. */
  told = 0;
  private said = '';
  private stopped = false;

  constructor(
    private p: Proposed,
    /** This page has had it proposed: it must be what was asked for. */
    readonly own: boolean,
    private readonly host: Pick<SafeHost, 'api' | 'now' | 'sleep'>,
    private readonly keccak: Keccak,
    /** Asks the app around the page; null where there is none. */
    private readonly ask: ((hash: Hex) => Promise<unknown>) | null,
    private readonly fate: Fate,
  ) {}

  get proposed(): Proposed {
    return this.p;
  }

  stop(): void {
    this.stopped = true;
  }

  /** Goes on until it is stopped, or there is nothing more to learn. */
  async run(): Promise<void> {
    const began = this.host.now();
    for (let wait = firstWait; !this.stopped; wait = Math.min(wait * 1.4, longestWait)) {
      if (this.p.tx) await this.tell();
      await this.look();
      if (this.p.tx || !this.ask || this.host.now() - began >= patience) await this.tell();
      if (this.stopped || (!this.ask && this.told)) return;
      await this.host.sleep(wait);
    }
  }

  /** Asks the app what it shows of the transaction. */
  private async look(): Promise<void> {
    if (!this.ask || this.stopped) return;
    const details = readDetails(await this.ask(this.p.hash).catch(() => null), this.p.hash);
    if (!details || this.stopped) return;
    const { hash, safe, chain, calls } = this.p;
    const items = calls.map((c) => ({ ...c, value: BigInt(c.value) }));
    // What is behind a hash does not change: once it is proven, another answer is only wrong.
    const checks = checkTx(this.keccak, { chain, safe, hash, tx: details.tx }, items, batches[chain] ?? [], null);
    const genuine = checks[0]?.outcome === 'passed';
    if (this.own && !this.p.tx && checks.some((c) => c.outcome === 'failed')) return this.fate.refused(checks);
    if (!genuine) return;
    this.details = details;
    if (!this.p.tx) {
      this.p = { ...this.p, tx: writeTx(details.tx) };
      if (this.own) this.fate.proven(this.p, checks);
    }
    this.fate.changed();
  }

  /** Tells the server what it does not know yet. */
  private async tell(): Promise<void> {
    const { hash, safe, chain, deadline, tx, plain } = this.p;
    const signatures = this.details?.signatures ?? [];
    // Others' transactions are told of only where there is something to add.
    if (this.stopped || (!this.own && !signatures.length)) return;
    const body = plain && !tx ? { txHash: hash, wallet: safe, chain } : { safeTxHash: hash, wallet: safe, chain, ...(deadline ? { deadline } : {}), ...(tx ? { safeTx: tx } : {}), ...(signatures.length ? { signatures } : {}) };
    const words = JSON.stringify(body);
    if (words === this.said) return;
    try {
      await this.host.api.intent(body);
      this.said = words;
      this.told ||= this.host.now();
      this.fate.changed();
    } catch (err) {
      const { status } = err as ApiError;
      if (status >= 400 && status < 500 && status !== 408 && status !== 429 && this.own && !this.stopped) this.fate.declined(err as ApiError);
    }
  }
}
