// Follows a sent transaction through the wallet's own provider until it is
// mined, failed, replaced or forgotten. Knows no DOM and no payment.
import { type Hex, fields, isHash, sameHex } from './data.ts';
import { readQuantity } from './rpc.ts';
import type { Sent } from './store.ts';

/**
 * mined: included and successful. failed: included and reverted. replaced:
 * another transaction with its nonce was included. dropped: the network has not
 * known it for a long time. stopped: the caller no longer wants to know.
 */
export type Outcome = 'mined' | 'failed' | 'replaced' | 'dropped' | 'stopped';

export interface Follow {
  /** Asks the wallet's provider; null result while no wallet is there. */
  readonly ask: (method: string, params: unknown[]) => Promise<unknown>;
  /** Whether the provider is on the transaction's chain: only then does "not found" mean anything. */
  readonly onChain: () => Promise<boolean>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly now: () => number;
  readonly stopped: () => boolean;
  /** The wallet sent the same call again with another fee: follow that one. */
  readonly repriced: (hash: Hex) => void;
}

const firstWait = 700;
const longestWait = 5_000;
const forgottenAfter = 180_000;
/** How many blocks back a replacement is looked for: more than pass between two polls on a fast chain. */
const lookBack = 24n;

export async function follow(sent: Sent, f: Follow): Promise<Outcome> {
  let hash = sent.hash;
  let nonce: bigint | null = null;
  let lastSeen = sent.at;
  let unfound = 0;
  for (let wait = firstWait; !f.stopped(); wait = Math.min(wait * 1.3, longestWait)) {
    try {
      const receipt = fields(await f.ask('eth_getTransactionReceipt', [hash]));
      if (receipt && receipt['blockNumber'] != null) {
        return readQuantity(receipt['status']) === 0n ? 'failed' : 'mined';
      }
      const tx = fields(await f.ask('eth_getTransactionByHash', [hash]));
      if (tx) {
        nonce = readQuantity(tx['nonce']) ?? nonce;
        lastSeen = f.now();
      } else if (await f.onChain()) {
        if (nonce !== null && (readQuantity(await f.ask('eth_getTransactionCount', [sent.wallet, 'latest'])) ?? 0n) > nonce) {
          const other = await replacement(f, sent, nonce);
          if (other?.same) {
            hash = other.hash;
            f.repriced(hash);
          } else if (other || ++unfound > 3) {
            return 'replaced';
          }
        } else if (f.now() - lastSeen > forgottenAfter) {
          return 'dropped';
        }
      }
    } catch {
      // The provider is busy, gone or on another chain: ask again later.
    }
    await f.sleep(wait);
  }
  return 'stopped';
}

/** The included transaction with the same sender and nonce, looked for in the newest blocks. */
async function replacement(f: Follow, sent: Sent, nonce: bigint): Promise<{ hash: Hex; same: boolean } | null> {
  const head = readQuantity(await f.ask('eth_blockNumber', []));
  if (head === null) return null;
  for (let n = head; n >= 0n && n > head - lookBack; n--) {
    const block = fields(await f.ask('eth_getBlockByNumber', [`0x${n.toString(16)}`, true]));
    const list = block?.['transactions'];
    if (!Array.isArray(list)) continue;
    for (const item of list) {
      const tx = fields(item);
      if (!tx || !isHash(tx['hash']) || typeof tx['from'] !== 'string' || !sameHex(tx['from'], sent.wallet)) continue;
      if (readQuantity(tx['nonce']) !== nonce) continue;
      const to = tx['to'];
      const input = tx['input'] ?? tx['data'];
      const same = typeof to === 'string' && typeof input === 'string' && sameHex(to, sent.to) && sameHex(input, sent.data);
      return { hash: tx['hash'], same };
    }
  }
  return null;
}
