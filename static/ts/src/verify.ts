// The page's own layer of the contract safety check. It compares the calldata
// that the server hands out with the payment this page displays and with the
// registry built into this script, and refuses every difference. It trusts
// neither the calldata endpoint nor what that says about its own answer, and
// knows no DOM, wallet or network.
import { type Method, type Values, approve, checksum, decode, erc20Pay, ethPay, signature } from './calldata.ts';
import { type Hex, type Payment, fields, isAddress, sameHex } from './data.ts';
import { FEE_PROXY_VERSION } from './registry.gen.ts';
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
  readonly tokens: readonly RegistryToken[];
}

export type Registry = Readonly<Record<string, RegistryChain>>;

/** page_registry: chain, asset and contract are ones this script knows. page_calldata: everything inside the call. */
export type PageCheck = 'page_registry' | 'page_calldata';

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
  readonly payee: string;
  readonly amount: string;
  readonly fee: string | null;
  readonly total: string | null;
  readonly reference: string | null;
}

export type StepKind = 'reset' | 'approve' | 'pay';

/** One verified call. `to` and `data` are made here, from the registry and by re-encoding; nothing of the server's text is passed on. */
export interface Call {
  readonly kind: StepKind;
  readonly to: Hex;
  readonly data: Hex;
  readonly value: bigint;
  readonly targetName: string;
  readonly signature: string;
  readonly args: readonly (readonly [label: string, value: string])[];
}

const zero = '0x0000000000000000000000000000000000000000';

function same(check: PageCheck, field: string, expected: string | bigint | number | boolean, found: unknown): void {
  if (expected !== found) throw new Refusal(check, field, String(expected), clip(found));
}

const clip = (v: unknown): string => {
  const text = typeof v === 'string' || typeof v === 'bigint' || typeof v === 'number' || typeof v === 'boolean' ? String(v) : typeof v;
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
};

const squeeze = (text: string): string => text.replace(/\s+/g, '');

export const total = (p: Payment): bigint => p.amount + p.fee.amount;
export const money = (p: Payment, units: bigint): string => `${display(units, p.asset.decimals)} ${p.asset.symbol}`;

/**
 * Checks the payment itself: its chain and asset are in the registry with
 * exactly these facts, its amounts make sense, and the page shows what the data
 * says. Returns the registry's chain. Throws Refusal.
 */
export function verifyPage(registry: Registry, p: Payment, shown: Shown): RegistryChain {
  const known = Object.hasOwn(registry, p.chain.id) ? registry[p.chain.id] : undefined;
  if (!known) throw new Refusal('page_registry', 'chain', 'a known chain', String(p.chain.id));
  same('page_registry', 'network', known.network, p.chain.network);
  same('page_registry', 'network name', known.name, p.chain.name);
  same('page_registry', 'sandbox', known.sandbox, p.sandbox);

  const token = known.tokens.find((t) => sameHex(t.address, p.asset.address));
  if (!token) throw new Refusal('page_registry', 'token', 'a known token', p.asset.address);
  same('page_registry', 'token', token.id, p.asset.id);
  same('page_registry', 'token symbol', token.symbol, p.asset.symbol);
  same('page_registry', 'token decimals', token.decimals, p.asset.decimals);
  same('page_registry', 'token', token.native, p.asset.native);
  same('page_registry', 'token', token.native, sameHex(p.asset.address, zero));
  same('page_registry', 'token', token.resetAllowance, p.asset.resetAllowance);

  if (p.amount < 1n || total(p) > maxUint256) throw new Refusal('page_calldata', 'amount', 'a possible amount', String(p.amount));
  if (p.fee.amount > 0n && sameHex(p.fee.payee, zero)) throw new Refusal('page_calldata', 'fee payee', 'an account', p.fee.payee);
  if (sameHex(p.payee, zero)) throw new Refusal('page_calldata', 'payee', 'an account', p.payee);

  same('page_calldata', 'displayed payee', checksum(p.payee), squeeze(shown.payee));
  same('page_calldata', 'displayed amount', squeeze(money(p, p.amount)), squeeze(shown.amount));
  if (shown.fee !== null) same('page_calldata', 'displayed fee', p.fee.amount > 0n ? squeeze(money(p, p.fee.amount)) : '', squeeze(shown.fee));
  if (shown.total !== null) same('page_calldata', 'displayed total', squeeze(money(p, total(p))), squeeze(shown.total));
  if (shown.reference !== null) same('page_calldata', 'displayed reference', p.reference.toLowerCase(), squeeze(shown.reference).toLowerCase());
  return known;
}

/**
 * Checks all transactions of an answer: at most (reset) (approve) pay, in this
 * order, with exactly one pay as the last, each of them as verifyCall says.
 * Throws Refusal.
 */
