// The server's endpoints for this page: same origin, JSON, with time limits.
import { type Hex, type Oddity, type State, fields, isAddress, isHash, isOddity, isState, maxItems, webUrl } from './data.ts';
import { ApiError, Endpoint, count, text } from './endpoint.ts';
import { readUnits } from './units.ts';

export { ApiError };

export type Outcome = 'passed' | 'failed' | 'pending';

export interface Check {
  readonly name: string;
  readonly outcome: Outcome;
  readonly detail: string;
}

/** Balances in base units: of the assets by their ids, and of the chain's own currency. null where the server did not say. */
export interface Funds {
  readonly assets: ReadonlyMap<string, { readonly balance: bigint | null; readonly required: bigint | null }>;
  readonly native: bigint | null;
  readonly nativeRequired: bigint | null;
  readonly enoughBalance: boolean;
  readonly enoughGas: boolean;
}

/** The answer of /pay. transactions and chainId are as they came: verify.ts judges them. */
export interface PayReply {
  readonly transactions: unknown;
  readonly chainId: unknown;
  /** All that is told of the transactions, as it came. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly funds: Funds;
  readonly checks: readonly Check[];
  /** Opens the hashes of shortened payees, or "". */
  readonly payeeSecret: string;
  /** Somebody would pay for their gas, and where a wallet asks for that, "" if not. */
  readonly gasless: boolean;
  readonly paymasterUrl: string;
  /** The Safe that the calls are for, as it came: safe.js reads it. */
  readonly safe: Readonly<Record<string, unknown>> | null;
}

/** Where one request stands, and what it still needs in base units. */
export interface Progress {
  readonly state: State;
  readonly missing: bigint;
}

/** Whether a wallet may pay: what the server said, and why not. */
export interface Admission {
  readonly verdict: 'approved' | 'rejected' | 'error';
  readonly reason: string;
}

export interface Status {
  readonly state: State;
  readonly oddity: Oddity;
  readonly payable: boolean;
  /** By request; empty where the server does not say. */
  readonly requests: readonly Progress[];
  /** What the batch contract would take on top, by asset; empty where the server does not say. */
  readonly contractFees: readonly bigint[];
  /** Of the only request; 0 for a batch. */
  readonly excess: bigint;
  readonly confirmations: number;
  readonly required: number;
  readonly txHash: Hex | '';
  readonly explorerUrl: string;
  readonly payer: Hex | '';
  readonly announcedTx: Hex | '';
  readonly reorged: boolean;
  /** Of a transfer over a bridge, as it came: ways.js reads it. */
  readonly route: Readonly<Record<string, unknown>> | null;
  /** Of a Safe's transaction, as it came: safe.js reads it. */
  readonly safe: Readonly<Record<string, unknown>> | null;
  /** Of a smart account's operation, as it came: gasless.js reads it. */
  readonly op: Readonly<Record<string, unknown>> | null;
}


export function readChecks(value: unknown): Check[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, 20).flatMap((item) => {
    const f = fields(item);
    const outcome = f?.['outcome'];
    if (!f || !/^[a-z_]{1,40}$/.test(text(f['name']))) return [];
    // An outcome this script does not know is not a pass.
    const known: Outcome = outcome === 'passed' || outcome === 'failed' ? outcome : 'pending';
    return [{ name: text(f['name']), outcome: known, detail: text(f['detail']) }];
  });
}

function readProgress(value: unknown): Progress[] {
  if (!Array.isArray(value) || value.length > maxItems) return [];
  const all = value.map((item) => {
    const f = fields(item) ?? {};
    const missing = readUnits(f['missing']);
    return isState(f['state']) && missing !== null ? { state: f['state'], missing } : null;
  });
  return all.every((p) => p !== null) ? all : [];
}

