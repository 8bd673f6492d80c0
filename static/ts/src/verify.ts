// The page's own layer of the contract safety check. It compares the calldata
// that the server hands out with the payment this page displays and with the
// registry built into this script, and refuses every difference. It trusts
// neither the calldata endpoint nor what that says about its own answer, and
// knows no DOM, wallet or network.
import {
  type Method, type Values, approve, batchPayees, batchSelector, batchSignature, batchWords, checksum, decode, erc20Pay, ethPay, hashText, nativePath, noFeePayee, signature,
} from './calldata.ts';
import { type Asset, type Hex, type Item, type Payment, fields, isAddress, sameHex } from './data.ts';
import { BATCH_VERSION, FEE_PROXY_VERSION } from './registry.gen.ts';
import type { OpCheck } from './gasless-types.ts';
import type { RouteCheck } from './route-types.ts';
import type { SafeCheck } from './safe-types.ts';
import { display, maxUint256 } from './units.ts';

export interface RegistryToken {
  readonly id: string;
  readonly symbol: string;
  readonly decimals: number;
  readonly address: string;
  readonly native: boolean;
  readonly resetAllowance: boolean;
}

/** What this script knows of a chain by itself. */
export interface RegistryChain {
  readonly network: string;
  readonly name: string;
  readonly sandbox: boolean;
  readonly erc20FeeProxy: string;
  readonly ethFeeProxy: string;
  readonly batchPayments: string;
  readonly tokens: readonly RegistryToken[];
}

export type Registry = Readonly<Record<string, RegistryChain>>;

/** page_registry: chain, asset and contract are ones this script knows. page_calldata: everything inside the call. page_address: what a deposit's page tells people and phones. page_bank: the same of a bank transfer. The others are route.js's, safe.js's and gasless.js's. */
export type PageCheck = 'page_registry' | 'page_calldata' | 'page_address' | 'page_bank' | RouteCheck | SafeCheck | OpCheck;

/** Why something is refused: which check, which field, and what differs. */
export class Refusal extends Error {
  constructor(
    readonly check: PageCheck,
    readonly field: string,
    readonly expected: string,
    readonly found: string,
  ) {
    super(`${check}: ${field}`);
  }
}

/** What the page shows to the payer, read back from the page itself: null where it has no such place. */
export interface Shown {
  /** In the order of the payment's items. */
  readonly items: readonly {
    readonly payee: string;
    readonly amount: string;
    readonly fee: string | null;
    readonly reference: string | null;
  }[];
  /** In the order of the payment's assets. */
  readonly totals: readonly {
    /** What the payees get of it. */
    readonly amount: string | null;
    readonly contractFee: string | null;
    /** What leaves the wallet, network fee aside. */
    readonly total: string | null;
  }[];
}

/** The last four are gasless.js's: what a smart account may take, that it takes it, and that it may no more. */
export type StepKind = 'reset' | 'approve' | 'swap' | 'pay' | 'permit' | 'allow' | 'pull' | 'revoke';

/** One verified call. `to` and `data` are made here, from the registry and by re-encoding; nothing of the server's text is passed on. */
export interface Call {
  readonly kind: StepKind;
  /** Whose allowance is set: its place in the payment's assets; 0 for a payment. */
  readonly asset: number;
  readonly to: Hex;
  readonly data: Hex;
  readonly value: bigint;
  readonly targetName: string;
  readonly signature: string;
  readonly args: readonly (readonly [label: string, value: string])[];
}

const zero = '0x0000000000000000000000000000000000000000';

export function same(check: PageCheck, field: string, expected: string | bigint | number | boolean, found: unknown): void {
  if (expected !== found) throw new Refusal(check, field, String(expected), clip(found));
}

export const clip = (v: unknown): string => {
  const text = typeof v === 'string' || typeof v === 'bigint' || typeof v === 'number' || typeof v === 'boolean' ? String(v) : typeof v;
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
};

