// Everything the page knows at one moment, and the decisions that follow from
// it. No wallet, network or DOM: only questions with answers.
import type { Admission, Check, PayReply, Status } from './api.ts';
import type { Connection } from './connection.ts';
import type { Hex, Payment, State } from './data.ts';
import type { Gasless } from './gasless-types.ts';
import type { Model, Notice } from './model.ts';
import type { Other } from './ways-types.ts';
import type { SafePayer } from './safe-types.ts';
import type { StepOf } from './stepper.ts';
import type { Sent, Store } from './store.ts';
import type { Call } from './verify.ts';
import type { Wallet } from './wallets.ts';
import * as say from './words.ts';

export class Facts {
  wallets: readonly Wallet[] = [];
  searching = true;
  /** The id of the wallet that is being asked to connect. */
  connecting = '';
  switching = false;
  /** checking: asking the server. signing: asking the wallet. mining: an approval is on its way. */
  busy: 'no' | 'checking' | 'signing' | 'mining' = 'no';
  signing: StepOf | null = null;
  /** What the server said of which account. */
  admission: (Admission & { readonly account: Hex }) | null = null;
  /** Another tab is signing. */
  elsewhere = false;
  /** Verified and not yet signed. */
  calls: readonly Call[] = [];
  funds: Model['funds'] = null;
  checks: readonly Check[] = [];
  notice: (Notice & { run: () => void }) | null = null;
  /** The check that failed, in words. Nothing takes it away again. */
  unsafe = '';
  expired = false;
  status: Status | null = null;
  sent: Sent | null;
  /** The sent payment is from before a reload. */
  sentBefore: boolean;
  /** The sent payment has not been seen, and its wallet is not there to ask. */
  stranded = false;
  /** The page was reloaded while the wallet showed a payment, and the payer has not said what came of it. */
  askedBefore: boolean;
  /** The step that is mined, and that the server's node may not have seen yet. */
  awaited: { readonly key: string; readonly data: Hex } | null = null;
  /** Hashes (and "reorged") that the payer need not be warned of any more. */
  readonly settled = new Set<string>();
  failed: StepOf | null = null;
  /** Steps that are done, with an explorer link or "". */
  readonly done = new Map<string, string>();

  /** The chosen way, null for the payment's own. */
  other: Other | null = null;

  /** The connected account, where it is a Safe. */
  safe: SafePayer | null = null;
  /** How the calls are made, where that is not one by one: once the script for it is there. */
  gasless: Gasless | null = null;
  /** Whether it is one is being looked at. */
  looking = false;
  /** A Safe's transaction was proposed, an operation or a batch was sent, and what becomes of it is not known. */
  held = false;
  /** The answer that the calls are from. */
  reply: PayReply | null = null;

  /** What opens the hashes of shortened payees; it came with the calls. */
  payeeSecret = '';

  constructor(
    readonly payment: Payment,
    readonly store: Store,
    readonly connection: Connection,
  ) {
    this.sent = store.sent;
    this.sentBefore = this.sent?.kind === 'pay';
    this.askedBefore = !this.sent && store.asking;
  }

  state(): State {
    const server = this.status?.state ?? this.payment.state;
    if (this.unsafe || this.payment.state === 'unsafe') return 'unsafe';
    if (server === 'paid' || server === 'seen') return server;
    // Nothing but money on a bridge, a Safe's transaction or an operation keeps an open payment from being paid.
    if (server === 'open' && (this.held || this.status?.payable === false)) return 'seen';
    if (this.sent?.kind === 'pay' && !this.stranded && !(this.sent.mined && server !== 'open')) return 'seen';
    return server === 'open' && this.expired ? 'expired' : server;
  }

  /** The payment with what the server has told since. */
  revealed(): Payment {
    return { ...this.payment, payeeSecret: this.payeeSecret };
  }

  mayGo(): boolean {
    return (
      this.busy === 'no' &&
      this.state() === 'open' &&
      !this.elsewhere &&
      !this.sent &&
      this.connection.ready &&
      this.letIn() &&
      this.calls.length > 0 &&
      !this.funds?.missing &&
      !this.askedBefore &&
      !this.warning()
    );
  }

  /** Whether the connected account may pay. */
  letIn(): boolean {
    return !this.payment.restricted || this.answer()?.verdict === 'approved';
  }

  /** What the server said of the connected account. */
  answer(): Admission | null {
    const { admission } = this;
    return admission && admission.account === this.connection.account ? admission : null;
  }

  mayPrepare(): boolean {
    return this.connection.ready && !this.looking && this.letIn() && this.payment.payable && !this.held && !this.sent && !this.unsafe && this.busy !== 'signing' && this.busy !== 'mining';
  }

  /** A payment was sent or taken back that this tab did not follow: the payer has to decide. */
  warning(): { readonly words: say.Words; readonly key: string } | null {
    const s = this.status;
    if (!s || this.sent || s.state !== 'open' || !s.payable) return null;
    // An announced transaction that was seen is counted in what is left to pay.
    const key = s.reorged ? 'reorged' : s.announcedTx === s.txHash ? '' : s.announcedTx.toLowerCase();
    return key && !this.settled.has(key) ? { words: s.reorged ? say.reorged : say.announced, key } : null;
  }

  /** The page shows an amount that is no longer what is due, or cannot be paid though the payment can. */
  stale(s: Status): boolean {
    const p = this.payment;
    if (s.state !== 'open' || !s.payable) return false;
    const due = (index: number): bigint => p.items.find((i) => i.index === index)?.amount ?? 0n;
    const charged = (i: number): bigint | undefined => p.assets[i]?.contractFee;
    return !p.payable || s.requests.some((r, index) => r.missing !== due(index)) || s.contractFees.some((fee, i) => fee !== charged(i));
  }

  /** The chain that is paid from, 0 for the payment's own. */
  get where(): number {
    return this.other?.chain.id ?? 0;
  }

  /** The wallet is there and on the chain that something was sent on. */
  reaches(sent: Sent): boolean {
    const { account, chainId } = this.connection;
    return account !== null && chainId === (sent.chain || this.payment.chain.id);
  }

  /** Nothing that a reload would tear apart is under way. */
  idle(): boolean {
    return this.busy !== 'signing' && this.busy !== 'mining' && (!this.sent || this.sent.mined);
  }

  /** A transaction in the chain's explorer, or "". */
  explorer(hash: string): string {
    const base = (this.other ?? this.payment).chain.explorer;
    return base && hash ? `${base.replace(/\/+$/, '')}/tx/${hash}` : '';
  }
}
