// A page that a Safe may pay from: a Safe's app around it, played, or a wallet
// whose account is a Safe.
import assert from 'node:assert/strict';
import { keccak } from '../src/calldata.ts';
import type { Hex, Payment } from '../src/data.ts';
import { type FrameCall, Frame } from '../src/safe-frame.ts';
import { SafePay } from '../src/safe-pay.ts';
import { type SafeTx, batch, hashOf, readTx } from '../src/safe-tx.ts';
import type { SafeModel } from '../src/safe-view.ts';
import { Elsewhere } from './elsewhere.ts';
import { account, stranger, usdc } from './fixtures.ts';
import type { ApiError } from './world.ts';

export const owners: readonly Hex[] = ['0xf17f52151EbEF6C7334FAD080c5704D77216b732', stranger, '0xC5fdf4076b8F3A5357c5E395ab970B5B54098Fef'];
export const signature = (n: number): Hex => `0x${String(n).repeat(128)}1b`;
/** Of 1.4.1. */
export const multiSend = '0x9641d764fc13c8B624c04430C7356C1C7C8102e2';
export const safeCode = '0x608060405273';

/** What the protocol's messages look like. */
export interface Message {
  readonly id: string;
  readonly method: string;
  readonly params?: unknown;
  readonly env: { readonly sdkVersion: string };
}

type Listener = (e: { source: unknown; origin: string; data: unknown }) => void;

/** The window around the page: hands messages to whoever plays the app. */
export class Around {
  readonly asked: { message: Message; target: string }[] = [];
  private readonly listeners: Listener[] = [];
  /** Called with each message, to answer or not. */
  app: (m: Message) => void = () => undefined;
  readonly parent = {
    postMessage: (message: unknown, target: string): void => {
      const m = structuredClone(message) as Message;
      this.asked.push({ message: m, target });
      queueMicrotask(() => this.app(m));
    },
  };

  addEventListener(_type: 'message', listener: Listener): void {
    this.listeners.push(listener);
  }
  hear(data: unknown, origin = 'https://app.safe.example', source: unknown = this.parent): void {
    for (const l of this.listeners) l({ source, origin, data });
  }
  answer(m: Message, data: unknown, more: object = {}): void {
    this.hear({ id: m.id, success: true, version: '9.1.0', data, ...more });
  }
  decline(m: Message, error: string): void {
    this.hear({ id: m.id, success: false, version: '9.1.0', error });
  }
}

/** An app with a Safe of three, of whom two must sign. */
export class App {
  readonly window = new Around();
  address: string = account;
  chainId: number;
  nonce = 7n;
  readonly txs = new Map<string, { tx: SafeTx; signers: Hex[] }>();
  /** What to do with requests by method, instead of the usual. */
  on: Record<string, ((m: Message) => unknown) | undefined> = {};
  /** Changes what is proposed, behind the page's back. */
  change: (tx: SafeTx) => SafeTx = (tx) => tx;
  /** The details' own words, instead of the truth. */
  tell: (details: Record<string, unknown>) => unknown = (d) => d;
  readonly sent: FrameCall[][] = [];

  constructor(chainId: number) {
    this.chainId = chainId;
    this.window.app = (m) => void this.reply(m);
  }

  private async reply(m: Message): Promise<void> {
    try {
      const data = await (this.on[m.method] ?? ((x: Message) => this.usual(x)))(m);
      if (data !== undefined) this.window.answer(m, data);
    } catch (err) {
      this.window.decline(m, err instanceof Error ? err.message : String(err));
    }
  }

  usual(m: Message): unknown {
    switch (m.method) {
      case 'getSafeInfo':
        return { safeAddress: this.address, chainId: this.chainId, owners, threshold: 2, isReadOnly: false, nonce: Number(this.nonce), version: '1.4.1' };
      case 'rpcCall':
        return this.rpc(m.params as { call: string; params: unknown[] });
      case 'sendTransactions': {
        const { txs } = m.params as { txs: FrameCall[] };
        this.sent.push(txs);
        return { safeTxHash: this.propose(txs) };
      }
      case 'getTxBySafeTxHash': {
        const { safeTxHash } = m.params as { safeTxHash: string };
        return this.tell(this.details(safeTxHash));
      }
    }
    return assert.fail(m.method);
  }

  private rpc({ call }: { call: string }): unknown {
    return call === 'eth_getCode' ? safeCode : assert.fail(call);
  }

  propose(txs: readonly FrameCall[]): Hex {
    const tx = this.change(batch(txs.map((t) => ({ to: t.to, value: BigInt(t.value), data: t.data as Hex })), multiSend, this.nonce));
    const hash = hashOf(keccak, this.chainId, this.address, tx);
    this.txs.set(hash, { tx, signers: [owners[0] ?? assert.fail()] });
    return hash;
  }

