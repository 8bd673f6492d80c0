// Safe transactions: what owners sign, its hash, and whether it makes a payment's
// calls and nothing else. The rules and the checks' names are those of the
// server's internal/safe. Knows no page, wallet or network.
import type { Check } from './api.ts';
import { type Hex, isAddress, sameHex } from './data.ts';
import type { SafeCheck } from './safe-types.ts';

/** keccak256, which the page's script has. */
export type Keccak = (bytes: Iterable<number>) => Hex;

/** One plain call. */
export interface Item {
  readonly to: string;
  readonly value: bigint;
  /** In lower case. */
  readonly data: Hex;
}

export interface SafeTx extends Item {
  /** 0 is a call, 1 runs the target's code as the Safe itself. */
  readonly operation: number;
  readonly safeTxGas: bigint;
  readonly baseGas: bigint;
  readonly gasPrice: bigint;
  readonly gasToken: string;
  readonly refundReceiver: string;
  readonly nonce: bigint;
}

/** A Safe transaction that is said to pay. */
export interface Proposal {
  readonly chain: number;
  readonly safe: string;
  readonly hash: string;
  readonly tx: SafeTx;
}

const zero = '0x0000000000000000000000000000000000000000';
/** How many of a Safe's transactions may have to be executed before. */
const maxQueue = 100n;
/** What a transaction may use at the most (EIP-7825). */
const maxGas = 1n << 24n;
const maxItems = 250;

/** keccak256 of EIP712Domain(uint256 chainId,address verifyingContract). */
const domainType = '47e79534a245952e8b16893a336b85a3d9ea9fa8c573f3d803afb92a79469218';
/** keccak256 of SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce). */
const txType = 'bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8';

/** multiSend(bytes). */
const multiSend = '0x8d80ff0a';

const pad = (value: bigint | number): string => value.toString(16).padStart(64, '0');
const padAddress = (address: string): string => address.slice(2).toLowerCase().padStart(64, '0');

/** Bytes of hexadecimal digits. */
function* bytes(digits: string): Iterable<number> {
  for (let i = 0; i < digits.length; i += 2) yield parseInt(digits.slice(i, i + 2), 16);
}

/** The safeTxHash, by EIP-712. */
export function hashOf(keccak: Keccak, chain: number, safe: string, t: SafeTx): Hex {
  const of = (digits: string): string => keccak(bytes(digits)).slice(2);
  const body = [
    txType, padAddress(t.to), pad(t.value), of(t.data.slice(2)), pad(t.operation), pad(t.safeTxGas), pad(t.baseGas), pad(t.gasPrice), padAddress(t.gasToken),
    padAddress(t.refundReceiver), pad(t.nonce),
  ];
  return `0x${of(`1901${of(domainType + pad(chain) + padAddress(safe))}${of(body.join(''))}`)}`;
}

/** The calldata of multiSend with these calls. */
export function encodeBatch(items: readonly Item[]): Hex {
  const packed = items.map((i) => `00${i.to.slice(2).toLowerCase()}${pad(i.value)}${pad(i.data.length / 2 - 1)}${i.data.slice(2)}`).join('');
  return `${multiSend}${pad(32)}${pad(packed.length / 2)}${packed.padEnd(Math.ceil(packed.length / 64) * 64, '0')}`;
}

/** Reads what encodeBatch writes, and nothing else: null for a delegatecall, a byte too many, or one that is not where it must be. */
export function decodeBatch(data: Hex): readonly Item[] | null {
  const length = Number(`0x${data.slice(74, 138) || '0'}`) * 2;
  // Of a length that is not true, less is read than there is, or nothing.
  const packed = data.slice(138, 138 + Math.min(length, data.length));
  const items: Item[] = [];
  for (let at = 0; at < packed.length; ) {
    const size = Number(`0x${packed.slice(at + 106, at + 170) || '0'}`) * 2;
    const end = at + 170 + size;
    if (!(end <= packed.length) || items.length === maxItems) return null;
    items.push({ to: `0x${packed.slice(at + 2, at + 42)}`, value: BigInt(`0x${packed.slice(at + 42, at + 106)}`), data: `0x${packed.slice(at + 170, end)}` });
    at = end;
  }
  // Everything else that the bytes could say differently is compared here.
  return items.length > 0 && items.every((i) => !sameHex(i.to, zero)) && encodeBatch(items) === data ? items : null;
}

