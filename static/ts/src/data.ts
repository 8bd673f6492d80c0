// Reads the page's data block. It trusts nothing in there: every field is
// checked for its shape here, and for its meaning in verify.ts.
import { readUnits } from './units.ts';

export type Hex = `0x${string}`;

/** What the server says of where a payment stands. */
export type State = 'open' | 'seen' | 'paid' | 'expired' | 'canceled' | 'failed' | 'blocked' | 'unsafe';
export type Oddity = 'none' | 'under' | 'over' | 'late';

export interface Native {
  readonly name: string;
  readonly symbol: string;
  readonly decimals: number;
}

export interface Chain {
  readonly id: number;
  readonly network: string;
  readonly name: string;
  readonly rpcUrls: readonly string[];
  readonly explorer: string;
  readonly native: Native;
}

export interface Asset {
  readonly id: string;
  readonly symbol: string;
  readonly decimals: number;
  /** The zero address for the chain's own currency. */
  readonly address: Hex;
  readonly native: boolean;
  readonly resetAllowance: boolean;
  /** What the batch contract itself may take on top, in base units; 0 outside of batches. */
  readonly contractFee: bigint;
}

/** One amount that is to reach one payee now, in base units of its asset. */
export interface Item {
  /** Its number among all requests of the payment, from 0: paid ones are not listed here. */
  readonly index: number;
  /** Where its asset stands in the payment's assets. */
  readonly asset: number;
  /** The payee as the page displays it: whole, or shortened where the merchant wants that. */
  readonly payee: string;
  /** Names a shortened payee to whoever is told it, see verify.ts; "" where the payee is whole. */
  readonly payeeHash: string;
  readonly amount: bigint;
  readonly fee: bigint;
  readonly reference: Hex;
}

/** The payment this page displays. Amounts are base units of the asset, times are milliseconds since 1970. */
export interface Payment {
  readonly token: string;
  readonly state: State;
  readonly oddity: Oddity;
  readonly payable: boolean;
  readonly sandbox: boolean;
  readonly now: number;
  readonly expiresAt: number;
  readonly chain: Chain;
  /** In the order of their first use. */
  readonly assets: readonly [Asset, ...Asset[]];
  readonly items: readonly [Item, ...Item[]];
  /** Who gets every fee; the zero address if there is none. */
  readonly feePayee: Hex;
  /** Paid with one call of the batch contract. */
  readonly batch: boolean;
  /** Only wallets that the server lets in may pay. */
  readonly restricted: boolean;
  /** Opens the hashes of shortened payees; "" until the server has given it with the calls. */
  readonly payeeSecret: string;
  /** Which way to pay; "" on a page that cannot be paid. */
  readonly option: string;
  readonly confirmations: number;
  /** This site's scripts for other ways to pay and for their proof; "" where there are none. */
  readonly ways: string;
  readonly route: string;
  /** The same for paying from a Safe. */
  readonly safe: string;
  /** The same for paying without gas and for wallets that make several calls at once, and what that makes operations with, by the kind of account. */
  readonly gasless: string;
  readonly kits: Readonly<Record<string, unknown>>;
  /** Other sites' pages may have this one in a frame. */
  readonly framed: boolean;
}

/** A field of outside data that is not what it must be. */
export class DataError extends Error {
  constructor(readonly field: string) {
    super(`bad ${field}`);
  }
}

type Fields = Record<string, unknown>;

