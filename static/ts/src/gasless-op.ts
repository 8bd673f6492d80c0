// User operations of EntryPoint 0.7 as this script knows them by itself: where a
// wallet's smart account is, how its calldata carries calls, and the hash that
// its owner signs. It knows no payment, network or DOM. The unit tests hold it
// against what the official packages write.
import type { keccak } from './calldata.ts';
import type { Hex } from './data.ts';
import type { KitCall, UserOp } from './kit-types.ts';
import { decodeBatch } from './safe-tx.ts';

type Keccak = typeof keccak;

/** At the same address on every chain, because the address follows from its code. */
export const entryPoint: Hex = '0x0000000071727De22E5E9d8BAf0edAc6f37da032';

const zero = '0'.repeat(64);

// Digits without 0x, in whole words.
const num = (n: bigint | number): string => n.toString(16).padStart(64, '0');
const adr = (a: string): string => a.slice(2).toLowerCase().padStart(64, '0');
/** Its length, and the bytes themselves filled up to whole words. */
const blob = (hex: string): string => {
  const digits = hex.slice(2).toLowerCase();
  return num(digits.length / 2) + digits.padEnd(Math.ceil(digits.length / 64) * 64, '0');
};

/** Arguments of which some are written behind the others: these in an array. */
function args(...values: (string | readonly [string])[]): string {
  let at = values.length * 32;
  let tail = '';
  const head = values.map((v) => {
    if (typeof v === 'string') return v;
    tail += v[0];
    const here = num(at);
    at += v[0].length / 2;
    return here;
  });
  return head.join('') + tail;
}

const listOf = (words: readonly string[]): readonly [string] => [num(words.length) + words.join('')];
const blobs = (items: readonly string[]): readonly [string] => [num(items.length) + args(...items.map((i) => [blob(i)] as const))];

/** keccak256 of bytes. */
export function hashHex(keccak: Keccak, hex: string): Hex {
  const bytes = new Uint8Array((hex.length - 2) / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.substr(2 + i * 2, 2), 16);
  return keccak(bytes);
}

const create2 = (keccak: Keccak, factory: string, salt: string, creation: string): Hex =>
  `0x${hashHex(keccak, `0xff${factory.slice(2)}${salt.slice(2)}${creation}`).slice(26)}`;

/** A wallet's account, and the call that makes it. Addresses are in lower case. */
export interface Derived {
  readonly address: Hex;
  readonly factory: Hex;
  readonly factoryData: Hex;
}

/** A kind of smart account. */
export interface Kind {
  derive(keccak: Keccak, owner: string): Derived;
  /** The calldata that makes the account do these calls, each way that its tools write it. */
  encode(calls: readonly KitCall[]): readonly Hex[];
  /** The calls in calldata; null for bytes that no tool writes. */
  decode(data: string): readonly KitCall[] | null;
}

/** What decodes must encode to the same bytes again. */
const proven = (kind: Kind, data: string, calls: readonly KitCall[] | null): readonly KitCall[] | null =>
  calls?.length && kind.encode(calls).includes(data.toLowerCase() as Hex) ? calls : null;

/** Reads words of calldata behind its selector. */
class Words {
  private readonly body: string;

  constructor(data: string) {
    this.body = data.slice(10);
  }

  digits(at: number, bytes: number): string {
    const d = this.body.slice(at * 2, (at + bytes) * 2);
    if (d.length !== bytes * 2) throw new RangeError();
    return d;
  }
  number(at: number, most: number): number {
    const n = BigInt(`0x${this.digits(at, 32)}`);
    if (n > BigInt(most)) throw new RangeError();
    return Number(n);
  }
  address(at: number): Hex {
    return `0x${this.digits(at + 12, 20)}`;
  }
  blob(at: number): Hex {
    return `0x${this.digits(at + 32, this.number(at, 100_000))}`;
  }
  list<T>(at: number, one: (at: number) => T): T[] {
    return Array.from({ length: this.number(at, 50) }, (_, i) => one(at + 32 + i * 32));
  }
  /** Where what is written behind begins. */
  behind(at: number, base = 0): number {
    return base + this.number(at, 200_000);
  }
}