/** Reads a status; null if it is none. */
export function readStatus(value: unknown): Status | null {
  const f = fields(value);
  if (!f || !isState(f['state'])) return null;
  return {
    state: f['state'],
    oddity: isOddity(f['oddity']) ? f['oddity'] : 'none',
    payable: f['payable'] === true,
    requests: readProgress(f['requests']),
    contractFees: Array.isArray(f['contractFees']) ? f['contractFees'].map((v) => readUnits(v) ?? 0n) : [],
    excess: readUnits(f['excess']) ?? 0n,
    confirmations: count(f['confirmations']),
    required: count(f['required']),
    txHash: isHash(f['txHash']) ? f['txHash'] : '',
    explorerUrl: webUrl(f['explorerUrl']),
    payer: isAddress(f['payer']) ? f['payer'] : '',
    announcedTx: isHash(f['announcedTx']) ? f['announcedTx'] : '',
    reorged: f['reorged'] === true,
    route: fields(f['route']),
    safe: fields(f['safe']),
    op: fields(f['op']),
  };
}

/** Reads an answer of /pay, which is the same wherever the calls come with something else. */
export function readPay(value: unknown): PayReply {
  const f = fields(value) ?? {};
  const m = fields(f['metadata']) ?? {};
  return {
    transactions: f['transactions'],
    chainId: m['chainId'],
    metadata: m,
    funds: {
      assets: new Map(
        (Array.isArray(m['assets']) ? m['assets'].slice(0, 20) : []).map((a: unknown) => {
          const held = fields(a) ?? {};
          return [text(held['currency']), { balance: readUnits(held['balanceUnits']), required: readUnits(held['requiredUnits']) }];
        }),
      ),
      native: readUnits(m['nativeUnits']),
      nativeRequired: readUnits(m['nativeRequiredUnits']),
      enoughBalance: m['hasEnoughBalance'] !== false,
      enoughGas: m['hasEnoughGas'] !== false,
    },
    checks: readChecks(f['checks']),
    payeeSecret: text(f['payeeSecret']),
    gasless: f['gasless'] === true,
    paymasterUrl: text(f['paymasterUrl'], 2_048),
    safe: fields(f['safe']),
  };
}

/** What is told of a wallet in a query. */
const walletQuery = (wallet: Hex, safe: boolean): string => `?wallet=${wallet}${safe ? '&isSafe=true' : ''}`;

export class Api extends Endpoint {
  constructor(token: string, fetcher: typeof fetch) {
    super(`/checkout/${encodeURIComponent(token)}/`, fetcher);
  }

  /** The URL of the status stream. */
  get events(): string {
    return `${this.base}events`;
  }

  /** The transactions for this wallet, which may be a Safe. Throws ApiError. */
  async pay(wallet: Hex, option: string, safe: boolean): Promise<PayReply> {
    return readPay(await this.json(`pay${walletQuery(wallet, safe)}&option=${encodeURIComponent(option)}`));
  }

  /** Where the payment stands. Throws ApiError. */
  async status(): Promise<Status> {
    const status = readStatus(await this.json('status'));
    if (!status) throw new ApiError(0, 'malformed', '', '');
    return status;
  }

  /** What the wallet may choose among, as it comes. Throws ApiError. */
  options(wallet: Hex, safe: boolean): Promise<unknown> {
    return this.json(`options${walletQuery(wallet, safe)}`);
  }

  /** Tells the server where to look: for a transaction, where chain 0 is the payment's own, or for a Safe's. Throws ApiError. */
  async intent(body: { readonly wallet: Hex; readonly chain: number } & ({ readonly txHash: Hex } | { readonly safeTxHash: Hex; readonly [more: string]: unknown })): Promise<void> {
    await this.json('intent', body);
  }

  /** Asks whether this wallet is let in. Throws ApiError. */
  async access(wallet: Hex): Promise<Admission> {
    const f = fields(await this.json('access', { wallet })) ?? {};
    const verdict = f['status'];
    // What this script does not know lets nobody in.
    return { verdict: verdict === 'approved' || verdict === 'rejected' ? verdict : 'error', reason: text(f['reasonCode'], 60) };
  }

  /** Tells the merchant what the payer did. Best effort: never waits, never fails. */
  event(action: 'wallet_connected' | 'payment_sent_to_wallet' | 'payment_approved_in_wallet', wallet: Hex): void {
    this.post('event', { action, wallet, occurredAt: new Date().toISOString() });
  }
}
