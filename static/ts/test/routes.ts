// Honest and hostile routes as internal/lifi writes them, and what a page has of
// the payments they are for.
import { checksum } from '../src/calldata.ts';
import type { Hex, Payment } from '../src/data.ts';
import { registry } from '../src/registry.gen.ts';
import type { RouteCheck, RoutePlan, RouteTools, RouteWay } from '../src/route-types.ts';
import { verifyRoute } from '../src/route.ts';
import { Refusal, verifyCall, verifyPlan } from '../src/verify.ts';
import { paymentIn } from './fixtures.ts';
import fixture from './testdata/lies.json' with { type: 'json' };

export const tools: RouteTools = { Refusal, registry, checksum, verifyCall, verifyPlan };

export interface Tx {
  to: string;
  data: string;
  value: string;
  from?: string;
}

interface Lie {
  readonly name: string;
  readonly refuses: readonly string[];
  readonly chain?: number;
  readonly changes?: Readonly<Record<string, { to?: string; value?: string; from?: string; at?: number; cut?: number; put?: string }>>;
}

export type Scene = Omit<(typeof fixture.scenes)[number], 'transactions' | 'lies'> & { readonly transactions: readonly Tx[]; readonly lies: readonly Lie[] };

export const now: number = fixture.now;
export const scenes: readonly Scene[] = fixture.scenes as unknown as readonly Scene[];

export const paymentOf = (s: Scene): Payment =>
  paymentIn(s.toChain, s.to, { payee: s.payee as Hex, amount: BigInt(s.amount), fee: { amount: BigInt(s.fee), payee: s.feePayee as Hex }, reference: s.reference as Hex });

export const wayOf = (s: Scene): RouteWay => ({
  type: s.fromChain === s.toChain ? 'samechain_conversion' : 'crosschain',
  option: `crosschain:x:${s.from}`,
  chain: s.fromChain,
  token: s.token as Hex,
  symbol: s.symbol,
  decimals: s.decimals,
  wallet: s.wallet as Hex,
  most: BigInt(s.most),
});

/** The answer that a lie makes. */
export function told(s: Scene, lie: Lie): { transactions: Tx[]; chainId: number } {
  const transactions = s.transactions.map((t) => ({ ...t }));
  for (const [place, c] of Object.entries(lie.changes ?? {})) {
    const tx = transactions[Number(place)];
    if (!tx) throw new Error(`${lie.name}: no transaction ${place}`);
    const at = c.at ?? 0;
    tx.data = tx.data.slice(0, at) + (c.put ?? '') + tx.data.slice(at + (c.cut ?? 0));
    tx.to = c.to ?? tx.to;
    tx.value = c.value ?? tx.value;
    if (c.from) tx.from = c.from;
  }
  return { transactions, chainId: lie.chain ?? s.fromChain };
}

/** A scene with its transactions, and what of it is otherwise. */
export interface Otherwise {
  readonly transactions?: unknown;
  readonly chainId?: unknown;
  readonly way?: Partial<RouteWay>;
  readonly p?: Payment;
  readonly now?: number;
}

export const prove = (s: Scene, o: Otherwise = {}): RoutePlan =>
  verifyRoute(tools, o.p ?? paymentOf(s), { ...wayOf(s), ...o.way }, o.transactions ?? s.transactions, o.chainId ?? s.fromChain, o.now ?? now);

/** Why a scene is refused, null if it is not. Anything but a Refusal is thrown on. */
export function refusal(s: Scene, o: Otherwise = {}): Refusal | null {
  try {
    prove(s, o);
    return null;
  } catch (err) {
    if (err instanceof Refusal) return err;
    throw err;
  }
}

export const bridgeChecks: readonly RouteCheck[] = [
  'route_target', 'route_value', 'route_calldata', 'route_approval', 'route_source', 'route_bridge',
  'route_receiver', 'route_refund', 'route_output', 'route_deadline', 'route_payment',
];

export function sceneNamed(name: string): Scene {
  const s = scenes.find((x) => x.name === name);
  if (!s) throw new Error(`no scene ${name}`);
  return s;
}

/** A scene's transactions with LI.FI's call otherwise. */
export const withRoute = (s: Scene, change: Partial<Tx>): Tx[] => s.transactions.map((t, i) => (i === s.at ? { ...t, ...change } : t));
