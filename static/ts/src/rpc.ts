// How to talk to a wallet that may be slow, odd or hostile: reads its answers
// leniently, its errors by meaning, and never waits for ever. Knows no DOM.
import { checksum } from './calldata.ts';
import { type Hex, fields, isAddress } from './data.ts';

/** An EIP-1193 provider. */
export interface Provider {
  request(args: { method: string; params?: unknown[] }): Promise<unknown>;
  on?(event: string, listener: (payload: unknown) => void): void;
  removeListener?(event: string, listener: (payload: unknown) => void): void;
}

/**
 * rejected: the payer said no. busy: the wallet already shows a request.
 * silent: no answer in time. unknown_chain: it has to be added first.
 * unsupported: the wallet cannot do this. failed: anything else.
 */
export type WalletFault = 'rejected' | 'busy' | 'silent' | 'unknown_chain' | 'unsupported' | 'failed';

export class WalletError extends Error {
  constructor(readonly fault: WalletFault) {
    super(fault);
  }
}

/** Finds out what a wallet's error means, looking into the places where wallets wrap the real one. */
export function faultOf(err: unknown): WalletFault {
  if (err instanceof WalletError) return err.fault;
  const codes: string[] = [];
  let said = '';
  const visit = (value: unknown, depth: number): void => {
    if (typeof value === 'string') said += ` ${value.slice(0, 400)}`;
    const f = fields(value);
    if (!f || depth > 5) return;
    for (const key of ['code', 'message', 'name', 'reason', 'data', 'originalError', 'cause', 'error', 'info']) {
      const inner = f[key];
      if (key === 'code') codes.push(String(inner));
      else visit(inner, depth + 1);
    }
  };
  visit(err, 0);
  // 4001 is EIP-1193's; 5000 to 5002 are WalletConnect's; the word is ethers'.
  if (codes.some((c) => ['4001', '5000', '5001', '5002', 'ACTION_REJECTED'].includes(c))) return 'rejected';
  if (/\b(user|request)\b.{0,20}\b(reject|denied|declin|cancel)/i.test(said) || said.includes('ACTION_REJECTED')) return 'rejected';
  if (codes.includes('-32002')) return 'busy';
  if (codes.includes('4902') || /unrecogni[sz]ed chain|chain.{0,30}(not been added|not added|not supported|unknown)|wallet_addEthereumChain/i.test(said)) return 'unknown_chain';
  if (codes.includes('4200') || codes.includes('-32601')) return 'unsupported';
  return 'failed';
}

/** Sends one request; rejects with WalletError, "silent" after ms without an answer. */
export async function ask(provider: Provider, method: string, params: unknown[], ms: number): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new WalletError('silent')), ms);
  });
  try {
    return await Promise.race([provider.request(params.length ? { method, params } : { method }), late]);
  } catch (err) {
    throw new WalletError(faultOf(err));
  } finally {
    clearTimeout(timer);
  }
}

/** A quantity in any of the ways wallets write one: number, bigint, hexadecimal in any case, decimal text; null if none. */
export function readQuantity(value: unknown): bigint | null {
  if (typeof value === 'bigint') return value >= 0n ? value : null;
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : null;
  if (typeof value !== 'string' || value.length > 80) return null;
  const text = value.trim().toLowerCase();
  return /^(0x[0-9a-f]+|\d+)$/.test(text) ? BigInt(text) : null;
}

/** A chain id in any of these ways, also as CAIP-2 ("eip155:8453") or in an object; null if it is none. */
export function readChainId(value: unknown): number | null {
  const inner = fields(value)?.['chainId'] ?? value;
  const id = readQuantity(typeof inner === 'string' ? inner.replace(/^\s*eip155:/i, '') : inner);
  return id !== null && id > 0n && id <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(id) : null;
}

/** The first account of a wallet's answer, with its checksum; null if there is none. */
export function readAccount(value: unknown): Hex | null {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return isAddress(first) ? checksum(first) : null;
}

export const quantity = (value: bigint | number): Hex => `0x${value.toString(16)}`;
