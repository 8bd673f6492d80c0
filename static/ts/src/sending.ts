// Takes one verified step to the wallet and follows what comes of it.
import type { Api } from './api.ts';
import type { Hex, State } from './data.ts';
import type { Facts } from './facts.ts';
import { type Outcome, follow } from './follow.ts';
import { type WalletFault, faultOf } from './rpc.ts';
import { Moved, sign } from './signing.ts';
import type { Sent } from './store.ts';
import { type Call, Refusal, type RegistryChain, stepKey } from './verify.ts';
import * as say from './words.ts';

/** A wallet that shows nothing by then has hung, or its window is hidden. */
const patience = 60_000;
/** How long a sent payment may stay unseen before a payer without its wallet is told. */
const unseenFor = 60_000;

/** What sending needs to know and changes: a part of Facts. */
export interface Known
  extends Pick<Facts, 'busy' | 'signing' | 'failed' | 'notice' | 'calls' | 'sent' | 'sentBefore' | 'stranded' | 'awaited' | 'done' | 'settled' | 'store' | 'connection' | 'where' | 'reaches' | 'explorer'> {
  readonly payment: { readonly expiresAt: number };
  readonly status: { readonly state: State; readonly route?: Readonly<Record<string, unknown>> | null } | null;
  readonly other: { exchanged(): void } | null;
}

/** What sending needs of the flow around it. */
export interface Around {
  readonly api: Pick<Api, 'intent' | 'event' | 'telemetry'>;
  readonly tabs: { hold(): Promise<(() => void) | null>; announce(sent: Sent): void };
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Throws Refusal of a request that is not this call, or must not be signed. */
  verify(known: RegistryChain, call: Call, request: object): Pick<Call, 'kind' | 'asset'>;
  show(): void;
  tick(): void;
  tell(words: say.Words, run: () => void, retry?: string): void;
  walletFailed(fault: WalletFault, again: () => void): void;
  refuse(r: Refusal): void;
  prepare(): void;
  go(): void;
}

export class Sending {
  constructor(
    private readonly f: Known,
    private readonly a: Around,
  ) {}

  /** Signs and sends one call. Only one at a time, in all tabs together. */
  async start(known: RegistryChain, call: Call, from: Hex): Promise<void> {
    const { f, a } = this;
    f.busy = 'signing';
    f.signing = call;
    f.failed = f.notice = null;
    a.show();
    const release = await a.tabs.hold();
    try {
      if (release) await this.send(known, call, from);
    } catch (err) {
      this.failed(err, call);
    } finally {
      release?.();
      f.signing = null;
      if (f.busy === 'signing') f.busy = 'no';
      a.show();
    }
  }

  private async send(known: RegistryChain, call: Call, from: Hex): Promise<void> {
    const { f, a } = this;
    const pay = call.kind === 'pay';
    const attempt = sign(f.connection, (request) => a.verify(known, call, request), call, from, () => {
      if (a.now() >= f.payment.expiresAt) throw new Moved();
      if (!pay) return;
      f.store.asking = true;
      a.api.event('payment_sent_to_wallet', from);
    });
    let abandoned = false;
    const gaveUp = this.impatience(attempt, pay).then(() => {
      abandoned = true;
      // The payer may confirm it after all: then it counts.
      attempt.then(
        (late) => void (late && this.wentOut(call, from, late)),
        () => undefined,
      );
      return null;
    });
    const hash = await Promise.race([attempt, gaveUp]);
    f.store.asking = false;
    f.notice = null;
    if (abandoned) {
      f.busy = 'no';
      return a.prepare();
    }
    if (pay) a.api.event('payment_approved_in_wallet', from);
    if (hash) {
      const end = this.wentOut(call, from, hash);
      // No other tab may ask for an approval while this one is on its way.
      if (!pay) await end;
    } else {
      f.calls = [];
      a.tell(say.noHash, () => a.prepare(), 'I have looked');
    }
  }

