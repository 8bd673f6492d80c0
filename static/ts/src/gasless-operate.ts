// One operation of a wallet's smart account, from the permit to the bundler: built
// by a kit, looked at before it is signed, and handed in. No DOM.
import { type Chain, type Hex, sameHex } from './data.ts';
import { Abandoned, Guard } from './gasless-kit.ts';
import type { SentOp } from './gasless-memory.ts';
import { type Ready, callsOf, isOwn, permitOf, prove, readRevoke, shownCalls } from './gasless-offer.ts';
import { allowanceData, approveData, entryPoint, permitCall, permitData, readApproval } from './gasless-op.ts';
import { RpcFault, unheard } from './gasless-rpc.ts';
import type { Way } from './gasless-table.ts';
import type { GaslessHost, OpStage, Operating, Ran } from './gasless-types.ts';
import * as say from './gasless-op-words.ts';
import type { Kit, KitModule } from './kit-types.ts';
import { quantity } from './rpc.ts';
import type { Call, RegistryChain } from './verify.ts';

/** A wallet that shows nothing by then may have lost the request. */
const patience = 120_000;
/** How long a transaction is waited for, in seconds. */
const polls = 90;

/** The wallet's account or chain is not the one this was made for, or the time is up. */
class Moved extends Error {}
/** It cannot be paid so, for a reason that has words already. */
class Trouble extends Error {
  constructor(readonly words: typeof say.noTyped) {
    super();
  }
}

export class Operate implements Operating {
  constructor(
    private readonly host: GaslessHost,
    private readonly load: (url: string) => Promise<KitModule>,
  ) {}

  prove(value: unknown, known: RegistryChain, owner: Hex, chain: Chain): Ready | null {
    return prove(this.host, value, known, owner, chain);
  }

  shown(r: Ready, cap: bigint | null): readonly Call[] {
    return shownCalls(this.host, r, cap);
  }

  revoke(step: unknown, owner: Hex): Call | null {
    return readRevoke(this.host, step, owner);
  }

  own(c: Call, owner: Hex): boolean {
    return isOwn(this.host, readApproval(c.data)?.spender ?? '', owner);
  }

  async run(r: Ready, way: Way, cap: bigint, query: string, step: (stage: OpStage) => void): Promise<Ran> {
    const { host } = this;
    const { f, api, now } = host;
    const { owner, derived } = r;
    const chain = f.connection.chain.id;
    let guard: Guard | null = null;
    try {
      await this.unmoved(owner, chain);
      step('open');
      const provider = f.connection.provider();
      const terms = way === 'op_permit' ? permitOf(r, cap) : null;
      const calls = [...callsOf(r)];
      guard = new Guard(
        {
          host, provider, query, chain,
          step: (stage) => {
            // Whoever signs can read what was looked at.
            if (guard && stage === 'sign') this.note(guard);
            step(stage);
          },
        },
        {
          kind: r.kind, account: derived, deployed: r.offer.deployed, owner, nonce: r.offer.nonce, calls, maxFee: r.offer.maxFee,
          permit: terms && { amount: r.offer.amount, cap, now: Math.floor(now() / 1_000), until: Number(terms.permit.deadline) },
        },
      );
      const kit = await this.open(guard, r, chain);
      api.event('payment_sent_to_wallet', owner);
      if (terms) {
        step('permit');
        const asked = provider.request({ method: 'eth_signTypedData_v4', params: [owner, permitData(terms.domain, terms.permit)] });
        const data = permitCall(terms.permit, await this.patiently(this.wallets(asked, guard), guard));
        if (!data) throw new Trouble(say.noTyped);
        calls.unshift({ to: r.offer.token.address, data, value: 0n });
      }
      // The wallet may have been told otherwise while its owner read.
      await this.unmoved(owner, chain);
      step('sponsor');
      // What it is given is not what it is held against.
      const said = await this.patiently(kit.pay(calls.map((c) => ({ ...c })), guard.look), guard);
      const hash = guard.looked?.hash ?? '0x';
      if (!sameHex(said, hash)) throw new host.tools.Refusal('op_calls', 'hash of the operation', hash, said);
      return this.sent(guard, r, chain, query, null) ?? { trouble: null };
    } catch (err) {
      return this.failed(err, guard, r, chain, query);
    }
  }

  /** What the wallet itself refuses counts as it came. */
  private async wallets<T>(attempt: Promise<T>, guard: Guard): Promise<T> {
    try {
      return await attempt;
    } catch (err) {
      guard.failure ??= err;
      throw err;
    }
  }