/** What `read` makes of it, null if that runs out of bytes. */
function reading<T>(read: () => T): T | null {
  try {
    return read();
  } catch (err) {
    if (err instanceof RangeError) return null;
    throw err;
  }
}

const execute = '0xb61d27f6'; // execute(address,uint256,bytes)
const executeBatch = '0x18dfb3c7'; // executeBatch(address[],bytes[])
const executeBatchValues = '0x47e1da2a'; // executeBatch(address[],uint256[],bytes[])

/**
 * Alchemy's LightAccount 2.0.0, for the salt 0. Sources: @account-kit/smart-contracts
 * 4.88.5, AccountVersionRegistry and predictLightAccountAddress; the hash is that of
 * the minimal ERC-1967 proxy of its implementation 0x8E8e658E….
 */
const light: Kind = {
  derive(keccak, owner) {
    const factory: Hex = '0x0000000000400cdfef5e2714e63d8040b700bc24';
    const creation = hashHex(
      keccak,
      '0x603d3d8160223d39738e8e658e22b12ada97b402ff0b044d6a325013c760095155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3',
    ).slice(2);
    const input = adr(owner) + zero;
    return { address: create2(keccak, factory, hashHex(keccak, `0x${input}`), creation), factory, factoryData: `0x5fbfb9cf${input}` };
  },
  encode(calls) {
    const to = listOf(calls.map((c) => adr(c.to)));
    const data = blobs(calls.map((c) => c.data));
    const all: Hex[] = [`${executeBatchValues}${args(to, listOf(calls.map((c) => num(c.value))), data)}` as Hex];
    const [first] = calls;
    if (first && calls.length === 1) all.unshift(`${execute}${args(adr(first.to), num(first.value), [blob(first.data)])}` as Hex);
    if (calls.every((c) => c.value === 0n)) all.push(`${executeBatch}${args(to, data)}` as Hex);
    return all;
  },
  decode(data) {
    const w = new Words(data);
    const values = data.startsWith(executeBatchValues);
    const calls = reading((): KitCall[] => {
      if (data.startsWith(execute)) return [{ to: w.address(0), value: BigInt(`0x${w.digits(32, 32)}`), data: w.blob(w.behind(64)) }];
      if (!values && !data.startsWith(executeBatch)) return [];
      const to = w.list(w.behind(0), (at) => w.address(at));
      const sums = values ? w.list(w.behind(32), (at) => BigInt(`0x${w.digits(at, 32)}`)) : to.map(() => 0n);
      const list = w.behind(values ? 64 : 32);
      const inner = w.list(list, (at) => w.blob(w.behind(at, list + 32)));
      if (sums.length !== to.length || inner.length !== to.length) return [];
      return to.map((a, i) => ({ to: a, value: sums[i] ?? 0n, data: inner[i] ?? '0x' }));
    });
    return proven(this, data, calls);
  },
};

/** Safe's contract that makes plain calls and no other, 1.4.1. */
const multiSend = '0x9641d764fc13c8b624c04430c7356c1c7c8102e2';
/** Safe4337Module 0.3.0. */
export const safeModule: Hex = '0x75cf11467937ce3f2f357ce24ffc3dbf8fd5c226';
const executeOp = '0x7bb37428'; // executeUserOp(address,uint256,bytes,uint8)
const executeOpError = '0x541d63c8'; // executeUserOpWithErrorString(address,uint256,bytes,uint8)

/** multiSend(bytes) of items, each with its operation. */
const batchOf = (operation: '00' | '01', calls: readonly KitCall[]): Hex =>
  `0x8d80ff0a${args([blob(`0x${calls.map((c) => `${operation}${c.to.slice(2)}${num(c.value)}${num(c.data.length / 2 - 1)}${c.data.slice(2)}`).join('')}`)])}` as Hex;

