// What is pinned of a chain: nothing else is ever called, allowed to pull, or
// paid through. Types alone.
import type { Hex } from './data.ts';
import type { RouteNetwork } from './route-types.ts';

/** Addresses are in lower case; one that a chain has none of is the zero address. */
export interface Pins extends RouteNetwork {
  /** LI.FI's contract that routes call. */
  readonly diamond: Hex;
  /** Take LI.FI's fee: today's contract, and the one before it. */
  readonly feeForwarder: Hex;
  readonly feeCollector: Hex;
  /** Get the money from a bridge that ends here. */
  readonly receiverAcross: Hex;
  readonly receiverStargate: Hex;
  /** The official ERC20FeeProxy. */
  readonly feeProxy: Hex;
  readonly exchanges: readonly Hex[];
  /** LayerZero's number of the chain, 0 without Stargate. */
  readonly endpoint: number;
  /** Wei that a bridge may ask for on this chain. */
  readonly maxNativeFee: bigint;
}
