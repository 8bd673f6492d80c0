// What the page's script and its second one, route.js, say to each other. The
// second is fetched when a payer picks a way over a bridge or an exchange; here
// are types alone, so that the first does not grow by them.
import type { Hex, Native, Payment } from './data.ts';
import type { Call, Refusal, Registry, verifyCall, verifyPlan } from './verify.ts';

/** The checks of a route, in their order. They are the server's, by the same names. */
export type RouteCheck =
  | 'route_target'
  | 'route_value'
  | 'route_calldata'
  | 'route_approval'
  | 'route_source'
  | 'route_bridge'
  | 'route_receiver'
  | 'route_refund'
  | 'route_output'
  | 'route_deadline'
  | 'route_payment';

/** The way that the payer agreed to, as the page shows it. */
export interface RouteWay {
  readonly type: 'crosschain' | 'samechain_conversion';
  readonly option: string;
  /** Where the payer signs. */
  readonly chain: number;
  /** What he gives. */
  readonly token: Hex;
  readonly symbol: string;
  readonly decimals: number;
  readonly wallet: Hex;
  /** Who gets what comes back and what is left on arrival, if that is not the wallet: the owner of a smart account. */
  readonly refunds?: Hex;
  /** The most that may leave the wallet, in base units of the token. */
  readonly most: bigint;
}

/** What route.js takes from the first script instead of carrying it again. */
export interface RouteTools {
  readonly Refusal: typeof Refusal;
  readonly registry: Registry;
  readonly checksum: (address: string) => Hex;
  readonly verifyCall: typeof verifyCall;
  readonly verifyPlan: typeof verifyPlan;
}

/**
 * A route that was proven. Its calls, in order:
 *
 * - over a bridge: (reset) (approve) pay, all on the way's chain; pay is the call of LI.FI's contract.
 * - on one chain: (reset) (approve) swap (reset) (approve) pay; swap is the call of LI.FI's contract, what
 *   follows it is the payment of the payment's own asset and verifyPlan's.
 *
 * `asset` is sourceAsset for what sets the allowance of the way's token.
 */
export interface RoutePlan {
  readonly calls: readonly Call[];
  /** What leaves the wallet, in base units of the way's token: what is approved, never more than agreed. */
  readonly deposit: bigint;
  /** What is sure to arrive, in base units of the payment's asset. */
  readonly arrives: bigint;
  /** What the route takes, in base units of the way's token: what is given less what is sure to arrive, a dollar for a dollar. Never negative. */
  readonly fee: bigint;
  /** The part of it that LI.FI's fee legs take. */
  readonly feeLegs: bigint;
  /** Native currency for the bridge, in wei; part of pay's value. */
  readonly nativeFee: bigint;
  readonly bridge: 'across' | 'stargateV2' | '';
  /** Milliseconds since 1970 when the transaction must be in a block; 0 if the calldata names no end. */
  readonly deadline: number;
  /** Milliseconds since 1970 until which it may be signed: a quote's life from `now` on, and never after deadline. */
  readonly fresh: number;
}

/** Call.asset of an allowance of the way's token, which is none of the payment's assets. */
export type SourceAsset = -1;

/**
 * Proves that the transactions do what the page displays and nothing else.
 * Throws Refusal, by the names of RouteCheck or, for the payment that follows
 * an exchange, by those of verifyPlan.
 *
 * chainId is what the answer says; the transactions are {to, data, value} and
 * may name chainId and from. now is the server's clock. It is pure and takes a
 * fraction of a millisecond: before signing a step, hand in all the plan's calls
 * once more, as the request objects that go to the wallet, and compare.
 */
export type VerifyRoute = (tools: RouteTools, p: Payment, way: RouteWay, transactions: unknown, chainId: unknown, now: number) => RoutePlan;

/** A chain that routes start from or end on, as route.js itself knows it. */
export interface RouteNetwork {
  readonly id: number;
  /** The Request Network's name: "base". */
  readonly network: string;
  /** The API's word in a query: "BASE". */
  readonly selector: string;
  /** For people: "Base". */
  readonly name: string;
  readonly sandbox: boolean;
  readonly explorer: string;
  readonly native: Native;
  readonly tokens: readonly RouteToken[];
}

export interface RouteToken {
  readonly id: string;
  readonly symbol: string;
  readonly decimals: number;
  readonly address: Hex;
  readonly resetAllowance: boolean;
}

/** What route.js exports. */
export interface RouteModule {
  readonly verifyRoute: VerifyRoute;
  readonly networks: readonly RouteNetwork[];
}
