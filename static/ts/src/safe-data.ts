// Reads what the server and a Safe's app say of a Safe and of its transaction.
// Whatever is not what it must be is as good as not said. No DOM, no wallet.
import { type Hex, fields, isAddress, isHash, sameHex, webUrl } from './data.ts';
import { type SafeTx, readTx } from './safe-tx.ts';

type Fields = Readonly<Record<string, unknown>>;

const maxOwners = 100;

/** A sentence of the server's, as plain text; "" for anything else. */
const sentence = (v: unknown): string => (typeof v === 'string' ? v.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '').slice(0, 300) : '');
const count = (v: unknown): number | null => (Number.isSafeInteger(v) && (v as number) >= 0 ? (v as number) : null);
const addresses = (v: unknown): readonly Hex[] => (Array.isArray(v) ? v.slice(0, maxOwners).filter(isAddress) : []);
/** Unix seconds of a time that has a name, 0 for none. */
export const readDeadline = (v: unknown): number => ((count(v) ?? 0) < 250_000_000_000 ? (count(v) ?? 0) : 0);
const instant = (v: unknown): number => (typeof v === 'string' && v !== '' ? Date.parse(v) || 0 : 0);

/** A Safe as the server has read it. */
export interface Account {
  readonly address: Hex;
  readonly version: string;
  readonly owners: readonly Hex[];
  readonly threshold: number;
  /** Of its next transaction. */
  readonly nonce: bigint;
  readonly warnings: readonly string[];
}

/** Reads the Safe that comes with calls; null if it is none. */
export function readAccount(f: Fields | null): Account | null {
  const nonce = count(f?.['nonce']);
  if (!f || !isAddress(f['address']) || nonce === null) return null;
  const warnings = Array.isArray(f['warnings']) ? f['warnings'].slice(0, 10).map((w) => sentence(fields(w)?.['text'])) : [];
  return {
    address: f['address'], version: /^\d+\.\d+\.\d+$/.test(sentence(f['version'])) ? sentence(f['version']) : '', owners: addresses(f['owners']), threshold: count(f['threshold']) ?? 0,
    nonce: BigInt(nonce), warnings: warnings.filter(Boolean),
  };
}

const stages = ['waiting', 'executed', 'failed', 'replaced', 'late', 'foreign'] as const;
export type Stage = (typeof stages)[number];

/** What the server says of a Safe's transaction that is to make the payment. What is not known, or not for this browser, is empty. */
export interface News {
  readonly stage: Stage;
  readonly hash: Hex | '';
  readonly address: Hex | '';
  /** Where it signs, for people. */
  readonly chain: string;
  readonly chainId: number;
  readonly owners: readonly Hex[];
  readonly threshold: number;
  /** null: nobody knows who has signed. */
  readonly signed: number | null;
  readonly signers: readonly Hex[];
  readonly nonce: number | null;
  /** How many come before it. */
  readonly ahead: number | null;
  /** Milliseconds since 1970, 0 for none. */
  readonly deadline: number;
  /** How long the payment is kept for it. */
  readonly until: number;
  /** What executed it, or another in its place, in an explorer. */
  readonly url: string;
  /** This browser may know what executed it, and something did. */
  readonly executed: boolean;
  /** This browser announced it. */
  readonly own: boolean;
}

/** Reads a status' Safe transaction; null if it is none. */
export function readNews(f: Fields | null): News | null {
  const stage = stages.find((s) => s === f?.['stage']);
  if (!f || !stage) return null;
  return {
    stage, hash: isHash(f['hash']) ? f['hash'] : '', address: isAddress(f['address']) ? f['address'] : '', chain: sentence(f['chain']).slice(0, 60), chainId: count(f['chainId']) ?? 0,
    owners: addresses(f['owners']), threshold: count(f['threshold']) ?? 0, signed: count(f['signed']), signers: addresses(f['signers']), nonce: count(f['nonce']), ahead: count(f['ahead']),
    deadline: instant(f['deadline']), until: instant(f['until']), url: webUrl(f['explorerUrl']), executed: isHash(f['txHash']), own: f['own'] === true,
  };
}

/** What a Safe's app says of a transaction. */
export interface Details {
  readonly tx: SafeTx;
  readonly signers: readonly Hex[];
  readonly signatures: readonly Hex[];
  readonly required: number;
}

/** Reads an app's answer about a transaction; null if it is about none, or about another. */
export function readDetails(value: unknown, hash: string): Details | null {
  const f = fields(value);
  const data = fields(f?.['txData']);
  const x = fields(f?.['detailedExecutionInfo']);
  if (!data || !x || typeof x['safeTxHash'] !== 'string' || !sameHex(x['safeTxHash'], hash)) return null;
  const tx = readTx({
    to: fields(data['to'])?.['value'], value: data['value'] ?? '0', data: data['hexData'], operation: data['operation'], safeTxGas: x['safeTxGas'], baseGas: x['baseGas'], gasPrice: x['gasPrice'],
    gasToken: x['gasToken'], refundReceiver: fields(x['refundReceiver'])?.['value'], nonce: x['nonce'],
  });
  if (!tx) return null;
  const all = (Array.isArray(x['confirmations']) ? x['confirmations'].slice(0, maxOwners) : []).map((c) => fields(c) ?? {});
  return {
    tx,
    signers: all.map((c) => fields(c['signer'])?.['value']).filter(isAddress),
    signatures: all.map((c) => c['signature']).filter((s): s is Hex => typeof s === 'string' && /^0x([0-9a-fA-F]{2}){65,2000}$/.test(s)),
    required: count(x['confirmationsRequired']) ?? 0,
  };
}

/** A transaction that this page has had proposed, until the server knows what became of it. */
export interface Proposed {
  readonly hash: Hex;
  readonly safe: Hex;
  readonly chain: number;
  /** Unix seconds, 0 for none. */
  readonly deadline: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The wallet called it a transaction: it may be one, where the Safe executed it at once. */
  readonly plain: boolean;
  /** The transaction behind the hash as writeTx has it, once it is proven; null before. */
  readonly tx: object | null;
  /** The calls it must make. */
  readonly calls: readonly { readonly to: Hex; readonly value: string; readonly data: Hex }[];
}

/** Reads what was remembered of a proposal; null if it is none. */
export function readProposed(text: string | null): Proposed | null {
  let f: Fields | null = null;
  try {
    f = fields(JSON.parse(text ?? 'null'));
  } catch {
    // Somebody else's, or cut: the server still knows what was announced.
  }
  const { hash, safe, chain, at, plain, tx, calls } = f ?? {};
  const deadline = readDeadline(f?.['deadline']);
  if (!isHash(hash) || !isAddress(safe) || !Array.isArray(calls) || count(chain) === null || count(at) === null) return null;
  const kept = calls.flatMap((v) => {
    const c = fields(v);
    return c && isAddress(c['to']) && /^\d{1,78}$/.test(String(c['value'])) && /^0x([0-9a-f]{2})*$/.test(String(c['data'])) ? [c] : [];
  });
  if (kept.length !== calls.length) return null;
  return { hash, safe, chain: chain as number, deadline, at: at as number, plain: plain === true, tx: fields(tx), calls: kept as unknown as Proposed['calls'] };
}