/** A plain object's fields, or null. */
export function fields(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

const states: readonly string[] = ['open', 'seen', 'paid', 'expired', 'canceled', 'failed', 'blocked', 'unsafe'];
const oddities: readonly string[] = ['none', 'under', 'over', 'late'];

export const isState = (v: unknown): v is State => states.includes(v as string);
export const isOddity = (v: unknown): v is Oddity => oddities.includes(v as string);
export const isAddress = (v: unknown): v is Hex => typeof v === 'string' && /^0x[0-9a-fA-F]{40}$/.test(v);
export const isHash = (v: unknown): v is Hex => typeof v === 'string' && /^0x[0-9a-fA-F]{64}$/.test(v);
export const sameHex = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** An http(s) URL as it was given, or "". Anything else must never become a link. */
export function webUrl(value: unknown): string {
  return typeof value === 'string' && value.length <= 2048 && /^https?:\/\/[^\s"<>\\]+$/.test(value) ? value : '';
}

export class Reader {
  constructor(
    private readonly source: Fields,
    private readonly path = '',
  ) {}

  private take<T>(key: string, ok: (v: unknown) => v is T): T {
    const value = Object.hasOwn(this.source, key) ? this.source[key] : undefined;
    if (!ok(value)) throw new DataError(this.path + key);
    return value;
  }

  text(key: string, pattern: RegExp): string {
    return this.take(key, (v): v is string => typeof v === 'string' && pattern.test(v));
  }
  integer(key: string, min: number, max: number): number {
    return this.take(key, (v): v is number => Number.isSafeInteger(v) && (v as number) >= min && (v as number) <= max);
  }
  flag(key: string): boolean {
    return this.take(key, (v): v is boolean => typeof v === 'boolean');
  }
  one<T>(key: string, ok: (v: unknown) => v is T): T {
    return this.take(key, ok);
  }
  units(key: string): bigint {
    const value = readUnits(this.source[key]);
    if (value === null) throw new DataError(this.path + key);
    return value;
  }
  instant(key: string): number {
    const text = this.text(key, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/);
    // Engines differ on more than three decimals of a second.
    const ms = Date.parse(text.replace(/(\.\d{3})\d+/, '$1'));
    if (Number.isNaN(ms)) throw new DataError(this.path + key);
    return ms;
  }
  urls(key: string): string[] {
    const list = this.take(key, (v): v is unknown[] => Array.isArray(v) && v.length <= 10);
    if (list.some((u) => webUrl(u) === '')) throw new DataError(this.path + key);
    return list as string[];
  }
  inner(key: string): Reader {
    const value = fields(this.source[key]);
    if (!value) throw new DataError(this.path + key);
    return new Reader(value, `${this.path}${key}.`);
  }
  /** A list of 1 to max objects, each read by one. */
  list<T>(key: string, max: number, one: (r: Reader) => T): readonly [T, ...T[]] {
    const values = this.take(key, (v): v is unknown[] => Array.isArray(v) && v.length > 0 && v.length <= max);
    return values.map((value, i) => {
      const inner = fields(value);
      if (!inner) throw new DataError(this.path + key);
      return one(new Reader(inner, `${this.path}${key}.${i}.`));
    }) as [T, ...T[]];
  }
}

// Letters, digits and what tickers and network names use; no control or bidi characters.
export const symbol = /^[\p{L}\p{N}.$₮_-]{1,20}$/u;
const words = /^[\p{L}\p{N} .,()₮$_/+-]{1,60}$/u;
/** A script of this site, by the name of its bytes; or none. */
export const module = /^(\/static\/[a-z-]+-[0-9a-f]{12}\.js)?$/;
export const slug = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,79}$/;

export const readChain = (chain: Reader): Chain => {
  const native = chain.inner('native');
  return {
    id: chain.integer('id', 1, Number.MAX_SAFE_INTEGER),
    network: chain.text('network', slug),
    name: chain.text('name', words),
    rpcUrls: chain.urls('rpcUrls'),
    explorer: webUrl(chain.one('explorer', (v): v is string => v === '' || webUrl(v) !== '')),
    native: { name: native.text('name', words), symbol: native.text('symbol', symbol), decimals: native.integer('decimals', 0, 36) },
  };
};

/** As many assets as a chain's table may have, and as many requests as a payment. */
const maxAssets = 20;
export const maxItems = 200;

const readAsset = (r: Reader): Asset => ({
  id: r.text('id', slug),
  symbol: r.text('symbol', symbol),
  decimals: r.integer('decimals', 0, 36),
  address: r.one('address', isAddress),
  native: r.flag('native'),
  resetAllowance: r.flag('resetAllowance'),
  contractFee: r.units('contractFee'),
});

function readItem(r: Reader, assets: number): Item {
  const payeeHash = r.text('payeeHash', /^(0x[0-9a-f]{64})?$/);
  return {
    index: r.integer('index', 0, maxItems - 1),
    asset: r.integer('asset', 0, assets - 1),
    payee: r.text('payee', payeeHash ? /^0x[0-9a-fA-F]{4}…[0-9a-fA-F]{4}$/ : /^0x[0-9a-fA-F]{40}$/),
    payeeHash,
    amount: r.units('amount'),
    fee: r.units('fee'),
    reference: r.text('reference', /^0x[0-9a-fA-F]{16}$/) as Hex,
  };
}

/** The data block's fields. Throws DataError. */
export function readData(json: string): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw new DataError('data');
  }
  const source = fields(parsed);
  if (!source) throw new DataError('data');
  return source;
}

/** The token and state of a page that shows nothing else yet. Throws DataError. */
export function readLocked(source: Fields): Pick<Payment, 'token' | 'state'> {
  const r = new Reader(source);
  r.one('locked', (v): v is true => v === true);
  return { token: r.text('token', slug), state: r.one('state', isState) };
}

/** Reads a payment. Throws DataError naming the field that is wrong. */
export function readPayment(source: Fields): Payment {
  const r = new Reader(source);
  const assets = r.list('assets', maxAssets, readAsset);
  const items = r.list('items', maxItems, (i) => readItem(i, assets.length));
  const batch = r.flag('batch');
  if (batch !== items.length > 1 && r.flag('payable')) throw new DataError('items');
  return {
    token: r.text('token', slug),
    state: r.one('state', isState),
    oddity: r.one('oddity', isOddity),
    payable: r.flag('payable'),
    sandbox: r.flag('sandbox'),
    now: r.instant('now'),
    expiresAt: r.instant('expiresAt'),
    chain: readChain(r.inner('chain')),
    assets,
    items,
    feePayee: r.one('feePayee', isAddress),
    batch,
    restricted: r.flag('restricted'),
    payeeSecret: '',
    option: r.text('option', /^[A-Za-z0-9:._-]{0,200}$/),
    confirmations: r.integer('confirmations', 0, 10_000),
    ways: r.text('ways', module),
    route: r.text('route', module),
    safe: r.text('safe', module),
    gasless: r.text('gasless', module),
    kits: fields(source['kits']) ?? {},
    framed: Array.isArray(source['frames']) && source['frames'].length > 0,
  };
}