/**
 * A Safe 1.4.1 of one owner with Safe4337Module 0.3.0, for the nonce 0, as
 * permissionless 0.4.1 makes it: the set-up enables the module by MultiSend. The hash
 * is that of the proxy of Safe 1.4.1.
 */
const safe: Kind = {
  derive(keccak, owner) {
    const factory: Hex = '0x4e1dcf7ad4e460cfd30791ccc4f9c8a4f820ec67';
    const singleton = '0x41675c099f32341bf84bfc5382af534df5c7461a';
    const enable: Hex = `0x8d0dc49f${args(listOf([adr(safeModule)]))}`;
    const setup = `0xb63e800d${args(
      listOf([adr(owner)]), num(1), adr('0x38869bf66a61cf6bdb996a6ae40d5853fd43b526'),
      [blob(batchOf('01', [{ to: '0x2dd68b007b46fbe91b9a7c3eda5a7a1063cb5b47', value: 0n, data: enable }]))],
      adr(safeModule), zero, zero, zero,
    )}`;
    const salt = hashHex(keccak, `${hashHex(keccak, setup)}${zero}`);
    return {
      address: create2(keccak, factory, salt, '76733d705f71b79841c0ee960a0ca880f779cde7ef446c989e6d23efc0a4adfb'), factory,
      factoryData: `0x1688f0b9${args(adr(singleton), [blob(setup)], zero)}`,
    };
  },
  encode(calls) {
    const [first] = calls;
    const single = calls.length === 1 && first;
    const body = single
      ? args(adr(first.to), num(first.value), [blob(first.data)], zero)
      : args(adr(multiSend), zero, [blob(batchOf('00', calls.map((c) => ({ ...c, to: c.to.toLowerCase() as Hex, data: c.data.toLowerCase() as Hex }))))], num(1));
    return [`${executeOpError}${body}`, `${executeOp}${body}`];
  },
  decode(data) {
    if (!data.startsWith(executeOpError) && !data.startsWith(executeOp)) return null;
    const w = new Words(data);
    const calls = reading((): readonly KitCall[] => {
      const inner = w.blob(w.behind(64));
      if (w.number(96, 1) === 0) return [{ to: w.address(0), value: BigInt(`0x${w.digits(32, 32)}`), data: inner }];
      if (w.address(0) !== multiSend) return [];
      return (decodeBatch(inner) ?? []).map((i) => ({ to: i.to as Hex, value: i.value, data: i.data }));
    });
    return proven(this, data, calls);
  },
};

const kinds: Readonly<Record<string, Kind>> = { 'light-account-2.0.0': light, 'safe-4337-0.3.0': safe };

/** A kind by its name; null for one that this script does not know. */
export const kindOf = (name: string): Kind | null => (Object.hasOwn(kinds, name) ? (kinds[name] ?? null) : null);

const half = (v: string | undefined): string => {
  const digits = BigInt(v ?? 0).toString(16);
  if (digits.length > 32) throw new RangeError();
  return digits.padStart(32, '0');
};

export const initCode = (o: UserOp): Hex => (o.factory ? (`${o.factory}${(o.factoryData ?? '0x').slice(2)}`.toLowerCase() as Hex) : '0x');
export const paymasterAndData = (o: UserOp): Hex =>
  o.paymaster ? (`${o.paymaster}${half(o.paymasterVerificationGasLimit)}${half(o.paymasterPostOpGasLimit)}${(o.paymasterData ?? '0x').slice(2)}`.toLowerCase() as Hex) : '0x';

/** The userOpHash: of everything but the signature, on one chain and for the EntryPoint. Throws RangeError for amounts that do not fit. */
export function hashOp(keccak: Keccak, chain: number, o: UserOp): Hex {
  const of = (hex: string): string => hashHex(keccak, hex).slice(2);
  const packed = [
    adr(o.sender), num(BigInt(o.nonce)), of(initCode(o)), of(o.callData), half(o.verificationGasLimit) + half(o.callGasLimit), num(BigInt(o.preVerificationGas)),
    half(o.maxPriorityFeePerGas) + half(o.maxFeePerGas), of(paymasterAndData(o)),
  ];
  return hashHex(keccak, `0x${of(`0x${packed.join('')}`)}${adr(entryPoint)}${num(chain)}`);
}

