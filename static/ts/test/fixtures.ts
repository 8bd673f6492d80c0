// A payment on the sandbox, its transactions and a seeded source of chance.
import { approve, encode, erc20Pay, ethPay } from '../src/calldata.ts';
import type { Hex, Payment } from '../src/data.ts';
import { registry } from '../src/registry.gen.ts';
import { type Call, type RegistryChain, type Shown, money, total } from '../src/verify.ts';

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

/** A payment with a fee, in any token of any chain of the registry. */
export function paymentIn(chainId: number, tokenId: string, more: Partial<Payment> = {}): Payment {
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
    asset: { id: token.id, symbol: token.symbol, decimals: token.decimals, address: token.address as Hex, native: token.native, resetAllowance: token.resetAllowance },
    payee,
    amount: 10_000_000n,
    fee: { amount: 100_000n, payee: feePayee },
    reference: '0x5e954907253f2931',
    option: 'evmref:base:USDC-base',
    confirmations: 3,
    received: 0n,
    ...more,
  };
}

export const usdc = (more: Partial<Payment> = {}): Payment => paymentIn(900008453, 'USDC-base', more);
export const usdt = (more: Partial<Payment> = {}): Payment => paymentIn(900008453, 'USDT-base', more);
export const ether = (more: Partial<Payment> = {}): Payment => paymentIn(900008453, 'ETH-base', more);

export function shownFor(p: Payment): Shown {
  return {
    payee: p.payee,
    amount: `  ${money(p, p.amount)}\n`,
    fee: p.fee.amount > 0n ? money(p, p.fee.amount) : '',
    total: money(p, total(p)),
    reference: p.reference,
  };
}

export interface Tx {
  to: string;
  data: string;
  value: string;
}

/** The honest transactions: kinds in order. */
export function transactions(p: Payment, kinds: readonly Call['kind'][]): Tx[] {
  const chain = chainOf(p);
  const proxy = p.asset.native ? chain.ethFeeProxy : chain.erc20FeeProxy;
  return kinds.map((kind) => {
    if (kind !== 'pay') {
      const amount = kind === 'reset' ? 0n : total(p);
      return { to: p.asset.address, data: encode(approve, { spender: proxy, 'approved amount': amount }), value: '0x0' };
    }
    const values = { token: p.asset.address, payee: p.payee, amount: p.amount, reference: p.reference, fee: p.fee.amount, 'fee payee': p.fee.payee };
    return p.asset.native
      ? { to: proxy, data: encode(ethPay, values), value: `0x${total(p).toString(16)}` }
      : { to: proxy, data: encode(erc20Pay, values), value: '0x0' };
  });
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