  details(hash: string): Record<string, unknown> {
    const known = this.txs.get(hash);
    if (!known) throw new Error('Request failed');
    const { tx, signers } = known;
    const named = (value: string) => ({ value, name: null });
    return {
      safeAddress: this.address, txStatus: 'AWAITING_CONFIRMATIONS', txHash: null,
      txData: { hexData: tx.data, to: named(tx.to), value: String(tx.value), operation: tx.operation },
      detailedExecutionInfo: {
        type: 'MULTISIG', nonce: Number(tx.nonce), safeTxGas: String(tx.safeTxGas), baseGas: String(tx.baseGas), gasPrice: String(tx.gasPrice), gasToken: tx.gasToken,
        refundReceiver: named(tx.refundReceiver), safeTxHash: hash, confirmationsRequired: 2, signers: owners.map(named),
        confirmations: signers.map((s) => ({ signer: named(s), signature: signature(owners.indexOf(s) + 1), submittedAt: 1 })),
      },
    };
  }

  /** An owner signs. */
  sign(hash: string, owner: number): void {
    this.txs.get(hash)?.signers.push(owners[owner - 1] ?? assert.fail());
  }
}

export interface Intent {
  readonly safeTxHash: Hex;
  readonly wallet: string;
  readonly chain: number;
  readonly deadline?: number;
  readonly safeTx?: Record<string, unknown>;
  readonly signatures?: readonly string[];
}

const page = (more: Partial<Payment> = {}): Payment => usdc({ safe: '/static/safe-0123456789ab.js', framed: true, ...more });

export class SafeWorld extends Elsewhere {
  readonly app: App;
  safe: SafePay | null = null;
  fetched = 0;
  safeModel: SafeModel | null = null;
  readonly told: Intent[] = [];
  /** What the server says to it. */
  takes: (i: Intent) => ApiError | null = () => null;
  /** Whether each request for calls was for a Safe. */
  readonly asSafe: boolean[] = [];
  account: Record<string, unknown> | null = { address: account, version: '1.4.1', owners, threshold: 2, nonce: 7, multiSend, warnings: [] };
  metadata: Record<string, unknown> = {};
  fetchFails = false;

  constructor(framed: boolean, more: Partial<Payment> = {}, remembered: Record<string, string> = {}) {
    super(page(more), remembered, framed);
    this.app = new App(this.payment.chain.id);
    this.safes = async () => {
      this.fetched++;
      if (this.fetchFails) throw new Error('offline');
      return {
        start: (host) => {
          let n = 0;
          const frame = host.framed ? new Frame(this.app.window, () => `id${n++}`, (run, ms) => host.sleep(ms).then(run)) : null;
          this.safe = new SafePay(host, { draw: (s) => void (this.safeModel = s) }, frame);
          return this.safe;
        },
      };
    };
    this.proposals = (body) => {
      const intent = structuredClone(body) as Intent;
      const err = this.takes(intent);
      if (err) throw err;
      this.told.push(intent);
    };
    this.asked_ = (safe) => void this.asSafe.push(safe);
    const { tamper } = this;
    this.tamper = (r) => {
      const reply = tamper(r);
      return { ...reply, metadata: { ...reply.metadata, ...this.metadata }, safe: this.asSafe.at(-1) ? this.account : null };
    };
    // A wallet whose account is a Safe, as one behind WalletConnect is.
    Object.assign(this.wallet.on_, {
      eth_getCode: () => safeCode,
      eth_call: (params: unknown[]) => ((params[0] as { data: string }).data === '0xe75235b8' ? `0x${'2'.padStart(64, '0')}` : `0x${'20'.padStart(64, '0')}${'5'.padStart(64, '0')}${'312e342e31'.padEnd(64, '0')}`),
    });
  }

  /** In its frame: connects what was offered, as the page does. */
  async opened(): Promise<this> {
    this.flow.start();
    await this.settle();
    await this.settle();
    return this;
  }

  get hash(): Hex {
    return ([...this.app.txs.keys()].at(-1) as Hex | undefined) ?? assert.fail('nothing was proposed');
  }

  /** The server says so of the transaction. */
  override news(stage: string, more: Record<string, unknown> = {}, payable = false): void {
    this.say({
      payable,
      safe: {
        hash: this.told.at(-1)?.safeTxHash ?? '', address: account, chain: this.payment.chain.name, chainId: this.payment.chain.id, stage, proven: true, owners, threshold: 2, signed: null, signers: [], nonce: 7,
        ahead: 0, deadline: '', txHash: '', explorerUrl: '', own: true, ...more,
      },
    });
  }
}

/** A page in a Safe's app. */
export const inApp = (more: Partial<Payment> = {}, remembered: Record<string, string> = {}): SafeWorld => new SafeWorld(true, more, remembered);
/** A page with a wallet whose account is a Safe. */
export const behindWallet = (more: Partial<Payment> = {}): SafeWorld => new SafeWorld(false, more);

/** The hash of the transaction that came with an intent. */
export function proven(i: Intent | undefined): string {
  const tx = i?.safeTx && readTx(JSON.parse(JSON.stringify(i.safeTx)) as Record<string, unknown>);
  return tx && i ? hashOf(keccak, i.chain, i.wallet, tx) : 'no transaction';
}
