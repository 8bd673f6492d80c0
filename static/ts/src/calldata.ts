// The calls a payment is made of, in the one encoding that is accepted: the
// ABI's own, word by word. Knows no payment and no registry. The unit tests
// hold it against viem, which is ten times its size.
import { keccakP } from '@noble/hashes/sha3';
import type { Hex } from './data.ts';

type Type = 'address' | 'uint256' | 'bytes';

export interface Method {
  readonly name: string;
  readonly selector: Hex;
  /** Name and type of each argument; at most one is bytes, and these are always eight: a payment reference. */
  readonly inputs: readonly (readonly [name: string, type: Type])[];
}

/** An address with its checksum, an amount, or a reference in lower case, by the argument's name. */
export type Values = Readonly<Record<string, string | bigint>>;

/** The Request Network's ERC20FeeProxy. */
export const erc20Pay: Method = {
  name: 'transferFromWithReferenceAndFee',
  selector: '0xc219a14d',
  inputs: [
    ['token', 'address'],
    ['payee', 'address'],
    ['amount', 'uint256'],
    ['reference', 'bytes'],
    ['fee', 'uint256'],
    ['fee payee', 'address'],
  ],
};

/** The Request Network's EthereumFeeProxy. */
export const ethPay: Method = {
  name: 'transferWithReferenceAndFee',
  selector: '0xb868980b',
  inputs: [
    ['payee', 'address'],
    ['reference', 'bytes'],
    ['fee', 'uint256'],
    ['fee payee', 'address'],
  ],
};

/** ERC-20. */
export const approve: Method = {
  name: 'approve',
  selector: '0x095ea7b3',
  inputs: [
    ['spender', 'address'],
    ['approved amount', 'uint256'],
  ],
};

/** ERC-20. */
export const transfer: Method = {
  name: 'transfer',
  selector: '0xa9059cbb',
  inputs: [
    ['payee', 'address'],
    ['amount', 'uint256'],
  ],
};

export const signature = (m: Method): string => `${m.name}(${m.inputs.map(([, type]) => type).join(',')})`;

/** Bytes that keccak256 takes at a time. */
const rate = 136;

/** keccak256. The permutation is the library's; its sponge for every hash there is would be twice the size. */
export function keccak(bytes: Iterable<number>): Hex {
  const state = new Uint32Array(50);
  let at = 0;
  const mix = (byte: number): void => void (state[at >> 2] = (state[at >> 2] ?? 0) ^ (byte << (8 * (at & 3))));
  for (const byte of bytes) {
    mix(byte);
    if (++at < rate) continue;
    keccakP(state);
    at = 0;
  }
  mix(1);
  at = rate - 1;
  mix(128);
  keccakP(state);
  const hash = Array.from({ length: 32 }, (_, i) => (((state[i >> 2] ?? 0) >>> (8 * (i & 3))) & 255).toString(16).padStart(2, '0'));
  return `0x${hash.join('')}`;
}

/** keccak256 of a text's UTF-8. */
export const hashText = (text: string): Hex => keccak(new TextEncoder().encode(text));

/** The address in EIP-55 form. */
export function checksum(address: string): Hex {
  const digits = address.slice(2).toLowerCase();
  const hash = hashText(digits);
  const cased = [...digits].map((c, i) => (Number(`0x${hash[i + 2]}`) & 8 ? c.toUpperCase() : c));
  return `0x${cased.join('')}`;
}

const digits = 64; // of a 32-byte word

/** The calldata of a call with these values. */
export function encode(m: Method, values: Values): Hex {
  let head = '';
  let tail = '';
  for (const [name, type] of m.inputs) {
    const value = values[name] ?? '';
    if (type === 'bytes') {
      const bytes = String(value).slice(2);
      head += (m.inputs.length * 32).toString(16).padStart(digits, '0');
      tail = (bytes.length / 2).toString(16).padStart(digits, '0') + bytes.padEnd(digits, '0');
    } else {
      head += (type === 'address' ? String(value).slice(2) : BigInt(value).toString(16)).padStart(digits, '0');
    }
  }
  return `${m.selector}${head}${tail}`.toLowerCase() as Hex;
}

/**
 * Reads the values of a call, or null if the calldata (lower-case hexadecimal)
 * is not byte for byte what encode makes of them: trailing bytes, bits beside an
 * address, another offset, length or padding are all refused.
 */
