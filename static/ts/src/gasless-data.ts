// Reads what the server says of smart accounts and operations, and what wallets
// say of themselves. Whatever is not what it must be is no answer. No DOM.
import { type Hex, fields, isAddress, isHash, webUrl } from './data.ts';
import type { Domain } from './gasless-op.ts';
import { readUnits } from './units.ts';

const hex = (v: unknown, max = 20_000): Hex | null => (typeof v === 'string' && v.length <= max && /^0x([0-9a-f]{2})*$/i.test(v) ? (v.toLowerCase() as Hex) : null);
/** Plain text of somebody else's; "" for anything else. */
const plain = (v: unknown, max = 300): string => (typeof v === 'string' ? v.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '').slice(0, max) : '');
const whole = (v: unknown): number => (Number.isSafeInteger(v) && (v as number) > 0 ? (v as number) : 0);

/** A 0x quantity of at most 256 bits, null for anything else. */
export const readHexUnits = (v: unknown): bigint | null => (typeof v === 'string' && /^0x[0-9a-f]{1,64}$/i.test(v) ? BigInt(v) : null);

/** What the server says of a wallet's smart account. Nothing of it is believed that can be known otherwise. */
export interface Offer {
  readonly kind: string;
  /** Who pays for the gas, for people. */
  readonly sponsor: string;
  readonly entryPoint: string;
  readonly chainId: number;
  readonly account: Hex;
  readonly deployed: boolean;
  readonly factory: Hex;
  readonly factoryData: Hex;
  readonly nonce: bigint;
  readonly token: { readonly asset: string; readonly symbol: string; readonly decimals: number; readonly address: Hex };
  /** Base units: what is pulled, what the wallet has, and what the account may take of it. */
  readonly amount: bigint;
  readonly balance: bigint;
  readonly allowance: bigint;
  readonly permit: (Domain & { readonly nonce: bigint; readonly deadline: number }) | null;
  /** Wei for each unit of gas at the most, null if that is not told. */
  readonly maxFee: bigint | null;
  /** What /pay would answer the account, as it came. */
  readonly calls: unknown;
}

function readTerms(v: unknown): Offer['permit'] {
  const f = fields(v);
  if (!f) return null;
  const nonce = readUnits(f['nonce']);
  const { name, version, chainId, verifyingContract, salt, deadline } = f;
  if (nonce === null || !isAddress(verifyingContract) || !whole(chainId) || !whole(deadline) || (salt !== '' && !isHash(salt))) return null;
  // What is signed is what is shown: a name that cannot be is no name.
  if (typeof name !== 'string' || typeof version !== 'string' || plain(name, 80) !== name || plain(version, 20) !== version) return null;
  return { name, version, chainId: whole(chainId), verifyingContract, salt, nonce, deadline: whole(deadline) };
}

/** Reads the answer of /gasless; null if it is none. */
export function readOffer(value: unknown): Offer | null {
  const f = fields(value);
  const t = fields(f?.['token']);
  if (!f || !t || !isAddress(t['address'])) return null;
  const [account, factory] = [f['account'], f['factory']];
  const factoryData = hex(f['factoryData']);
  const nonce = readHexUnits(f['nonce']);
  const [amount, balance, allowance] = [f['amount'], f['balance'], f['allowance']].map(readUnits);
  if (!isAddress(account) || !isAddress(factory) || factoryData === null || nonce === null || !amount || balance == null || allowance == null) return null;
  const permit = readTerms(f['permit']);
  // Terms that make no sense are none that the payer should sign, and not a token without permits either.
  if (fields(f['permit']) && !permit) return null;
  return {
    kind: plain(f['kind'], 60), sponsor: plain(f['sponsor'], 40), entryPoint: plain(f['entryPoint'], 42), chainId: whole(f['chainId']),
    account, deployed: f['deployed'] === true, factory, factoryData, nonce,
    token: { asset: plain(t['asset'], 80), symbol: plain(t['symbol'], 20), decimals: Number(t['decimals']), address: t['address'] },
    amount, balance, allowance, permit, maxFee: readHexUnits(f['maxFeePerGas']), calls: f['calls'],
  };
}

const stages = ['waiting', 'executed', 'failed', 'replaced', 'expired', 'refused'] as const;
export type Stage = (typeof stages)[number];

