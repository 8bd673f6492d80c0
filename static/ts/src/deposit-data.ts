// Reads what a deposit's page is given: its data block, and the status that keeps
// it up to date. Every field is checked for its shape here, and for its meaning in
// deposit-verify.ts.
import { type Chain, type Hex, type Oddity, Reader, type State, fields, isAddress, isHash, isOddity, isState, readChain, slug, symbol, webUrl } from './data.ts';
import { count, text } from './endpoint.ts';

/** A token, or a chain's own currency, where it is. */
export interface Place {
  readonly symbol: string;
  readonly decimals: number;
  /** The zero address for the chain's own currency. */
  readonly token: Hex;
  readonly native: boolean;
  /** The chain's name, short name and id. */
  readonly chain: string;
  readonly network: string;
  readonly chainId: number;
}

/** What the payment may be made in. */
export interface DepositAsset extends Place {
  readonly id: string;
  /** The token in an explorer, or "". */
  readonly assetUrl: string;
}

/** How much of an asset makes up what is missing, good for a while. */
export interface Quote extends Place {
  readonly asset: string;
  /** In whole units, exact, and the same in base units. */
  readonly amount: string;
  readonly units: bigint;
  /** Dollars for one whole unit, in hundred-millionths. */
  readonly rate: bigint;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly uri: string;
  readonly address: Hex;
  /** Its code's drawing as an SVG element; "" where the page has it already. */
  readonly qr: string;
}