export const squeeze = (text: string): string => text.replace(/\s+/g, '');

const sum = (values: readonly bigint[]): bigint => values.reduce((a, b) => a + b, 0n);
/** What is to leave a wallet. */
export interface Leaving {
  readonly assets: Payment['assets'];
  readonly items: readonly Pick<Item, 'asset' | 'amount' | 'fee'>[];
}
const of = (p: Leaving, asset: number): Leaving['items'] => p.items.filter((i) => i.asset === asset);
const assetOf = (p: Leaving, asset: number): Asset => p.assets[asset] ?? p.assets[0];

/** What the payees get of an asset. */
export const amountOf = (p: Leaving, asset: number): bigint => sum(of(p, asset).map((i) => i.amount));
/** What leaves the wallet of an asset: amounts, fees and what the batch contract may take. */
export const total = (p: Leaving, asset: number): bigint => sum(of(p, asset).map((i) => i.amount + i.fee)) + assetOf(p, asset).contractFee;
/** An amount of an asset for people. */
export const money = (p: Leaving, units: bigint, asset: number): string => `${display(units, assetOf(p, asset).decimals)} ${assetOf(p, asset).symbol}`;

/** An account as pages shorten it. */
export const shorten = (address: string): string => `${address.slice(0, 6)}…${address.slice(-4)}`;

/** Holds the server to an account without telling it: what a page with a shortened payee carries. The secret comes with the calls. */
export const payeeHash = (secret: string, payee: string): Hex => hashText(`${secret}:${payee.toLowerCase()}`);

/**
 * Checks the payment itself: its chain and assets are in the registry with
 * exactly these facts, its amounts make sense, and the page shows what the data
 * says. Returns the registry's chain. Throws Refusal.
 */
export function verifyPage(registry: Registry, p: Payment, shown: Shown): RegistryChain {
  const known = Object.hasOwn(registry, p.chain.id) ? registry[p.chain.id] : undefined;
  if (!known) throw new Refusal('page_registry', 'chain', 'a known chain', String(p.chain.id));
  same('page_registry', 'network', known.network, p.chain.network);
  same('page_registry', 'network name', known.name, p.chain.name);
  same('page_registry', 'sandbox', known.sandbox, p.sandbox);
  for (const asset of p.assets) verifyAsset(known, asset);
  same('page_registry', 'number of assets', new Set(p.assets.map((a) => a.address.toLowerCase())).size, p.assets.length);

  p.items.forEach((item, i) => {
    const last = p.items[i - 1]?.index ?? -1;
    if (item.index <= last) throw new Refusal('page_calldata', 'order of payments', `more than ${last}`, String(item.index));
    if (item.amount < 1n) throw new Refusal('page_calldata', 'amount', 'a possible amount', String(item.amount));
    if (item.fee > 0n && sameHex(p.feePayee, zero)) throw new Refusal('page_calldata', 'fee payee', 'an account', p.feePayee);
    if (sameHex(item.payee, zero)) throw new Refusal('page_calldata', 'payee', 'an account', item.payee);
    verifyShown(p, item, shown.items[i]);
  });
  p.assets.forEach((asset, i) => {
    const amount = amountOf(p, i);
    const all = total(p, i);
    if (amount < 1n || all > maxUint256) throw new Refusal('page_calldata', 'amount', 'a possible amount', String(all));
    // The batch contract's own limit is two percent, and nothing else may ask for such a fee.
    if (asset.contractFee * 50n > (p.batch ? amount : 0n)) throw new Refusal('page_calldata', 'batch contract\'s fee', '2 % at most', String(asset.contractFee));
    const place = shown.totals[i];
    displayed('amount', money(p, amount, i), place?.amount);
    displayed('batch contract\'s fee', asset.contractFee > 0n ? money(p, asset.contractFee, i) : '', place?.contractFee);
    displayed('total', money(p, all, i), place?.total);
  });
  return known;
}