/** How an operation stands. What is not known is "" or 0. */
export interface News {
  readonly stage: Stage;
  readonly hash: Hex | '';
  readonly account: Hex | '';
  readonly owner: Hex | '';
  /** Where it is, for people. */
  readonly chain: string;
  readonly chainId: number;
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly tx: Hex | '';
  readonly url: string;
  /** What the contracts said: a stranger's words. */
  readonly why: string;
  /** This browser sent it. */
  readonly own: boolean;
}

/** Reads a status' op; null if it is none. */
export function readNews(v: Readonly<Record<string, unknown>> | null): News | null {
  const stage = stages.find((s) => s === v?.['stage']);
  if (!v || !stage) return null;
  const until = typeof v['until'] === 'string' ? Date.parse(v['until']) : NaN;
  return {
    stage, hash: isHash(v['hash']) ? v['hash'] : '', account: isAddress(v['account']) ? v['account'] : '', owner: isAddress(v['owner']) ? v['owner'] : '',
    chain: plain(v['chain'], 60), chainId: whole(v['chainId']), until: Number.isNaN(until) ? 0 : until,
    tx: isHash(v['txHash']) ? v['txHash'] : '', url: webUrl(v['explorerUrl']), why: plain(v['why']), own: v['own'] === true,
  };
}

/** What a wallet can do on a chain (EIP-5792). */
export interface Abilities {
  readonly atomic: 'supported' | 'ready' | 'no';
  readonly paymaster: boolean;
  /** It speaks as the first version of EIP-5792 did. */
  readonly old: boolean;
}

export const unable: Abilities = { atomic: 'no', paymaster: false, old: false };

/** Reads what wallet_getCapabilities answers, in its present form or its first. */
export function readAbilities(value: unknown, chain: number): Abilities {
  const all = fields(value) ?? {};
  const named = (id: number): Record<string, unknown> => {
    const key = Object.keys(all).find((k) => /^(0x[0-9a-f]+|\d+)$/i.test(k) && Number(k) === id);
    return (key !== undefined && fields(all[key])) || {};
  };
  // 0x0 is whatever chain there is.
  const here: Record<string, unknown> = { ...named(0), ...named(chain) };
  const status = fields(here['atomic'])?.['status'];
  const old = status === undefined && fields(here['atomicBatch'])?.['supported'] === true;
  const atomic = status === 'supported' || status === 'ready' ? status : old ? 'supported' : 'no';
  return { atomic, paymaster: fields(here['paymasterService'])?.['supported'] === true, old };
}

/** How a batch stands. tx is "" where the wallet did not say. */
export interface BatchNews {
  /** done: its calls were made. failed: none of them counts. part: some were made and others not. */
  readonly state: 'waiting' | 'done' | 'failed' | 'part';
  readonly tx: Hex | '';
}

/** Reads what wallet_getCallsStatus answers, in its present form or its first; null if it says nothing. */
export function readBatch(value: unknown): BatchNews | null {
  const f = fields(value);
  const status = f?.['status'];
  const receipts = (Array.isArray(f?.['receipts']) ? f['receipts'].slice(-50) : []).flatMap((r: unknown): Record<string, unknown>[] => { const one = fields(r); return one ? [one] : []; });
  const last = receipts.map((r) => r['transactionHash']).filter(isHash).at(-1) ?? '';
  // The first version's receipts say it, and wallets that say 200 of a batch that was reverted.
  const reverted = receipts.some((r) => r['status'] === '0x0' || r['status'] === 0 || r['status'] === 'reverted');
  const tx = last && (last.toLowerCase() as Hex);
  if (status === 'PENDING') return { state: 'waiting', tx };
  if (status === 'CONFIRMED') return { state: reverted ? 'failed' : 'done', tx };
  const code = Number(status);
  if (typeof status !== 'number' && typeof status !== 'string') return null;
  if (code >= 100 && code < 200) return { state: 'waiting', tx };
  if (code >= 200 && code < 300) return { state: reverted ? 'failed' : 'done', tx };
  if (code >= 400 && code < 600) return { state: 'failed', tx };
  return code >= 600 && code < 700 ? { state: 'part', tx } : null;
}

/** The id of a batch in what wallet_sendCalls answers, in its present form or its first; "" if there is none. */
export function readBatchId(value: unknown): string {
  const id = fields(value)?.['id'] ?? value;
  return typeof id === 'string' && id.length <= 8_194 && id !== '' ? id : '';
}