export function decode(m: Method, data: string): Values | null {
  const at = (word: number, from: number, to: number): string => data.slice(10 + word * digits + from, 10 + word * digits + to);
  const values: Record<string, string | bigint> = {};
  m.inputs.forEach(([name, type], i) => {
    if (type === 'address') values[name] = checksum(`0x${at(i, 24, 64)}`);
    else if (type === 'bytes') values[name] = `0x${at(m.inputs.length + 1, 0, 16)}`;
    else values[name] = BigInt(`0x${at(i, 0, 64) || '0'}`);
  });
  return encode(m, values) === data ? values : null;
}

/** batchPayments of the Request Network's BatchConversionPayments. */
export const batchSignature = 'batchPayments((uint256,(address,uint256,address[],bytes,uint256,uint256,uint256)[])[],address[][],address)';
export const batchSelector: Hex = '0x92cddb91';

/** One payment of a batch, with its number for people. */
export interface BatchItem {
  readonly number: number;
  readonly native: boolean;
  /** The token's contract, or what the batch contract takes for the native currency. */
  readonly path: string;
  readonly payee: string;
  readonly amount: bigint;
  readonly fee: bigint;
  readonly reference: string;
}

/** A word of calldata, 64 digits, and what it says. */
export type Word = readonly [field: string, digits: string];

const word = (value: string | bigint | number): string =>
  (typeof value === 'string' ? value.slice(2).toLowerCase() : value.toString(16)).padStart(digits, '0');
const layout = (...values: number[]): Word[] => values.map((v) => ['encoding', word(v)]);

/** A list whose parts differ in length: how many, where each begins, and the parts. */
function list(name: string, parts: readonly (readonly Word[])[]): Word[] {
  let at = parts.length * 32;
  const begins = parts.map((p) => {
    at += p.length * 32;
    return at - p.length * 32;
  });
  return [[name, word(parts.length)], ...layout(...begins), ...parts.flat()];
}

function detail(i: BatchItem): Word[] {
  const of = (field: string, value: string | bigint): Word => [`payment ${i.number}: ${field}`, word(value)];
  return [
    of('payee', i.payee),
    of('amount', i.amount),
    ...layout(0xe0, 0x120),
    of('fee', i.fee),
    // No conversion, so neither a most to spend nor an age of rates.
    ...layout(0, 0, 1),
    of('token', i.path),
    ...layout(8),
    [`payment ${i.number}: reference`, i.reference.slice(2).toLowerCase().padEnd(digits, '0')],
  ];
}

/** The batch contract's numbers for payment by ERC-20 fee proxy and by Ethereum fee proxy. */
const groups = [
  [2, false],
  [3, true],
] as const;

/** What a batch call says after its selector: tokens first, then native currency, each in the payment's order. */
export function batchWords(items: readonly BatchItem[], feePayee: string): Word[] {
  const metas = groups.flatMap(([network, native]) => {
    const own = items.filter((i) => i.native === native);
    return own.length ? [[...layout(network, 0x40), ...list('number of payments', own.map(detail))]] : [];
  });
  const body = list('kinds of payment', metas);
  // Where the call ends depends on nothing but how many payments there are.
  return [...layout(0x60), ['number of payments', word(0x60 + body.length * 32)], ['fee payee', word(feePayee)], ...body, ...layout(0)];
}

/** The payees in calldata of this layout, by the numbers of their payments; whatever stands there if it is of another. */
export function batchPayees(words: readonly Word[], data: string): Map<number, string> {
  const found = new Map<number, string>();
  words.forEach(([field], i) => {
    const number = /^payment (\d+): payee$/.exec(field)?.[1];
    if (number) found.set(Number(number), `0x${data.slice(10 + i * digits + 24, 10 + (i + 1) * digits)}`);
  });
  return found;
}

/** Stands where an item's token would, for native currency of whatever chain: how the official packages name ether. */
export const nativePath: Hex = '0xf5af88e117747e87fc5929f2ff87221b1447652e';

/** Who gets the fees of a batch that has none: tokens refuse transfers to the zero address, even of nothing. */
export const noFeePayee: Hex = '0x000000000000000000000000000000000000dEaD';