function verifyAsset(known: RegistryChain, asset: Asset): void {
  const token = known.tokens.find((t) => sameHex(t.address, asset.address));
  if (!token) throw new Refusal('page_registry', 'token', 'a known token', asset.address);
  same('page_registry', 'token', token.id, asset.id);
  same('page_registry', 'token symbol', token.symbol, asset.symbol);
  same('page_registry', 'token decimals', token.decimals, asset.decimals);
  same('page_registry', 'token', token.native, asset.native);
  same('page_registry', 'token', token.native, sameHex(asset.address, zero));
  same('page_registry', 'token', token.resetAllowance, asset.resetAllowance);
}

function verifyShown(p: Payment, item: Item, shown: Shown['items'][number] | undefined): void {
  same('page_calldata', 'displayed payee', item.payee, squeeze(shown?.payee ?? ''));
  displayed('amount', money(p, item.amount, item.asset), shown?.amount ?? '');
  displayed('fee', item.fee > 0n ? money(p, item.fee, item.asset) : '', shown?.fee);
  displayed('reference', item.reference.toLowerCase(), shown?.reference?.toLowerCase());
}

/** The page shows this, where it has a place for it. */
function displayed(field: string, expected: string, found: string | null | undefined): void {
  if (found !== null && found !== undefined) same('page_calldata', `displayed ${field}`, squeeze(expected), squeeze(found));
}

/** Every step that a payment may take, in order: what sets the allowances, then the payment. */
export function stepKeys(p: Payment): readonly string[] {
  const approvals = p.assets.flatMap((a, i) => (a.native ? [] : [stepKey('reset', i), stepKey('approve', i)]));
  return [...approvals, 'pay'];
}

/** Names a step among all of its payment: "approve1", "pay". */
export const stepKey = (kind: StepKind, asset: number): string => (kind === 'pay' ? kind : `${kind}${asset}`);

/**
 * Checks all transactions of an answer: for each asset at most (reset)
 * (approve), in the assets' order, then exactly one pay as the last, each of
 * them as verifyCall says. Throws Refusal.
 */
export function verifyPlan(chain: RegistryChain, p: Payment, transactions: unknown, chainId: unknown): readonly Call[] {
  same('page_registry', 'chain', p.chain.id, chainId);
  if (!Array.isArray(transactions)) throw new Refusal('page_calldata', 'transactions', 'a list', clip(transactions));
  const most = 2 * p.assets.length + 1;
  if (transactions.length < 1 || transactions.length > most) {
    throw new Refusal('page_calldata', 'number of transactions', `1 to ${most}`, String(transactions.length));
  }
  const calls = transactions.map((t) => verifyCall(chain, p, t));
  const all = stepKeys(p);
  let last = -1;
  calls.forEach((c, i) => {
    const at = all.indexOf(stepKey(c.kind, c.asset));
    const next = calls[i + 1];
    const lonely = c.kind === 'reset' && !(next?.kind === 'approve' && next.asset === c.asset);
    if (at <= last || lonely || (!next && c.kind !== 'pay')) {
      throw new Refusal('page_calldata', 'order of transactions', 'approvals, then one payment', calls.map((x) => x.kind).join(', '));
    }
    last = at;
  });
  return Object.freeze(calls);
}

/**
 * Checks one transaction {to, data, value} against the payment: the target is
 * the official contract (or, for an approval, a displayed token), the call is
 * one of those known, encoded in the one canonical way, every argument equals
 * what is displayed, and it moves no other native money. A chain id in the
 * transaction must be the payment's. Throws Refusal.
 */
