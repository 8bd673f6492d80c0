// Having the wallet make all calls at once, and following what becomes of them. It
// says what it finds and decides nothing about ways. No DOM.
import { type Hex, sameHex } from './data.ts';
import { type Batch, followBatch, sendCalls } from './gasless-batch.ts';
import type { Abilities } from './gasless-data.ts';
import type { Memory } from './gasless-memory.ts';
import type { GaslessHost } from './gasless-types.ts';
import * as say from './gasless-words.ts';
import { quantity } from './rpc.ts';
import type { Call, RegistryChain } from './verify.ts';

/** A wallet that shows nothing by then may have lost the request. */
const patience = 120_000;

/** The wallet's account or chain is not the one the calls were made for, or the time is up. */
export class Moved extends Error {}

/** How a batch is asked for. */
export interface Terms {
  readonly able: Abilities;
  /** Where the wallet asks for a sponsor, "" if it need not. */
  readonly paymaster: string;
  /** Proves once more a step that takes back what was allowed. */
  readonly again: (request: object, call: Call) => unknown;
}

export class Batching {
  private following = false;

  constructor(
    private readonly host: GaslessHost,
    private readonly memory: Memory,
    /** Names what is going on while the payer waits. */
    private readonly step: (stage: string) => void,
  ) {}

  /** Has the wallet make all calls at once. */
  async send(known: RegistryChain, from: Hex, { able, paymaster, again }: Terms): Promise<void> {
    const { host, memory } = this;
    const { f, api, tools, now } = host;
    const { calls, other, connection } = f;
    const chain = connection.chain.id;
    await connection.refresh();
    const own = calls.filter((c) => c.kind === 'revoke').length;
    const first = calls[own];
    const pay = calls.at(-1);
    if (!first || !pay || connection.account !== from || connection.chainId !== chain || now() >= f.payment.expiresAt) throw new Moved();
    const requests = calls.map(({ to, data, value }) => Object.freeze({ to, data, value: quantity(value) }));
    // All of it once more, in the same breath: what follows the first is in the proof of a route.
    for (let i = 0; i < own; i++) again(requests[i] ?? {}, calls[i] ?? first);
    if (other) other.again(requests[own] ?? {}, first);
    else tools.verifyPlan(known, f.revealed(), requests.slice(own), chain);
    f.store.asking = true;
    api.event('payment_sent_to_wallet', from);
    this.step('batch');
    const attempt = sendCalls(connection.provider(), from, chain, requests, able, paymaster);
    const went = (id: string): Batch => (memory.batch = { id, wallet: from, chain, at: now(), to: pay.to, data: pay.data, free: paymaster !== '' });
    let abandoned = false;
    const gaveUp = this.impatience(attempt).then(() => {
      abandoned = true;
      // The payer may confirm it after all: then it counts.
      attempt.then(
        (late) => void (late && this.waitFor(went(late))),
        () => undefined,
      );
      return '';
    });
    const id = await Promise.race([attempt, gaveUp]);
    f.store.asking = false;
    f.notice = null;
    f.busy = 'no';
    if (abandoned) return host.prepare();
    api.event('payment_approved_in_wallet', from);
    f.calls = [];
    // No other tab may pay while the wallet does.
    if (id) await this.follow(went(id));
    else host.tell(say.noId, host.prepare, 'I have looked');
  }

  private impatience(attempt: Promise<unknown>): Promise<void> {
    let answered = false;
    const stop = (): void => void (answered = true);
    attempt.then(stop, stop);
    return new Promise((resolve) => {
      void this.host.sleep(patience).then(() => answered || this.host.tell(say.batchSilent, resolve, 'Start again'));
    });
  }

  /** Follows a batch that nobody waits for in this tab; no other tab may pay meanwhile. */
  async waitFor(b: Batch): Promise<void> {
    this.host.f.held = true;
    const release = await this.host.tabs.hold();
    await this.follow(b).finally(() => release?.());
  }

  private async follow(b: Batch): Promise<void> {
    const { host, memory } = this;
    const { f, prepare, tell } = host;
    if (this.following) return;
    this.following = f.held = true;
    this.step('');
    const news = await followBatch(b, {
      read: (method, params) => f.connection.read(method, params), sleep: host.sleep, now: host.now,
      stopped: () => memory.batch?.id !== b.id,
      reachable: () => this.reaches(b),
    });
    this.following = false;
    if (news === 'stopped') return;
    memory.batch = null;
    f.held = false;
    if (news?.state === 'done' && news.tx) {
      const home = b.chain === f.payment.chain.id;
      return host.went({ kind: 'pay', asset: 0, hash: news.tx, wallet: b.wallet, to: b.to, data: b.data, at: host.now(), mined: true, chain: home ? 0 : b.chain });
    }
    if (!news) return tell(say.batchUnknown, prepare, 'I have looked');
    host.api.telemetry('tx_failed', { detail: `batch ${news.state}` });
    tell(news.state === 'part' ? say.batchPart : say.batchFailed, prepare);
  }

  /** The wallet that has taken the batch is there. */
  reaches(b: Batch): boolean {
    const { account } = this.host.f.connection;
    return account !== null && sameHex(account, b.wallet);
  }
}
