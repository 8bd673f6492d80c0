// A payment on the sandbox, its transactions and a seeded source of chance.
import { approve, batchSelector, batchWords, encode, erc20Pay, ethPay, nativePath, noFeePayee } from '../src/calldata.ts';
import type { Asset, Hex, Item, Payment } from '../src/data.ts';
import { registry } from '../src/registry.gen.ts';
import { type Call, type RegistryChain, type Shown, amountOf, money, payeeHash, shorten, total } from '../src/verify.ts';

export const payee: Hex = '0xf17f52151EbEF6C7334FAD080c5704D77216b732';
export const feePayee: Hex = '0xC5fdf4076b8F3A5357c5E395ab970B5B54098Fef';
export const stranger: Hex = '0x627306090abaB3A6e1400e9345bC60c78a8BEf57';
export const account: Hex = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359';
export const zero: Hex = '0x0000000000000000000000000000000000000000';
export const maxUint = (1n << 256n) - 1n;

export type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };

export function chainOf(p: Payment): RegistryChain {
  const chain = registry[p.chain.id];
  if (!chain) throw new Error(`no chain ${p.chain.id}`);
  return chain;
}

/** A change to a payment: whole fields, or the ones of its only item. */
export type Change = Partial<Payment> & Partial<Pick<Item, 'payee' | 'amount' | 'reference'>> & { fee?: { amount: bigint; payee: Hex } };

/** A payment with a fee, in any token of any chain of the registry. */
export function paymentIn(chainId: number, tokenId: string, change: Change = {}): Payment {
  const { payee: to, amount, reference, fee, ...more } = change;
  const chain = registry[chainId];
  const token = chain?.tokens.find((t) => t.id === tokenId);
  if (!chain || !token) throw new Error(`no token ${tokenId} on ${chainId}`);
  const coin = chain.tokens.find((t) => t.native);
  return {
    token: '01KADEMO0000000000000000',
    state: 'open',
    oddity: 'none',
    payable: true,
    sandbox: chain.sandbox,
    now: Date.parse('2026-01-02T12:00:00Z'),
    expiresAt: Date.parse('2026-01-02T12:15:00Z'),
    chain: {
      id: chainId,
      network: chain.network,
      name: chain.name,
      rpcUrls: ['https://rpc.example/'],
      explorer: 'https://explorer.example/',
      native: { name: 'Ether', symbol: coin?.symbol ?? 'ETH', decimals: 18 },
    },
    assets: [assetOf(token)],
    items: [{ index: 0, asset: 0, payee: to ?? payee, payeeHash: '', amount: amount ?? 10_000_000n, fee: fee?.amount ?? 100_000n, reference: reference ?? '0x5e954907253f2931' }],
    feePayee: fee?.payee ?? feePayee,
    batch: false,
    restricted: false,
    payeeSecret: '',
    option: 'evmref:base:USDC-base',
    confirmations: 3,
    ways: '',
    route: '',
    safe: '',
    gasless: '',
    kits: {},
    framed: false,
    ...more,
  };
}

const assetOf = (t: RegistryChain['tokens'][number]): Asset => ({
  id: t.id, symbol: t.symbol, decimals: t.decimals, address: t.address as Hex, native: t.native, resetAllowance: t.resetAllowance, contractFee: 0n,
});

/** A batch on the sandbox: an amount in each of these, with fees, over and over to two payees. */
export function batchOf(count: number, tokenIds: readonly string[] = ['USDC-base', 'USDT-base', 'ETH-base'], change: Partial<Payment> = {}): Payment {
  const p = usdc();
  const assets = tokenIds.flatMap((id) => chainOf(p).tokens.filter((t) => t.id === id).map(assetOf)).slice(0, count);
  const items = Array.from({ length: count }, (_, index): Item => ({
    index, asset: index % assets.length, payee: index % 2 ? stranger : payee, payeeHash: '', amount: 1_000_000n + BigInt(index),
    fee: BigInt(10 * index), reference: `0x${(0xabcdef00 + index).toString(16).padStart(16, '0')}`,
  }));
  return { ...p, assets: assets as unknown as Payment['assets'], items: items as unknown as Payment['items'], batch: true, option: 'evmref:base:batch', ...change };
}

/** The same with its payees shortened, as some merchants want it, and with the secret of their hashes. */
export const shortened = (p: Payment, payeeSecret = 'secret'): Payment => ({
  ...p,
  payeeSecret,
  items: p.items.map((i) => ({ ...i, payee: shorten(i.payee), payeeHash: payeeHash(payeeSecret, i.payee) })) as unknown as Payment['items'],
});

