// Several calls handed to the wallet at once (EIP-5792), and what becomes of them.
// No DOM.
import { type Hex, isAddress } from './data.ts';
import { type Abilities, type BatchNews, readAbilities, readBatch, readBatchId, unable } from './gasless-data.ts';
import { type Provider, type faultOf, quantity } from './rpc.ts';

/** A batch that a wallet has taken. */
export interface Batch {
  readonly id: string;
  readonly wallet: Hex;
  readonly chain: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The call that pays. */
  readonly to: Hex;
  readonly data: Hex;
  readonly free: boolean;
}

/** Checks a record read from storage; null if it is none. */
export function readBatchRecord(v: Readonly<Record<string, unknown>> | null): Batch | null {
  if (!v) return null;
  const { id, wallet, chain, at, to, data, free } = v;
  if (!readBatchId(id) || !isAddress(wallet) || !Number.isSafeInteger(chain) || !Number.isSafeInteger(at) || !isAddress(to)) return null;
  if (typeof data !== 'string' || !/^0x[0-9a-f]*$/.test(data)) return null;
  return { id: String(id), wallet, chain: chain as number, at: at as number, to, data: data as Hex, free: free === true };
}

type Read = (method: string, params: unknown[]) => Promise<unknown>;

/** Asks a wallet what it can do on a chain. A wallet that does not know the question can do nothing. */
export async function askAbilities(read: Read, fault: typeof faultOf, account: Hex, chain: number): Promise<Abilities> {
  for (const params of [[account, [quantity(chain)]], [account]]) {
    try {
      const able = readAbilities(await read('wallet_getCapabilities', params), chain);
      if (able.atomic !== 'no') return able;
    } catch (err) {
      // Some take the account alone.
      if (fault(err) !== 'failed') break;
    }
  }
  return unable;
}

/** One call as wallets take it. */
export interface Request {
  readonly to: Hex;
  readonly data: Hex;
  readonly value: Hex;
}

/** Hands the calls to the wallet; the answer is the id, "" if it gave none. Rejects with the wallet's own error. */
export async function sendCalls(provider: Provider, from: Hex, chain: number, calls: readonly Request[], able: Abilities, paymaster: string): Promise<string> {
  const send = (version: '1.0' | '2.0.0'): Promise<unknown> =>
    provider.request({
      method: 'wallet_sendCalls',
      params: [
        Object.freeze({
          version, chainId: quantity(chain), from, calls, ...(version === '1.0' ? {} : { atomicRequired: true }),
          ...(paymaster ? { capabilities: { paymasterService: { url: paymaster } } } : {}),
        }),
      ],
    });
  return readBatchId(await send(able.old ? '1.0' : '2.0.0'));
}

/** EIP-5792's codes for what a wallet cannot do with a batch. 5750 is its owner's no to an upgrade. */
const unables = [5700, 5710, 5740, 5750, 5760, -32602];

/** The wallet cannot do this with several calls, as far as its error tells: it was not refused by its owner. */
export function cannotBatch(err: unknown, fault: string): boolean {
  const code = Number((err as { code?: unknown } | null)?.code);
  // Whatever its words are: that an upgrade was rejected reads like any rejection.
  if (unables.includes(code)) return true;
  if (fault === 'rejected' || fault === 'busy') return false;
  return fault === 'unsupported' || /not (supported|available|implemented)|unsupported/i.test(String((err as Error | null)?.message ?? err));
}

export interface Follow {
  readonly read: Read;
  readonly sleep: (ms: number) => Promise<void>;
  readonly now: () => number;
  /** Nobody wants to know any more. */
  readonly stopped: () => boolean;
  /** The batch's wallet is there and on its chain. */
  readonly reachable: () => boolean;
}

/** So long may a wallet say nothing of its own batch. */
const patience = 180_000;

/** Follows a batch until its calls were made or not; null if the wallet does not tell. */
export async function followBatch(b: Batch, f: Follow): Promise<BatchNews | 'stopped' | null> {
  let heard = f.now();
  for (let wait = 700; !f.stopped(); wait = Math.min(wait * 1.3, 5_000)) {
    if (f.reachable()) {
      const news = await f.read('wallet_getCallsStatus', [b.id]).then(readBatch, () => null);
      if (news?.state === 'waiting') heard = f.now();
      // Done without a transaction to show for it is worth as much as nothing.
      else if (news && (news.state !== 'done' || news.tx)) return news;
      if (f.now() - heard > patience) return null;
    } else {
      heard = f.now();
    }
    await f.sleep(wait);
  }
  return 'stopped';
}