  private async open(guard: Guard, r: Ready, chain: number): Promise<Kit> {
    const { host } = this;
    const { offer, derived, owner } = r;
    const url = host.f.payment.kits[offer.kind];
    const module = await this.load(typeof url === 'string' ? url : '').catch(() => {
      throw new Trouble(say.loadFailed);
    });
    const kit = await module.open(guard, {
      kind: offer.kind, chainId: chain, owner, address: derived.address, deployed: offer.deployed, factory: derived.factory, factoryData: derived.factoryData, nonce: offer.nonce, entryPoint,
    });
    if (!sameHex(kit.address, derived.address)) throw new host.tools.Refusal('op_sender', 'smart account of the kit', derived.address, kit.address);
    return kit;
  }

  private async unmoved(owner: Hex, chain: number): Promise<void> {
    const { f, now } = this.host;
    await f.connection.refresh();
    if (f.connection.account !== owner || f.connection.chainId !== chain || now() >= f.payment.expiresAt) throw new Moved();
  }

  private failed(err: unknown, guard: Guard | null, r: Ready, chain: number, query: string): Ran {
    const { host } = this;
    const { Refusal } = host.tools;
    const cause = guard?.failure ?? err;
    if (guard) this.note(guard);
    if (cause instanceof Refusal) throw cause;
    // Handed in, and not known whether it arrived: it may be carried out.
    if (guard?.sent && (cause instanceof Abandoned || unheard(cause))) return this.sent(guard, r, chain, query, guard.sent) ?? { trouble: null };
    if (cause instanceof Moved) return { trouble: say.moved, passing: true };
    if (cause instanceof Abandoned) return { trouble: null };
    if (cause instanceof Trouble) return { trouble: cause.words, passing: false };
    const { status, code, said } = cause as { readonly status?: unknown; readonly code?: unknown; readonly said?: unknown };
    const answered = typeof status === 'number';
    if (cause instanceof RpcFault || answered) {
      const reason = answered ? String(code) : (cause as RpcFault).reason;
      host.api.telemetry('gasless_refused', { detail: reason });
      return { trouble: say.refusedWords(reason, answered ? String(said) : (cause as RpcFault).message), passing: say.passing(reason) };
    }
    if (host.tools.faultOf(cause) === 'unsupported') return { trouble: say.noTyped, passing: false };
    // The wallet's own, unless the kit has stumbled over itself.
    if (guard?.failure) throw cause;
    return { trouble: say.refusedWords('', ''), passing: false };
  }

  /** What the checks of the operation have found, beneath the others. */
  private note({ checks }: Guard): void {
    const { f, show } = this.host;
    if (!checks.length) return;
    f.checks = [...f.checks.filter((c) => !c.name.startsWith('op_')), ...checks];
    show();
  }

  private sent(guard: Guard, r: Ready, chain: number, query: string, params: readonly unknown[] | null): { readonly sent: SentOp } | null {
    const { api, now } = this.host;
    if (!guard.looked) return null;
    this.note(guard);
    api.event('payment_approved_in_wallet', r.owner);
    return { sent: { hash: guard.looked.hash, account: r.derived.address, wallet: r.owner, chain, at: now(), query, params } };
  }

  /** Waits for the wallet as long as the payer does, who is asked when it has been silent for long. */
  private patiently<T>(attempt: Promise<T>, guard: Guard): Promise<T> {
    const { host } = this;
    let answered = false;
    const stop = (): void => void (answered = true);
    attempt.then(stop, stop);
    const gaveUp = new Promise<T>((_, reject) => {
      const giveUp = (): void => {
        guard.abandon();
        reject(new Abandoned());
      };
      void host.sleep(patience).then(() => answered || host.tell(say.silent, giveUp, 'Start again'));
    });
    return Promise.race([attempt, gaveUp]);
  }

  async takeBack(r: Ready): Promise<boolean> {
    const { f, sleep, tools } = this.host;
    await f.connection.refresh();
    if (!f.connection.ready || f.connection.account !== r.owner) return false;
    const request = Object.freeze({ from: r.owner, to: tools.checksum(r.offer.token.address), data: approveData(r.derived.address, 0n), value: '0x0', chainId: quantity(f.connection.chain.id) });
    const answer = await f.connection.provider().request({ method: 'eth_sendTransaction', params: [request] });
    const hash = (answer as { readonly hash?: unknown } | null)?.hash ?? answer;
    for (let i = 0; i < polls; i++) {
      const receipt = (await f.connection.read('eth_getTransactionReceipt', [hash]).catch(() => null)) as { readonly blockNumber?: unknown; readonly status?: unknown } | null;
      if (receipt?.blockNumber != null) return Number(receipt.status) === 1;
      await sleep(1_000);
    }
    return false;
  }

  async left(r: Ready): Promise<bigint | null> {
    const units = await this.host.f.connection.read('eth_call', [{ to: r.offer.token.address, data: allowanceData(r.owner, r.derived.address) }, 'latest']).catch(() => null);
    return typeof units === 'string' && /^0x[0-9a-f]{64}$/i.test(units) ? BigInt(units) : null;
  }
}
