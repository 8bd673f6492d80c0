// The Safe Apps protocol: asks the page around this one, which is a Safe's app,
// by messages, and hands what it can do to the page as a wallet. It believes only
// the window around it, and only the origin that answered first; who may stand
// there at all, the server's Content-Security-Policy says. Knows no DOM but that window.
import { type Hex, fields, isAddress } from './data.ts';
import type { Provider } from './rpc.ts';
import type { Wallet } from './wallets.ts';

/** Of the protocol. Any of the first major version understands the others. */
const version = '9.1.0';
/** An app answers by itself. */
const forMachines = 10_000;

/** What the protocol needs of a window. */
export interface Surroundings {
  readonly parent: { postMessage(message: unknown, target: string): void };
  addEventListener(type: 'message', listener: (e: { readonly source: unknown; readonly origin: string; readonly data: unknown }) => void): void;
}

/** The app has refused, or has not answered in time. The code is EIP-1193's. */
export class FrameError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** What the app says of its Safe. */
export interface SafeInfo {
  readonly address: Hex;
  readonly chainId: number;
  readonly owners: readonly Hex[];
  readonly threshold: number;
  /** Whoever uses the app is none of the owners. */
  readonly readOnly: boolean;
}

/** A call as the app takes it: the value is decimal. */
export interface FrameCall {
  readonly to: string;
  readonly value: string;
  readonly data: string;
}

/** Questions of the chain that the app answers. */
const reads: readonly string[] = [
  'eth_call', 'eth_gasPrice', 'eth_getLogs', 'eth_getBalance', 'eth_getCode', 'eth_getBlockByHash', 'eth_getBlockByNumber', 'eth_getStorageAt', 'eth_getTransactionByHash',
  'eth_getTransactionReceipt', 'eth_getTransactionCount', 'eth_estimateGas',
];

/** The app around this window. */
export const appAround = (w: Window): Frame => new Frame(w, () => crypto.getRandomValues(new Uint32Array(4)).join('-'), (run, ms) => setTimeout(run, ms));

/** An app that has answered, among the wallets. */
export const asWallet = (app: Frame): Wallet => ({ id: 'safe', name: 'Safe', icon: '', provider: app });

export class Frame implements Provider {
  /** Of the app, once it has answered. */
  private origin = '';
  private readonly waiting = new Map<string, (answer: Record<string, unknown>) => void>();

  constructor(
    private readonly window: Surroundings,
    private readonly random: () => string,
    private readonly timer: (run: () => void, ms: number) => unknown,
  ) {
    window.addEventListener('message', (e) => this.hear(e.source, e.origin, e.data));
  }

  /** The Safe whose app this is. Rejects with FrameError, or TypeError for an answer that says nothing. */
  async info(): Promise<SafeInfo> {
    const f = fields(await this.ask('getSafeInfo')) ?? {};
    const { safeAddress, chainId, owners, threshold } = f;
    const id = Number(chainId);
    if (!isAddress(safeAddress) || !Number.isSafeInteger(id) || id < 1) throw new TypeError('no Safe');
    return {
      address: safeAddress, chainId: id, readOnly: f['isReadOnly'] === true, threshold: Number.isSafeInteger(threshold) ? (threshold as number) : 0,
      owners: Array.isArray(owners) ? owners.slice(0, 100).filter(isAddress) : [],
    };
  }

  /** Has the app propose these calls as one transaction; resolves to what it says of that, once people have decided. */
  send(txs: readonly FrameCall[]): Promise<unknown> {
    return this.ask('sendTransactions', { txs }, 0);
  }

  /** What the app knows of a transaction. */
  transaction(safeTxHash: Hex): Promise<unknown> {
    return this.ask('getTxBySafeTxHash', { safeTxHash });
  }

  /** EIP-1193, as far as a page needs it that proposes batches. */
  async request({ method, params = [] }: { method: string; params?: unknown[] }): Promise<unknown> {
    if (reads.includes(method)) return this.ask('rpcCall', { call: method, params });
    switch (method) {
      case 'eth_accounts':
      case 'eth_requestAccounts':
        return [(await this.info()).address];
      case 'eth_chainId':
        return `0x${(await this.info()).chainId.toString(16)}`;
    }
    throw new FrameError(4200, 'unsupported');
  }

  private ask(method: string, params?: object, patience = forMachines): Promise<unknown> {
    const id = this.random();
    return new Promise((resolve, reject) => {
      const over = (run: () => void): void => {
        this.waiting.delete(id);
        run();
      };
      this.waiting.set(id, (answer) =>
        over(() => {
          if (answer['success'] === true) return resolve(answer['data']);
          const said = String(answer['error']).slice(0, 200);
          reject(new FrameError(/reject|declin|denied|cancel/i.test(said) ? 4001 : -32603, said));
        }),
      );
      if (patience) this.timer(() => over(() => reject(new FrameError(-32603, 'no answer'))), patience);
      // Who is there is not known before the first answer, and nothing is given away by asking for it.
      this.window.parent.postMessage({ id, method, params, env: { sdkVersion: version } }, this.origin || '*');
    });
  }

  private hear(source: unknown, origin: string, data: unknown): void {
    const f = fields(data);
    if (source !== this.window.parent || !f || !/^https?:\/\/./.test(origin)) return;
    if (this.origin && origin !== this.origin) return;
    const answer = typeof f['id'] === 'string' && /^[1-9]\d*\./.test(String(f['version'])) && this.waiting.get(f['id']);
    if (!answer) return;
    this.origin = origin;
    answer(f);
  }
}
