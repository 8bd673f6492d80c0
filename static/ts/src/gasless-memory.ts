// What has to outlive a reload: what the payer picked, an operation that was sent
// and a batch that the wallet has taken. No DOM.
import { type Hex, fields, isAddress, isHash } from './data.ts';
import { type Batch, readBatchRecord } from './gasless-batch.ts';
import { type Way, table } from './gasless-table.ts';
import type { Store } from './store.ts';
import { readUnits } from './units.ts';

/** An operation that was handed in. */
export interface SentOp {
  readonly hash: Hex;
  readonly account: Hex;
  readonly wallet: Hex;
  readonly chain: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Where it was handed in. */
  readonly query: string;
  /** What is handed in again, null once it was taken. */
  readonly params: readonly unknown[] | null;
}

function readOp(v: unknown): SentOp | null {
  const f = fields(v);
  if (!f) return null;
  const { hash, account, wallet, chain, at, query, params } = f;
  if (!isHash(hash) || !isAddress(account) || !isAddress(wallet) || !Number.isSafeInteger(chain) || !Number.isSafeInteger(at)) return null;
  if (typeof query !== 'string' || !/^[\w=&%.:-]{1,400}$/.test(query)) return null;
  return { hash, account, wallet, chain: chain as number, at: at as number, query, params: Array.isArray(params) ? params : null };
}

export class Memory {
  private record: { picked: Way | null; cap: bigint | null; op: SentOp | null; batch: Batch | null };

  constructor(private readonly store: Pick<Store, 'gasless'>) {
    let f: Record<string, unknown> = {};
    try {
      f = fields(JSON.parse(store.gasless ?? 'null')) ?? {};
    } catch {
      // Somebody else's, or half of one: nothing is remembered.
    }
    this.record = {
      picked: table.find((r) => r.way === f['picked'])?.way ?? null,
      cap: readUnits(f['cap']),
      op: readOp(f['op']),
      batch: readBatchRecord(fields(f['batch'])),
    };
  }

  get picked(): Way | null {
    return this.record.picked;
  }
  set picked(picked: Way | null) {
    this.write({ picked });
  }

  get cap(): bigint | null {
    return this.record.cap;
  }
  set cap(cap: bigint | null) {
    this.write({ cap });
  }

  get op(): SentOp | null {
    return this.record.op;
  }
  set op(op: SentOp | null) {
    this.write({ op });
  }

  get batch(): Batch | null {
    return this.record.batch;
  }
  set batch(batch: Batch | null) {
    this.write({ batch });
  }

  /** The payment is over. */
  forget(): void {
    this.record = { picked: null, cap: null, op: null, batch: null };
    this.store.gasless = null;
  }

  private write(change: Partial<Memory['record']>): void {
    this.record = { ...this.record, ...change };
    const { picked, cap, op, batch } = this.record;
    this.store.gasless = picked || cap !== null || op || batch ? JSON.stringify({ picked, cap: cap === null ? null : String(cap), op, batch }) : null;
  }
}