/** A wallet's allowance by signature (EIP-2612), before it is signed. */
export interface Permit {
  readonly owner: Hex;
  readonly spender: Hex;
  /** Base units. */
  readonly value: bigint;
  readonly nonce: bigint;
  /** Seconds since 1970. */
  readonly deadline: bigint;
}

/** What a token's permits are signed under. */
export interface Domain {
  readonly name: string;
  readonly version: string;
  readonly chainId: number;
  readonly verifyingContract: Hex;
  /** "" if it has none. */
  readonly salt: Hex | '';
}

const typed = (list: string): { name: string; type: string }[] => list.split(',').map((part) => ({ type: part.split(' ')[0] ?? '', name: part.split(' ')[1] ?? '' }));

/** What goes to a wallet's eth_signTypedData_v4. */
export function permitData(d: Domain, p: Permit): string {
  const { salt, ...domain } = d;
  return JSON.stringify({
    types: {
      EIP712Domain: typed(`string name,string version,uint256 chainId,address verifyingContract${salt ? ',bytes32 salt' : ''}`),
      Permit: typed('address owner,address spender,uint256 value,uint256 nonce,uint256 deadline'),
    },
    primaryType: 'Permit',
    domain: salt ? d : domain,
    message: { owner: p.owner, spender: p.spender, value: String(p.value), nonce: String(p.nonce), deadline: String(p.deadline) },
  });
}

const permitSelector = '0xd505accf'; // permit(address,address,uint256,uint256,uint8,bytes32,bytes32)

/** The call that hands a signed permit to its token; null if the signature is none that a token can check. */
export function permitCall(p: Permit, signature: unknown): Hex | null {
  const parts = /^0x([0-9a-f]{64})([0-9a-f]{64})(00|01|1b|1c)$/i.exec(typeof signature === 'string' ? signature : '');
  if (!parts) return null;
  const [, r = '', s = '', end = ''] = parts;
  const v = parseInt(end, 16);
  return `${permitSelector}${adr(p.owner)}${adr(p.spender)}${num(p.value)}${num(p.deadline)}${num(v < 27 ? v + 27 : v)}${r}${s}`.toLowerCase() as Hex;
}

/** What a call is a permit for, null if it is none. */
export function readPermit(data: string): Omit<Permit, 'nonce'> | null {
  if (!/^0xd505accf[0-9a-f]{448}$/.test(data)) return null;
  const at = (i: number): string => data.slice(10 + i * 64, 74 + i * 64);
  return { owner: `0x${at(0).slice(24)}`, spender: `0x${at(1).slice(24)}`, value: BigInt(`0x${at(2)}`), deadline: BigInt(`0x${at(3)}`) };
}

/** transferFrom(address,address,uint256) of ERC-20. */
export const pullData = (from: string, to: string, amount: bigint): Hex => `0x23b872dd${adr(from)}${adr(to)}${num(amount)}`;
/** approve(address,uint256) of ERC-20. */
export const approveData = (spender: string, amount: bigint): Hex => `0x095ea7b3${adr(spender)}${num(amount)}`;
/** allowance(address,address) of ERC-20. */
export const allowanceData = (owner: string, spender: string): Hex => `0xdd62ed3e${adr(owner)}${adr(spender)}`;

/** Who an approval is for, and of how much; null for other calls. */
export function readApproval(data: unknown): { readonly spender: Hex; readonly amount: bigint } | null {
  const parts = /^0x095ea7b30{24}([0-9a-f]{40})([0-9a-f]{64})$/i.exec(typeof data === 'string' ? data : '');
  return parts && { spender: `0x${parts[1]}`, amount: BigInt(`0x${parts[2]}`) };
}