  /** Resolves when the payer gives up waiting for the wallet, which they are asked once it has been silent for long. */
  private impatience(attempt: Promise<unknown>, pay: boolean): Promise<void> {
    let answered = false;
    const stop = (): void => void (answered = true);
    attempt.then(stop, stop);
    return new Promise((resolve) => {
      void this.a.sleep(patience).then(() => answered || this.a.tell(say.sendSilent(pay), resolve, 'Start again'));
    });
  }

  private failed(err: unknown, call: Call): void {
    const { f, a } = this;
    f.store.asking = false;
    if (err instanceof Refusal) return a.refuse(err);
    if (err instanceof Moved) {
      a.tick();
      return a.tell(say.accountChanged, () => a.prepare(), 'Check again');
    }
    const fault = faultOf(err);
    if (fault !== 'rejected') f.failed = call;
    // What made the wallet fail may have made the steps wrong as well: look again before asking again.
    a.walletFailed(fault, () => (fault === 'failed' ? a.prepare() : a.go()));
  }

  /** Remembers what was sent and follows it; resolves when that has come to an end. */
  private wentOut(call: Call, from: Hex, hash: Hex): Promise<void> {
    const { f, a } = this;
    const sent: Sent = { kind: call.kind, asset: call.asset, hash, wallet: from, to: call.to, data: call.data, at: a.now(), mined: false, chain: f.where };
    f.store.sent = sent;
    f.calls = [];
    f.signing = null;
    f.sentBefore = false;
    if (call.kind === 'pay') {
      a.tabs.announce(sent);
      void this.intend(sent);
    }
    return this.watch(sent);
  }

  /** Tells the server where to look. It finds the payment without this too, only later. */
  async intend({ hash, wallet, chain }: Sent): Promise<void> {
    for (let wait = 1_000; wait < 10_000; wait *= 2) {
      try {
        return await this.a.api.intent({ txHash: hash, wallet, chain });
      } catch {
        await this.a.sleep(wait);
      }
    }
  }

  /** Follows a sent transaction to its end. */
  async watch(sent: Sent): Promise<void> {
    const { f, a } = this;
    const pay = sent.kind === 'pay';
    f.sent = sent;
    f.notice = null;
    f.busy = pay ? 'no' : 'mining';
    a.show();
    if (sent.mined) return;
    const began = a.now();
    const outcome = await follow(sent, {
      ask: (method, params) => f.connection.read(method, params),
      onChain: async () => (await f.connection.refresh()) && f.reaches(sent),
      sleep: async (ms) => {
        this.strand(pay && !f.reaches(sent) && a.now() - began > unseenFor);
        await a.sleep(ms);
      },
      now: a.now,
      stopped: () => f.sent?.at !== sent.at || f.status?.state === 'paid',
      repriced: (hash) => {
        f.store.sent = f.sent = { ...sent, hash };
        if (pay) void this.intend({ ...sent, hash });
      },
    });
    if (outcome !== 'stopped') this.ended(f.sent ?? sent, outcome);
  }

  private ended(sent: Sent, outcome: Exclude<Outcome, 'stopped'>): void {
    const { f, a } = this;
    f.busy = 'no';
    f.stranded = false;
    if (outcome === 'mined' && sent.kind === 'pay') {
      f.store.sent = f.sent = { ...sent, mined: true };
      // The server has looked in vain for what is there now.
      if (f.status?.route?.['progress'] === 'unknown') void this.intend(sent);
      return a.show();
    }
    f.store.sent = f.sent = null;
    f.settled.add(sent.hash.toLowerCase());
    if (outcome === 'mined') {
      const key = stepKey(sent.kind, sent.asset);
      f.awaited = { key, data: sent.data };
      f.done.set(key, f.explorer(sent.hash));
      if (sent.kind === 'swap') f.other?.exchanged();
      // What is left to do is the chain's to say.
      return a.prepare();
    }
    f.failed = sent;
    a.api.telemetry('tx_failed', { detail: outcome });
    a.tell(say.endWords(sent.kind, outcome), () => a.prepare());
  }

  private strand(stranded: boolean): void {
    if (stranded === this.f.stranded) return;
    this.f.stranded = stranded;
    this.a.show();
  }
}
