// The ABI by schema, in the one encoding in which every dynamic part follows
// the one before it. The ABI leaves freedom that a verifier must not: offsets may
// point anywhere, two values may share bytes, and bytes may follow that nothing
// reads. Knows no contract and no page.
import type { Hex } from './data.ts';

type Static = 'address' | 'bytes32' | 'bool' | 'uint16' | 'uint32' | 'uint128' | 'uint256';
export type Type = Static | 'bytes' | 'string' | Fields | List;

/** A tuple: its members in their order. No member may have a number for a name. */
export interface Fields {
  readonly [name: string]: Type;
}

/** An array of at most so many tuples. */
export class List<F extends Fields = Fields> {
  constructor(
    readonly of: F,
    readonly max: number,
  ) {}
}

/** What a type's values are: hexadecimal is in lower case, and a string's text is given as its bytes. */
export type Value<T> = T extends 'address' | 'bytes32' | 'bytes' | 'string'
  ? Hex
  : T extends 'bool'
    ? boolean
    : T extends `uint${number}`
      ? bigint
      : T extends List<infer F>
        ? readonly Value<F>[]
        : T extends Fields
          ? { readonly [K in keyof T]: Value<T[K]> }
          : never;

/** Data that is not the one encoding of anything: where, and what is wrong there. */
export class Malformed extends Error {
  constructor(
    readonly field: string,
    readonly why: string,
  ) {
    super(`${field}: ${why}`);
  }
}

/** Digits of a word. */
const word = 64;
const pad = (value: bigint | number): string => value.toString(16).padStart(word, '0');

const dynamic = (t: Type): boolean =>
  typeof t === 'string' ? t === 'bytes' || t === 'string' : t instanceof List || Object.values(t).some(dynamic);
/** Digits that a type takes of the head of the tuple it is in. */
const size = (t: Type): number => (typeof t === 'string' || t instanceof List || dynamic(t) ? word : head(t));
const head = (f: Fields): number => Object.values(f).reduce((sum, t) => sum + size(t), 0);

/** A tuple's type in the ABI's words, without the brackets around it. */
export const typeName = (f: Fields): string =>
  Object.values(f)
    .map((t) => (typeof t === 'string' ? t : t instanceof List ? `(${typeName(t.of)})[]` : `(${typeName(t)})`))
    .join(',');

/**
 * Reads a tuple that is all of the data, digits without 0x in lower case. Throws
 * Malformed for whatever write does not make of the result.
 */
export function read<F extends Fields>(f: F, data: string): Value<F> {
  const [value, end] = new Reader(data).tuple(f, 0, '');
  if (end !== data.length) throw new Malformed('end', `${(data.length - end) / 2} bytes that belong to nothing`);
  // The reader is strict; that nothing but these bytes says this is proven by writing it.
  if (write(f, value as Value<F>) !== data) throw new Malformed('encoding', 'not the one encoding of what it says');
  return value as Value<F>;
}

/** Places in the data are counted in digits. */
class Reader {
  constructor(private readonly data: string) {}

  private word(at: number, name: string): string {
    const digits = this.data.slice(at, at + word);
    if (digits.length < word) throw new Malformed(name, 'the data ends early');
    return digits;
  }

  /** A tuple that begins at a place, and where it ends. */
  tuple(f: Fields, begin: number, path: string): [value: unknown, end: number] {
    const value: Record<string, unknown> = {};
    let at = begin;
    let end = begin + head(f);
    for (const [key, type] of Object.entries(f)) {
      const name = path ? `${path}.${key}` : key;
      if (dynamic(type)) {
        if (this.word(at, name) !== pad((end - begin) / 2)) throw new Malformed(name, `its offset is not ${(end - begin) / 2}`);
        [value[key], end] = this.part(type, end, name);
      } else {
        value[key] = this.inline(type, at, name);
      }
      at += size(type);
    }
    return [value, end];
  }

  /** A dynamic part. */
  private part(type: Type, at: number, name: string): [value: unknown, end: number] {
    if (type instanceof List) return this.list(type, at, name);
    if (typeof type !== 'string') return this.tuple(type, at, name);
    const begin = at + word;
    const digits = 2 * this.length(at, this.data.length / 2, name);
    const end = begin + Math.ceil(digits / word) * word;
    if (end > this.data.length) throw new Malformed(name, 'the data ends early');
    if (/[^0]/.test(this.data.slice(begin + digits, end))) throw new Malformed(name, 'its padding is not zero');
    return [`0x${this.data.slice(begin, begin + digits)}`, end];
  }

  private list(type: List, at: number, name: string): [value: unknown, end: number] {
    const count = this.length(at, type.max, name);
    // The items are a tuple of their own, which begins behind their number.
    const items: Record<string, Type> = {};
    for (let i = 0; i < count; i++) items[`[${i}]`] = type.of;
    const [value, end] = this.tuple(items, at + word, name);
    return [Object.values(value as Record<string, unknown>), end];
  }

  private length(at: number, limit: number, name: string): number {
    const digits = this.word(at, name);
    const n = digits.startsWith('0'.repeat(word - 8)) ? parseInt(digits.slice(-8), 16) : limit + 1;
    if (n > limit) throw new Malformed(name, `its length is more than ${limit}`);
    return n;
  }

  private inline(type: Type, at: number, name: string): unknown {
    if (typeof type !== 'string') return this.tuple(type as Fields, at, name)[0];
    const digits = this.word(at, name);
    if (type === 'bytes32') return `0x${digits}`;
    const bits = type === 'address' ? 160 : type === 'bool' ? 1 : Number(type.slice(4));
    const value = BigInt(`0x${digits}`);
    if (value >> BigInt(bits)) throw new Malformed(name, `more than ${bits} bits`);
    if (type === 'address') return `0x${digits.slice(24)}`;
    return type === 'bool' ? value === 1n : value;
  }
}

/** The encoding of a tuple, digits without 0x. Throws RangeError for a value that its type does not hold. */
export function write<F extends Fields>(f: F, value: Value<F>): string {
  let front = '';
  let tail = '';
  for (const [key, type] of Object.entries(f)) {
    const v = (value as Record<string, unknown>)[key];
    if (dynamic(type)) {
      front += pad((head(f) + tail.length) / 2);
      tail += writePart(type, v);
    } else {
      front += typeof type === 'string' ? writeWord(type as Static, v) : write(type as Fields, v as never);
    }
  }
  return front + tail;
}

function writePart(type: Type, value: unknown): string {
  if (type instanceof List) {
    const items = Object.fromEntries((value as unknown[]).map((v, i) => [`[${i}]`, v]));
    const types = Object.fromEntries(Object.keys(items).map((k) => [k, type.of]));
    return pad(Object.keys(items).length) + write(types, items as never);
  }
  if (typeof type !== 'string') return write(type, value as never);
  const digits = String(value).slice(2);
  return pad(digits.length / 2) + digits.padEnd(Math.ceil(digits.length / word) * word, '0');
}

function writeWord(type: Static, value: unknown): string {
  if (type === 'bool') return pad(value ? 1 : 0);
  const digits = type.startsWith('uint') ? BigInt(value as bigint).toString(16) : String(value).slice(2);
  const bits = type === 'address' ? 160 : type === 'bytes32' ? 256 : Number(type.slice(4));
  if (digits.length * 4 > Math.ceil(bits / 4) * 4 || digits.startsWith('-')) throw new RangeError(`${type}: ${String(value)}`);
  return digits.padStart(word, '0');
}
