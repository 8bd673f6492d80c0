// A page whose payment can be made from elsewhere too: what the server offers,
// and a router whose proof is played.
import assert from 'node:assert/strict';
import type { PayReply } from '../src/api.ts';
import type { Hex, Payment } from '../src/data.ts';
import { registry } from '../src/registry.gen.ts';
import type { RouteNetwork, RoutePlan } from '../src/route-types.ts';
import { Refusal, type Call } from '../src/verify.ts';
import { usdc } from './fixtures.ts';
import { World } from './world.ts';

export const base = 900008453;
export const arbitrum = 900042161;
export const diamond: Hex = '0x5a4db0000000000000000000000000000000d1a0';
export const dataOf = { reset: '0x095ea7b300', approve: '0x095ea7b3', swap: '0x4666fc80', pay: '0x1794958f' } as const;

const chainOf = (id: number) => ({
  id, network: registry[id]?.network, name: registry[id]?.name, explorer: '', rpcUrls: [`http://127.0.0.1:8402/sandbox/rpc/${id}`],
  native: { name: 'Sandbox Ether', symbol: 'ETH', decimals: 18 },
});

export interface Offer {
  id: string;
  type: string;
  chain: Record<string, unknown>;
  token: Record<string, unknown>;
  [more: string]: unknown;
}

export function offer(id: number, tokenId: string, needed: string, more: Record<string, unknown> = {}): Offer {
  const token = registry[id]?.tokens.find((t) => t.id === tokenId);
  assert.ok(token);
  const { native: _, ...coin } = token;
  const type = id !== base ? 'crosschain' : tokenId === 'USDC-base' ? 'samechain' : 'samechain_conversion';
  return {
    id: type === 'samechain' ? 'evmref:base:USDC-base' : `crosschain:${token.id.split('-').slice(1).join('-')}:${token.id}`, type, chain: chainOf(id), token: coin,
    balance: '250000000', needed, fee: '0', least: needed, enough: true, estimated: false, seconds: 120, steps: 2, ...more,
  };
}

export const own = (more: Record<string, unknown> = {}) => offer(base, 'USDC-base', '10100000', { seconds: 0, ...more });
export const usdtThere = (more: Record<string, unknown> = {}) => offer(arbitrum, 'USDT-arbitrum-one', '10150000', { fee: '50000', ...more });
export const usdtHere = (more: Record<string, unknown> = {}) => offer(base, 'USDT-base', '10130000', { fee: '30000', seconds: 15, ...more });
export const answer = (...options: Offer[]) => ({ options, silent: [] as string[], missing: [] as object[] });

export const networks: RouteNetwork[] = [base, arbitrum].map((id) => ({
  id, network: registry[id]?.network ?? '', selector: '', name: registry[id]?.name ?? '', sandbox: true, explorer: '', native: { name: 'Sandbox Ether', symbol: 'ETH', decimals: 18 }, tokens: [],
}));

/** A page whose payment can be made from elsewhere too, with a router that asks so much and a wallet that knows both chains. */
export class Elsewhere extends World {
  units = 10_150_000n;
  nativeFee = 0n;
  life = 45_000;
  steps: (keyof typeof dataOf)[] = ['approve', 'pay'];
  proved: { most: bigint; steps: number }[] = [];
  unsafe: Refusal | null = null;
  /** Changes what the server says of an offer. */
  quote: (m: Record<string, unknown>) => Record<string, unknown> = (m) => m;

  constructor(p: Payment = usdc({ ways: '/static/ways-0123456789ab.js' }), remembered: Record<string, string> = {}, framed = false) {
    super(p, remembered, framed);
    this.wallet.known.push(arbitrum);
    this.networks = networks;
    this.found = () => answer(own(), usdtHere(), usdtThere());
    this.tamper = (r) => (this.paying.at(-1) === p.option ? r : this.routed(r, this.paying.at(-1) ?? ''));
    this.proof = (tools, _payment, way, transactions, chainId, now) => {
      const list = transactions as { kind?: string; data: Hex; to: Hex }[];
      this.proved.push({ most: way.most, steps: list.length });
      if (this.unsafe) throw this.unsafe;
      assert.equal(tools.Refusal, Refusal);
      assert.equal(chainId, way.chain);
      if (this.units > way.most) throw new Refusal('route_source', 'amount', String(way.most), String(this.units));
      const calls = list.map((t): Call => {
        const kind = (Object.keys(dataOf) as (keyof typeof dataOf)[]).find((k) => dataOf[k] === t.data) ?? assert.fail(t.data);
        return Object.freeze({ kind, asset: kind === 'reset' || kind === 'approve' ? -1 : 0, to: t.to, data: t.data, value: 0n, targetName: 'LI.FI', signature: 'f()', args: [] });
      });
      return { calls, deposit: this.units, arrives: 10_100_000n, fee: this.units - 10_100_000n, feeLegs: 0n, nativeFee: this.nativeFee, bridge: 'across', deadline: 0, fresh: now + this.life } satisfies RoutePlan;
    };
  }

  private routed(r: PayReply, option: string): PayReply {
    const there = option.includes('arbitrum');
    const id = there ? 'USDT-arbitrum-one' : 'USDT-base';
    return {
      ...r,
      transactions: this.steps.map((kind) => ({ to: diamond, data: dataOf[kind], value: '0x0' })),
      chainId: there ? arbitrum : base,
      metadata: this.quote({ sourceUnits: String(this.units), sourceCurrency: id, quoteExpiresAt: Math.floor((this.now + this.life) / 1_000), estimatedSeconds: 120, toolName: 'Across' }),
      funds: { ...r.funds, assets: new Map([[id, { balance: 250_000_000n, required: this.units }]]) },
    };
  }

  async choosing(id = 'crosschain:arbitrum-one:USDT-arbitrum-one'): Promise<this> {
    await this.connected();
    this.ways?.select(id);
    await this.settle();
    if (this.model.wrongChain) await this.flow.switchChain();
    await this.settle();
    return this;
  }

  news(progress: string, more: Record<string, unknown> = {}, payable = false): void {
    const route = { progress, chain: 'Arbitrum One (sandbox)', symbol: 'USDT', amount: '10.15', txHash: this.intents.at(-1) ?? `0x${'c'.repeat(64)}`, sentAt: new Date(this.now).toISOString(), seconds: 120, ...more };
    this.say({ state: 'open', route, payable });
  }
}