/**
 * The transaction that Safe's tools make of calls: one call as it is, several as
 * a batch; nothing pays for gas.
 */
export function batch(calls: readonly Item[], to: string, nonce: bigint): SafeTx {
  const [only] = calls;
  const item: Item = only && calls.length === 1 ? only : { to, value: 0n, data: encodeBatch(calls) };
  const operation = calls.length === 1 ? 0 : 1;
  const { value, data } = item;
  return { to: item.to, value, data, operation, safeTxGas: 0n, baseGas: 0n, gasPrice: 0n, gasToken: zero, refundReceiver: zero, nonce };
}

/** What is behind a hash, if it is one that Safe's tools make of these calls with one of the Safe's next nonces; null otherwise. */
export function findTx(keccak: Keccak, chain: number, safe: string, hash: string, calls: readonly Item[], batches: readonly string[], next: bigint): SafeTx | null {
  const targets = calls.length === 1 ? [''] : batches;
  for (let nonce = next; nonce <= next + maxQueue; nonce++) {
    for (const to of targets) {
      const tx = batch(calls, to, nonce);
      if (sameHex(hashOf(keccak, chain, safe, tx), hash)) return tx;
    }
  }
  return null;
}

const passed: Readonly<Record<SafeCheck, string>> = {
  safe_hash: 'The hash is that of this transaction.',
  safe_target: 'The transaction goes to the contract it must, or to Safe\'s own for batches.',
  safe_operation: 'No other code acts as the Safe.',
  safe_calls: 'It makes the calls of this payment and nothing else.',
  safe_value: 'It sends no native currency but the payment\'s own.',
  safe_refund: 'Nobody is paid for executing it.',
  safe_gas: 'Its limit for gas lets it be executed.',
  safe_nonce: 'The Safe can still execute it.',
};

/** The checks of a Safe transaction, in their order. */
export const safeChecks = Object.keys(passed) as SafeCheck[];

/**
 * Compares a Safe transaction with the calls that must be made, in their order.
 * It trusts nothing that built or passed it on. The answer always has the same
 * eight checks. next is the Safe's next nonce, null while it is not known;
 * batches are the contracts that can make plain calls and no other.
 */
export function checkTx(keccak: Keccak, p: Proposal, calls: readonly Item[], batches: readonly string[], next: bigint | null): Check[] {
  const { tx } = p;
  const wrong = new Map<SafeCheck, string>();
  const refuse = (check: SafeCheck, why: string): void => void (wrong.has(check) || wrong.set(check, why));
  const own = hashOf(keccak, p.chain, p.safe, tx);
  if (!sameHex(own, p.hash)) refuse('safe_hash', `The hash differs: expected ${own}, got ${p.hash}.`);
  if (calls.length === 0) refuse('safe_calls', 'There is nothing to pay.');
  for (const c of calls) if (sameHex(c.to, p.safe) || sameHex(c.to, zero)) refuse('safe_target', 'The Safe would be told to change itself.');

  const [first] = calls;
  if (tx.operation === 0 && first) {
    if (calls.length !== 1) refuse('safe_calls', `Expected ${calls.length} calls, got one.`);
    if (!sameHex(tx.to, first.to)) refuse('safe_target', `The target differs: expected ${first.to}, got ${tx.to}.`);
    if (tx.value !== first.value) refuse('safe_value', `The value differs: expected ${first.value}, got ${tx.value} wei.`);
    const why = differs(first, tx);
    if (why) refuse('safe_calls', why);
  } else if (first) {
    if (tx.operation !== 1) refuse('safe_operation', `Operation ${tx.operation} is none.`);
    if (!batches.some((a) => sameHex(a, tx.to))) {
      refuse('safe_target', `${tx.to} is not Safe's contract for batches of calls.`);
      refuse('safe_operation', `Code of ${tx.to} would act as the Safe.`);
    }
    if (tx.value !== 0n) refuse('safe_value', `A batch bears no value of its own: got ${tx.value} wei.`);
    const items = decodeBatch(tx.data);
    if (!items) refuse('safe_calls', 'The batch cannot be read.');
    else if (items.length !== calls.length) refuse('safe_calls', `Expected ${calls.length} calls, got ${items.length}.`);
    items?.forEach((item, i) => {
      const call = calls[i];
      const why = call && differs(call, item);
      if (why) refuse('safe_calls', `Call ${i + 1}: ${why}`);
    });
  }

  if (tx.gasPrice !== 0n) refuse('safe_refund', `The Safe would pay for gas: ${tx.gasPrice} for each unit.`);
  if (tx.baseGas !== 0n) refuse('safe_refund', `The Safe would pay for ${tx.baseGas} of gas.`);
  if (!sameHex(tx.gasToken, zero)) refuse('safe_refund', `The Safe would pay for gas in ${tx.gasToken}.`);
  if (!sameHex(tx.refundReceiver, zero)) refuse('safe_refund', `The Safe would pay ${tx.refundReceiver} for gas.`);
  if (tx.safeTxGas > maxGas) refuse('safe_gas', `It demands ${tx.safeTxGas} of gas, more than a transaction can have.`);
  if (next !== null && tx.nonce < next) refuse('safe_nonce', `The Safe is past nonce ${tx.nonce}: its next is ${next}.`);
  if (next !== null && tx.nonce > next + maxQueue) refuse('safe_nonce', `The Safe would first have to execute ${tx.nonce - next} others.`);

  return safeChecks.map((name): Check => {
    const why = wrong.get(name);
    if (why) return { name, outcome: 'failed', detail: why };
    if (name === 'safe_nonce' && next === null) return { name, outcome: 'pending', detail: 'The Safe was not read yet.' };
    return { name, outcome: 'passed', detail: passed[name] };
  });
}