export function verifyPlan(chain: RegistryChain, p: Payment, transactions: unknown, chainId: unknown): readonly Call[] {
  same('page_registry', 'chain', p.chain.id, chainId);
  if (!Array.isArray(transactions)) throw new Refusal('page_calldata', 'transactions', 'a list', clip(transactions));
  if (transactions.length < 1 || transactions.length > 3) {
    throw new Refusal('page_calldata', 'number of transactions', '1 to 3', String(transactions.length));
  }
  const calls = transactions.map((t) => verifyCall(chain, p, t));
  const order = calls.map((c) => c.kind).join(', ');
  if (!['pay', 'approve, pay', 'reset, approve, pay'].includes(order)) {
    throw new Refusal('page_calldata', 'order of transactions', 'approval, then one payment', order);
  }
  return Object.freeze(calls);
}

/**
 * Checks one transaction {to, data, value} against the payment: the target is
 * the official contract (or, for an approval, the displayed token), the call is
 * one of the three known ones, encoded in the one canonical way, every argument
 * equals what is displayed, and it moves no other native money. A chain id in
 * the transaction must be the payment's. Throws Refusal.
 */
export function verifyCall(chain: RegistryChain, p: Payment, transaction: unknown): Call {
  const t = fields(transaction);
  if (!t) throw new Refusal('page_calldata', 'transaction', 'a transaction', clip(transaction));
  if (t['chainId'] !== undefined) {
    const id = typeof t['chainId'] === 'string' && /^0x[0-9a-f]+$/.test(t['chainId']) ? Number(t['chainId']) : t['chainId'];
    same('page_registry', 'chain', p.chain.id, id);
  }
  const proxy = checksum(p.asset.native ? chain.ethFeeProxy : chain.erc20FeeProxy);
  const proxyName = p.asset.native ? 'EthereumFeeProxy' : 'ERC20FeeProxy';
  const to = t['to'];
  const toProxy = isAddress(to) && sameHex(to, proxy);
  if (!toProxy && (p.asset.native || !isAddress(to) || !sameHex(to, p.asset.address))) {
    throw new Refusal('page_registry', 'target', `the official ${proxyName} ${proxy}`, clip(to));
  }
  const method = toProxy ? (p.asset.native ? ethPay : erc20Pay) : approve;
  const { values, data } = read(method, t['data']);
  const kind: StepKind = toProxy ? 'pay' : values['approved amount'] === 0n ? 'reset' : 'approve';

  if (kind === 'pay') {
    if (!p.asset.native) {
      same('page_calldata', 'token', checksum(p.asset.address), values['token']);
      same('page_calldata', 'amount', p.amount, values['amount']);
    }
    same('page_calldata', 'payee', checksum(p.payee), values['payee']);
    same('page_calldata', 'fee', p.fee.amount, values['fee']);
    same('page_calldata', 'fee payee', checksum(p.fee.payee), values['fee payee']);
    same('page_calldata', 'reference', p.reference.toLowerCase(), values['reference']);
  } else {
    same('page_calldata', 'spender', proxy, values['spender']);
    if (kind === 'approve') same('page_calldata', 'approved amount', total(p), values['approved amount']);
    else if (!p.asset.resetAllowance) throw new Refusal('page_calldata', 'approved amount', String(total(p)), '0');
  }
  const value = p.asset.native ? total(p) : 0n;
  same('page_calldata', 'value', value, readValue(t['value']));

  return Object.freeze({
    kind,
    to: toProxy ? proxy : checksum(p.asset.address),
    data,
    value,
    targetName: toProxy ? `official ${proxyName} ${FEE_PROXY_VERSION}` : `${p.asset.symbol} token`,
    signature: signature(method),
    args: method.inputs.map(([name]) => {
      const v = values[name];
      return [name, typeof v === 'bigint' ? `${v} (${money(p, v)})` : String(v)] as const;
    }),
  });
}

/** The value of a transaction as a 0x quantity; a text when it is anything else, which equals no amount. */
function readValue(value: unknown): bigint | string {
  return typeof value === 'string' && /^0x[0-9a-fA-F]{1,64}$/.test(value) ? BigInt(value) : `${clip(value)} (not a quantity)`;
}

/** Reads calldata of a method whose result encodes to the same bytes again. */
function read(m: Method, data: unknown): { values: Values; data: Hex } {
  if (typeof data !== 'string' || data.length > 2048 || !/^0x([0-9a-fA-F]{2}){4,}$/.test(data)) {
    throw new Refusal('page_calldata', 'encoding', 'calldata', clip(data));
  }
  const given = data.toLowerCase() as Hex;
  same('page_calldata', 'selector', m.selector, given.slice(0, 10));
  const values = decode(m, given);
  if (!values) throw new Refusal('page_calldata', 'encoding', 'the canonical encoding', 'other bytes');
  return { values, data: given };
}
