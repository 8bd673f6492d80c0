// What a deposit's page refuses to show or to have signed. An address of one's own
// is nobody's that a script could know beforehand: so everything that names it, for
// people, for cameras and for wallets, must name the same one, with the same amount
// of the same token on the same network, and the token must be one that is built
// into this script. Knows no DOM, wallet or network.
import { checksum } from './calldata.ts';
import { type Hex, sameHex } from './data.ts';
import type { DepositAsset, DepositPage, Place, Quote } from './deposit-data.ts';
import { type Drawing, readDrawing, says } from './qr.ts';
import { exact } from './units.ts';
import { Refusal, type Registry, type RegistryChain, same, squeeze } from './verify.ts';

/** What the page shows of a quote, read back from the page itself. */
export interface ShownQuote {
  readonly amount: string;
  readonly symbol: string;
  readonly network: string;
  readonly address: string;
  /** Where its link to a wallet leads. */
  readonly uri: string;
  readonly qr: Drawing | null;
  /** Of the address alone; null where the page has none. */
  readonly addressQr: Drawing | null;
}

/** Checks that the page's own address is one, and that every asset on it is known with exactly these facts. Throws Refusal. */
export function verifyDeposit(registry: Registry, p: DepositPage): void {
  if (p.address) same('page_address', 'address', checksum(p.address), p.address);
  for (const a of p.assets) {
    const known = chainOf(registry, p, a);
    const chain = p.chains.find((c) => c.id === a.chainId);
    same('page_registry', 'network name', known.name, chain?.name);
    same('page_registry', 'network', known.network, chain?.network);
    const token = known.tokens.find((t) => sameHex(t.address, a.token));
    if (!token) throw new Refusal('page_registry', 'token', 'a known token', a.token);
    same('page_registry', 'token', token.id, a.id);
    same('page_registry', 'token', checksum(token.address), a.token);
    same('page_registry', 'token', token.native, a.native);
    same('page_registry', 'token symbol', token.symbol, a.symbol);
    same('page_registry', 'token decimals', token.decimals, a.decimals);
  }
}

function chainOf(registry: Registry, p: DepositPage, a: Place): RegistryChain {
  const known = Object.hasOwn(registry, a.chainId) ? registry[a.chainId] : undefined;
  if (!known) throw new Refusal('page_registry', 'chain', 'a known chain', String(a.chainId));
  same('page_registry', 'network', known.network, a.network);
  same('page_registry', 'network name', known.name, a.chain);
  same('page_registry', 'sandbox', known.sandbox, p.sandbox);
  return known;
}

/** What a wallet is asked for by a link or a code (ERC-681). */
export const paymentUri = (a: Place, to: Hex, units: bigint): string =>
  a.native ? `ethereum:${to}@${a.chainId}?value=${units}` : `ethereum:${a.token}@${a.chainId}/transfer?address=${to}&uint256=${units}`;

const places = ['symbol', 'decimals', 'token', 'native', 'chain', 'network', 'chainId'] as const;

/**
 * Checks a quote: it is of this asset, asks for what is missing at its own rate, to
 * the page's address, and its link and its drawing say so too. Throws Refusal.
 */
export function verifyQuote(p: DepositPage, a: DepositAsset, missing: string, q: Quote): void {
  same('page_registry', 'asset', a.id, q.asset);
  for (const field of places) same('page_registry', field, a[field], q[field]);
  if (!p.address) throw new Refusal('page_address', 'address', 'none', q.address);
  same('page_address', 'address', p.address, q.address);
  same('page_address', 'amount', exact(q.units, q.decimals), q.amount);
  worth(missing, q);
  const uri = paymentUri(a, p.address, q.units);
  same('page_address', 'wallet link', uri, q.uri);
  if (q.qr) code('code', readDrawing(q.qr), uri);
}

/** The amount is what is missing in dollars, a cent and what rounding adds aside. */
function worth(missing: string, q: Quote): void {
  const cents = BigInt(missing.replace(/[,.]/g, ''));
  // Both sides in hundred-millionths of a dollar, for 10^decimals units.
  const cent = 10n ** BigInt(6 + q.decimals);
  const value = q.units * q.rate;
  if (q.units < 1n || value < (cents - 1n) * cent || value > (cents + 1n) * cent + 3n * q.rate) {
    throw new Refusal('page_address', 'amount', `an amount worth ${missing}`, q.amount);
  }
}

function code(field: string, drawing: Drawing | null, text: string): void {
  if (!drawing || !says(drawing, text)) throw new Refusal('page_address', field, text, drawing ? 'a code of something else' : 'no code');
}

/** Checks that the page shows this quote and nothing else, to people and to cameras. Throws Refusal. */
export function verifyShown(q: Quote, shown: ShownQuote): void {
  same('page_address', 'displayed address', q.address, squeeze(shown.address));
  same('page_address', 'displayed amount', q.amount, shown.amount.trim());
  same('page_address', 'displayed currency', q.symbol, shown.symbol.trim());
  same('page_address', 'displayed network', q.chain, shown.network.trim());
  same('page_address', 'displayed wallet link', q.uri, shown.uri);
  code('displayed code', shown.qr, q.uri);
  if (shown.addressQr) code('displayed code', shown.addressQr, q.address);
}