export function verifyCall(chain: RegistryChain, p: Payment, transaction: unknown): Call {
  const t = fields(transaction);
  if (!t) throw new Refusal('page_calldata', 'transaction', 'a transaction', clip(transaction));
  if (t['chainId'] !== undefined) {
    const id = typeof t['chainId'] === 'string' && /^0x[0-9a-f]+$/.test(t['chainId']) ? Number(t['chainId']) : t['chainId'];
    same('page_registry', 'chain', p.chain.id, id);
  }
  const contract = contractOf(chain, p);
  const to = t['to'];
  let call: Omit<Call, 'value'>;
  if (isAddress(to) && sameHex(to, contract.address)) {
    const pay = p.batch ? batchPayment(p, t['data']) : onePayment(p, t['data']);
    call = { kind: 'pay', asset: 0, to: contract.address, targetName: contract.name, ...pay };
  } else {
    const asset = p.assets.findIndex((a) => !a.native && isAddress(to) && sameHex(to, a.address));
    if (asset < 0) throw new Refusal('page_registry', 'target', `the ${contract.name} ${contract.address}`, clip(to));
    call = approval(p, asset, contract.address, t['data']);
  }
  const native = p.assets.findIndex((a) => a.native);
  const value = call.kind === 'pay' && native >= 0 ? total(p, native) : 0n;
  same('page_calldata', 'value', value, readValue(t['value']));
  return Object.freeze({ ...call, value });
}

function contractOf(chain: RegistryChain, p: Payment): { address: Hex; name: string } {
  if (p.batch) return { address: checksum(chain.batchPayments), name: `official batch contract BatchConversionPayments ${BATCH_VERSION}` };
  return p.assets[0].native
    ? { address: checksum(chain.ethFeeProxy), name: `official EthereumFeeProxy ${FEE_PROXY_VERSION}` }
    : { address: checksum(chain.erc20FeeProxy), name: `official ERC20FeeProxy ${FEE_PROXY_VERSION}` };
}

type Inside = Pick<Call, 'data' | 'signature' | 'args'>;

function approval(p: Payment, asset: number, spender: Hex, data: unknown): Omit<Call, 'value'> {
  const token = assetOf(p, asset);
  const read = readCall(approve, data);
  const amount = read.values['approved amount'];
  const kind: StepKind = amount === 0n ? 'reset' : 'approve';
  same('page_calldata', 'spender', spender, read.values['spender']);
  // Of tokens the batch contract may or may not take its own fee: the page says "at most".
  if (kind === 'approve' && amount !== total(p, asset) - token.contractFee) same('page_calldata', 'approved amount', total(p, asset), amount);
  if (kind === 'reset' && !token.resetAllowance) throw new Refusal('page_calldata', 'approved amount', String(total(p, asset)), '0');
  return { kind, asset, to: checksum(token.address), targetName: `${token.symbol} token`, ...decoded(p, asset, approve, read) };
}

function onePayment(p: Payment, data: unknown): Inside {
  const [item] = p.items;
  const asset = p.assets[0];
  const method = asset.native ? ethPay : erc20Pay;
  const read = readCall(method, data);
  const { values } = read;
  if (!asset.native) {
    same('page_calldata', 'token', checksum(asset.address), values['token']);
    same('page_calldata', 'amount', item.amount, values['amount']);
  }
  same('page_calldata', 'payee', checksum(payeeOf(p, item, String(values['payee']))), values['payee']);
  same('page_calldata', 'fee', item.fee, values['fee']);
  same('page_calldata', 'fee payee', checksum(p.feePayee), values['fee payee']);
  same('page_calldata', 'reference', item.reference.toLowerCase(), values['reference']);
  return decoded(p, 0, method, read);
}