export const usdc = (more: Change = {}): Payment => paymentIn(900008453, 'USDC-base', more);
export const usdt = (more: Change = {}): Payment => paymentIn(900008453, 'USDT-base', more);
export const ether = (more: Change = {}): Payment => paymentIn(900008453, 'ETH-base', more);

export function shownFor(p: Payment): Shown {
  return {
    items: p.items.map((i) => ({
      payee: i.payee,
      amount: `  ${money(p, i.amount, i.asset)}\n`,
      fee: i.fee > 0n ? money(p, i.fee, i.asset) : '',
      reference: i.reference,
    })),
    totals: p.assets.map((a, i) => ({
      amount: money(p, amountOf(p, i), i),
      contractFee: a.contractFee > 0n ? money(p, a.contractFee, i) : '',
      total: money(p, total(p, i), i),
    })),
  };
}

/** The page of a payment of one, displaying some things otherwise. */
export function displaying(p: Payment, { total: sum, ...item }: Partial<Shown['items'][number]> & { total?: string | null }): Shown {
  const honest = shownFor(p);
  return {
    items: honest.items.map((i) => ({ ...i, ...item })),
    totals: honest.totals.map((t) => (sum === undefined ? t : { ...t, total: sum })),
  };
}

export interface Tx {
  to: string;
  data: string;
  value: string;
}

/** The honest transactions of a payment of one: kinds in order. */
export function transactions(p: Payment, kinds: readonly Call['kind'][]): Tx[] {
  return kinds.map((kind) => (kind === 'reset' || kind === 'approve' ? allowTx(p, kind, 0) : payTx(p)));
}

/** The honest transactions of a batch: an approval for every token, with a reset where the token asks for one and there is an allowance, and the payment. */
export function batchTransactions(p: Payment, allowed = false): Tx[] {
  const approvals = p.assets.flatMap((a, i) => (a.native ? [] : [...(allowed && a.resetAllowance ? [allowTx(p, 'reset', i)] : []), allowTx(p, 'approve', i)]));
  return [...approvals, payTx(p)];
}

export function allowTx(p: Payment, kind: 'reset' | 'approve', asset: number): Tx {
  const chain = chainOf(p);
  const spender = p.batch ? chain.batchPayments : chain.erc20FeeProxy;
  return { to: p.assets[asset]?.address ?? '', data: encode(approve, { spender, 'approved amount': kind === 'reset' ? 0n : total(p, asset) }), value: '0x0' };
}

export function payTx(p: Payment): Tx {
  const chain = chainOf(p);
  const native = p.assets.findIndex((a) => a.native);
  const value = native < 0 ? '0x0' : `0x${total(p, native).toString(16)}`;
  if (p.batch) return { to: chain.batchPayments, data: batchData(p), value };
  const [item] = p.items;
  const [asset] = p.assets;
  const values = { token: asset.address, payee: item.payee, amount: item.amount, reference: item.reference, fee: item.fee, 'fee payee': p.feePayee };
  return asset.native ? { to: chain.ethFeeProxy, data: encode(ethPay, values), value } : { to: chain.erc20FeeProxy, data: encode(erc20Pay, values), value };
}

/** A batch's calldata by the rules of internal/official/batch.go. */
export function batchData(p: Payment, payees: readonly string[] = p.items.map((i) => i.payee)): Hex {
  const items = p.items.map((i, at) => {
    const asset = p.assets[i.asset];
    return { number: i.index + 1, native: !!asset?.native, path: asset?.native ? nativePath : (asset?.address ?? ''), payee: payees[at] ?? '', amount: i.amount, fee: i.fee, reference: i.reference };
  });
  const own = p.assets.some((a) => a.contractFee > 0n) ? (payees[0] ?? '') : noFeePayee;
  return `${batchSelector}${batchWords(items, p.items.some((i) => i.fee > 0n) ? p.feePayee : own).map(([, digits]) => digits).join('')}`;
}

/** Repeatable chance (mulberry32): the same seed gives the same case again. */
export function chance(seed: number): { below(n: number): number; hex(bytes: number): Hex; units(): bigint } {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n: number): number => next() % n;
  const hex = (bytes: number): Hex => `0x${Array.from({ length: bytes }, () => below(256).toString(16).padStart(2, '0')).join('')}`;
  return { below, hex, units: () => BigInt(hex(1 + below(31))) };
}