/** How an item is not the call it should be, "" if it is. */
function differs(want: Item, got: Item): string {
  if (!sameHex(got.to, want.to)) return `The target differs: expected ${want.to}, got ${got.to}.`;
  if (got.value !== want.value) return `The value differs: expected ${want.value}, got ${got.value} wei.`;
  return got.data === want.data.toLowerCase() ? '' : 'The calldata differs.';
}

type Fields = Readonly<Record<string, unknown>>;

/** Decimal digits, in quotes or not, of at most 256 bits; null for anything else. */
function decimal(v: unknown): bigint | null {
  if (typeof v === 'number' ? !Number.isSafeInteger(v) || v < 0 : typeof v !== 'string' || !/^\d{1,78}$/.test(v)) return null;
  const value = BigInt(v as string | number);
  return value >> 256n ? null : value;
}

/** Null and missing are the zero address. */
const address = (v: unknown): string | null => (v === null || v === undefined ? zero : isAddress(v) ? v : null);
const calldata = (v: unknown): Hex | null => {
  if (v === null || v === undefined) return '0x';
  return typeof v === 'string' && v.length <= 600_000 && /^0x([0-9a-fA-F]{2})*$/.test(v) ? (v.toLowerCase() as Hex) : null;
};

/** Reads a transaction by its usual members; null if one of them is not what it must be. */
export function readTx(v: Fields): SafeTx | null {
  const to = isAddress(v['to']) ? v['to'] : null;
  const data = calldata(v['data']);
  const { operation } = v;
  const [value, safeTxGas, baseGas, gasPrice, nonce] = ['value', 'safeTxGas', 'baseGas', 'gasPrice', 'nonce'].map((key) => decimal(v[key]));
  const gasToken = address(v['gasToken']);
  const refundReceiver = address(v['refundReceiver']);
  if (to === null || data === null || gasToken === null || refundReceiver === null || (operation !== 0 && operation !== 1)) return null;
  if (value == null || safeTxGas == null || baseGas == null || gasPrice == null || nonce == null || nonce > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  return { to, value, data, operation, safeTxGas, baseGas, gasPrice, gasToken, refundReceiver, nonce };
}

/** The transaction as Safe's tools and the server take it. */
export const writeTx = (t: SafeTx): object => ({
  ...t, value: String(t.value), safeTxGas: String(t.safeTxGas), baseGas: String(t.baseGas), gasPrice: String(t.gasPrice), nonce: Number(t.nonce),
});