/** The one call that this batch can be, made here; the given one must be the same, byte for byte. */
function batchPayment(p: Payment, data: unknown): Inside {
  const given = readBytes(data, 20 + p.items.length * 16);
  same('page_calldata', 'selector', batchSelector, given.slice(0, 10));
  const make = (payees: (item: Item) => string, feePayee: string) =>
    batchWords(
      p.items.map((item) => {
        const { native, address } = assetOf(p, item.asset);
        return { number: item.index + 1, native, path: native ? nativePath : address, payee: payees(item), amount: item.amount, fee: item.fee, reference: item.reference };
      }),
      feePayee,
    );
  const found = p.items.some((i) => i.payeeHash) ? batchPayees(make(() => zero, zero), given) : new Map<number, string>();
  const payees = new Map(p.items.map((item) => [item.index, payeeOf(p, item, found.get(item.index + 1) ?? '')]));
  const feePayee = feePayeeOf(p, payees.get(p.items[0].index) ?? zero);
  const words = make((item) => payees.get(item.index) ?? zero, feePayee);
  words.forEach(([field, digits], i) => {
    const there = given.slice(10 + i * 64, 74 + i * 64);
    if (there !== digits) throw new Refusal('page_calldata', field, brief(digits), brief(there));
  });
  const made: Hex = `${batchSelector}${words.map(([, digits]) => digits).join('')}`;
  same('page_calldata', 'encoding', made.length, given.length);
  const args = p.items.map((item): readonly [string, string] => {
    const amount = (units: bigint): string => `${units} (${money(p, units, item.asset)})`;
    return [`payment ${item.index + 1}`, `payee ${payees.get(item.index)}, amount ${amount(item.amount)}, fee ${amount(item.fee)}, reference ${item.reference}`];
  });
  return { data: made, signature: batchSignature, args: [...args, ['fee payee', feePayee]] };
}

/** The one account that all fees of a batch go to: the contract's own go to the first payee if nobody else gets one. */
function feePayeeOf(p: Payment, first: string): string {
  if (p.items.some((i) => i.fee > 0n)) return checksum(p.feePayee);
  return p.assets.some((a) => a.contractFee > 0n) ? first : noFeePayee;
}

/** A word without what says nothing. */
const brief = (digits: string): string => (digits ? `0x${digits.replace(/^0+(?=.)/, '')}` : 'nothing');

/**
 * The payee that calldata must name for an item: the one displayed or, where
 * the page displays it shortened, the one found there if it is the one that the
 * page names by its hash.
 */
function payeeOf(p: Payment, item: Item, found: string): string {
  if (!item.payeeHash) return item.payee;
  const whole = isAddress(found) ? checksum(found) : '0x';
  same('page_calldata', 'payee', item.payee, shorten(whole));
  same('page_calldata', 'payee', item.payeeHash, payeeHash(p.payeeSecret, whole));
  return whole;
}

function decoded(p: Payment, asset: number, m: Method, read: { values: Values; data: Hex }): Inside {
  const args = m.inputs.map(([name]) => {
    const v = read.values[name];
    return [name, typeof v === 'bigint' ? `${v} (${money(p, v, asset)})` : String(v)] as const;
  });
  return { data: read.data, signature: signature(m), args };
}

/** The value of a transaction as a 0x quantity; a text when it is anything else, which equals no amount. */
export function readValue(value: unknown): bigint | string {
  return typeof value === 'string' && /^0x[0-9a-fA-F]{1,64}$/.test(value) ? BigInt(value) : `${clip(value)} (not a quantity)`;
}

/** Calldata in lower case, of at most so many words. */
function readBytes(data: unknown, words: number): Hex {
  if (typeof data !== 'string' || data.length > 10 + words * 64 || !/^0x([0-9a-fA-F]{2}){4,}$/.test(data)) {
    throw new Refusal('page_calldata', 'encoding', 'calldata', clip(data));
  }
  return data.toLowerCase() as Hex;
}

/** Reads calldata of a method whose result encodes to the same bytes again. */
export function readCall(m: Method, data: unknown): { values: Values; data: Hex } {
  const given = readBytes(data, 32);
  same('page_calldata', 'selector', m.selector, given.slice(0, 10));
  const values = decode(m, given);
  if (!values) throw new Refusal('page_calldata', 'encoding', 'the canonical encoding', 'other bytes');
  return { values, data: given };
}
