// The three calls a payment is made of, in the one encoding that is accepted:
// the ABI's own, word by word. Knows no payment and no registry. The unit tests
// hold it against viem, which is ten times its size.
import { keccak_256 } from '@noble/hashes/sha3';
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

export const signature = (m: Method): string => `${m.name}(${m.inputs.map(([, type]) => type).join(',')})`;

/** The address in EIP-55 form. */
export function checksum(address: string): Hex {
  const digits = address.slice(2).toLowerCase();
  const hash = keccak_256(digits);
  const cased = [...digits].map((c, i) => (((hash[i >> 1] ?? 0) >> (i % 2 ? 0 : 4)) & 8 ? c.toUpperCase() : c));
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