export interface Transfer {
  readonly key: string;
  readonly asset: string;
  readonly symbol: string;
  readonly amount: string;
  /** What it counts as in the payment's currency, "" while it has no price. */
  readonly worth: string;
  /** It came by a bank, which tells the day. */
  readonly bank: boolean;
  readonly chain: string;
  readonly txHash: Hex | '';
  readonly explorerUrl: string;
  readonly stage: 'pending' | 'final' | 'dropped';
  readonly confirmations: number;
  readonly required: number;
  /** It came after the end and does not count. */
  readonly late: boolean;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Where a deposit's payment stands. Amounts of its currency have two decimals, their thousands apart; times are milliseconds since 1970. */
export interface DepositStatus {
  readonly state: State;
  readonly oddity: Oddity;
  readonly payable: boolean;
  readonly now: number;
  readonly expiresAt: number;
  /** 0 unless paid. */
  readonly settledAt: number;
  readonly amount: string;
  readonly received: string;
  readonly missing: string;
  readonly excess: string;
  readonly late: string;
  readonly transfers: readonly Transfer[];
  /** Of the chosen asset; null unless one is active. */
  readonly quote: Quote | null;
  /** What is chosen is paid on another page. */
  readonly split: boolean;
  /** What a bank transfer takes, as it came: link.js reads it; null where none can be made. */
  readonly bank: Readonly<Record<string, unknown>> | null;
  /** Whoever pays can call it off now. */
  readonly cancellable: boolean;
  /** Who has called it off, "" for nobody. */
  readonly canceledBy: string;
  readonly announcedTx: Hex | '';
  /** "" unless paid, or called off by who should pay. */
  readonly returnUrl: string;
}

/** The page. */
export interface DepositPage {
  /** Its own address. */
  readonly page: string;
  /** Below which its endpoints are. */
  readonly path: string;
  /** A way to pay that is chosen and is no asset, or "". */
  readonly method: string;
  readonly sandbox: boolean;
  readonly merchant: string;
  readonly currency: string;
  /** What is chosen, or "". */
  readonly asset: string;
  /** "" where the server could not prove it. */
  readonly address: Hex | '';
  readonly assets: readonly DepositAsset[];
  readonly chains: readonly Chain[];
  readonly status: DepositStatus;
}

const dollars = /^\d[\d,]{0,19}\.\d\d$/;
const decimal = /^(0|[1-9]\d{0,77})(\.\d{1,36})?$/;
const names = /^[^\p{C}\p{Zl}\p{Zp}]{0,200}$/u;
const most = 200;

const isText = (v: unknown): v is string => typeof v === 'string';
const isCount = (v: unknown): v is number => count(v) === v;
const isHashOrNone = (v: unknown): v is Hex | '' => v === '' || isHash(v);
const url = (r: Reader, key: string): string => webUrl(r.one(key, isText));

const readPlace = (r: Reader): Place => ({
  symbol: r.text('symbol', symbol),
  decimals: r.integer('decimals', 0, 36),
  token: r.one('token', isAddress),
  native: r.flag('native'),
  chain: r.text('chain', names),
  network: r.text('network', slug),
  chainId: r.integer('chainId', 1, Number.MAX_SAFE_INTEGER),
});

const readAsset = (r: Reader): DepositAsset => ({ id: r.text('id', slug), ...readPlace(r), assetUrl: url(r, 'assetUrl') });

const readQuote = (r: Reader): Quote => ({
  asset: r.text('asset', slug),
  ...readPlace(r),
  amount: r.text('amount', decimal),
  units: r.units('units'),
  rate: BigInt(r.text('rate', /^\d{1,30}\.\d{8}$/).replace('.', '')),
  expiresAt: r.instant('expiresAt'),
  uri: r.text('uri', /^ethereum:[\x21-\x7e]{1,300}$/),
  address: r.one('address', isAddress),
  qr: r.text('qr', /^[^]{0,100000}$/),
});

const stages: readonly unknown[] = ['pending', 'final', 'dropped'];

const readTransfer = (r: Reader): Transfer => ({
  key: r.text('key', /^[\x21-\x7e]{1,300}$/),
  asset: r.text('asset', slug),
  symbol: r.text('symbol', symbol),
  amount: r.text('amount', decimal),
  worth: r.text('worth', /^(\d[\d,]{0,19}\.\d\d)?$/),
  bank: r.flag('bank'),
  chain: r.text('chain', names),
  txHash: r.one('txHash', isHashOrNone),
  explorerUrl: url(r, 'explorerUrl'),
  stage: r.one('stage', (v): v is Transfer['stage'] => stages.includes(v)),
  confirmations: r.one('confirmations', isCount),
  required: Math.max(1, r.one('required', isCount)),
  late: r.flag('late'),
  at: r.instant('at'),
});

const isObject = (v: unknown): v is object | null => typeof v === 'object';
const isList = (v: unknown): v is unknown[] => Array.isArray(v);
const some = <T>(r: Reader, key: string, one: (r: Reader) => T): readonly T[] => (r.one(key, isList).length > 0 ? r.list(key, most, one) : []);

function readStanding(r: Reader): DepositStatus {
  return {
    state: r.one('state', isState),
    oddity: r.one('oddity', isOddity),
    payable: r.flag('payable'),
    now: r.instant('now'),
    expiresAt: r.instant('expiresAt'),
    settledAt: r.one('settledAt', isText) === '' ? 0 : r.instant('settledAt'),
    amount: r.text('amount', dollars),
    received: r.text('received', dollars),
    missing: r.text('missing', dollars),
    excess: r.text('excess', dollars),
    late: r.text('late', dollars),
    transfers: some(r, 'transfers', readTransfer),
    quote: r.one('quote', isObject) === null ? null : readQuote(r.inner('quote')),
    split: r.inner('methods').flag('split'),
    bank: fields(r.one('bank', isObject)),
    cancellable: r.flag('cancellable'),
    canceledBy: r.one('canceledBy', isText),
    announcedTx: r.one('announcedTx', isHashOrNone),
    returnUrl: url(r, 'returnUrl'),
  };
}

/** Reads a status; null if it is none. */
export function readDepositStatus(value: unknown): DepositStatus | null {
  const source = fields(value);
  try {
    return source && readStanding(new Reader(source));
  } catch {
    return null;
  }
}

/** Reads a page's data block. Throws DataError naming the field that is wrong. */
export function readDeposit(source: Record<string, unknown>): DepositPage {
  const r = new Reader(source);
  return {
    // Below this origin and nowhere else, with one parameter at the most: where pages are is their dialect's business.
    page: r.text('page', /^(\/[A-Za-z0-9-]{1,64}){1,3}(\?[a-zA-Z_]{1,32}=[A-Za-z0-9%=_-]{1,64})?$/),
    path: r.text('path', /^(\/[A-Za-z0-9-]{1,64}){1,3}$/),
    method: r.text('method', /^(bank)?$/),
    sandbox: r.flag('sandbox'),
    merchant: text(source['merchant']),
    currency: r.text('currency', /^[A-Z]{3}$/),
    asset: r.text('asset', /^([A-Za-z0-9][A-Za-z0-9._-]{0,79})?$/),
    address: r.one('address', (v): v is Hex | '' => v === '' || isAddress(v)),
    assets: some(r, 'assets', readAsset),
    chains: some(r, 'chains', readChain),
    status: readStanding(r.inner('status')),
  };
}
