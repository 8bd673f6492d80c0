// The calls that routes are made of: LI.FI's contract and what it hands on.
// Every function and structure that is not here is refused. Sources:
// lifinance/contracts @ef00558 (ILiFi, LibSwap, AcrossFacetV4, StargateFacetV2,
// GenericSwapFacetV3, FeeForwarder, FeeCollector) and Sushi's RouteProcessor.
// Knows no page and no pinned address.
import { type Fields, List, Malformed, type Value, read, typeName, write } from './route-abi.ts';
import type { Hex } from './data.ts';

/** One call on the way: of an exchange, a taker of fees or, where it ends, of the contract that is paid. */
const swapData = {
  callTo: 'address',
  approveTo: 'address',
  sendingAssetId: 'address',
  receivingAssetId: 'address',
  fromAmount: 'uint256',
  callData: 'bytes',
  requiresDeposit: 'bool',
} as const satisfies Fields;

const bridgeData = {
  transactionId: 'bytes32',
  bridge: 'string',
  integrator: 'string',
  referrer: 'address',
  sendingAssetId: 'address',
  receiver: 'address',
  minAmount: 'uint256',
  destinationChainId: 'uint256',
  hasSourceSwaps: 'bool',
  hasDestinationCall: 'bool',
} as const satisfies Fields;

/** Its addresses fill whole words, because Across also serves chains with longer ones. */
const acrossData = {
  receiverAddress: 'bytes32',
  refundAddress: 'bytes32',
  sendingAssetId: 'bytes32',
  receivingAssetId: 'bytes32',
  /** Not used after source swaps. */
  outputAmount: 'uint256',
  /** 1e18 is one for one, in base units of both chains. */
  outputAmountMultiplier: 'uint128',
  exclusiveRelayer: 'bytes32',
  /** Seconds since 1970, as fillDeadline. */
  quoteTimestamp: 'uint32',
  fillDeadline: 'uint32',
  /** None, seconds from the deposit, or above a year seconds since 1970. */
  exclusivityParameter: 'uint32',
  message: 'bytes',
} as const satisfies Fields;

const stargateData = {
  assetId: 'uint16',
  sendParams: {
    /** LayerZero's number of the destination. */
    dstEid: 'uint32',
    to: 'bytes32',
    /** Overwritten by the facet. */
    amountLD: 'uint256',
    /** In the source chain's base units. */
    minAmountLD: 'uint256',
    extraOptions: 'bytes',
    composeMsg: 'bytes',
    oftCmd: 'bytes',
  },
  fee: { nativeFee: 'uint256', lzTokenFee: 'uint256' },
  /** Gets native currency that is left over. */
  refundAddress: 'address',
} as const satisfies Fields;

const generic = {
  transactionId: 'bytes32',
  integrator: 'string',
  referrer: 'string',
  receiver: 'address',
  minAmountOut: 'uint256',
} as const satisfies Fields;

/** What a bridge carries to LI.FI's receiver: calls to make with the money, and who gets it if they fail, or what is left. */
const message = { transactionId: 'bytes32', swapData: new List(swapData, 8), receiver: 'address' } as const satisfies Fields;

export type SwapData = Value<typeof swapData>;
export type BridgeData = Value<typeof bridgeData>;
export type AcrossData = Value<typeof acrossData>;
export type StargateData = Value<typeof stargateData>;
export type GenericSwap = Value<typeof generic>;
export type Message = Value<typeof message>;

const swaps = new List(swapData, 8);

/** A function: its name and its arguments. */
export interface Func<F extends Fields = Fields> {
  readonly name: string;
  readonly inputs: F;
}

/** The functions of LI.FI's contract, by their selectors. The packed ones and AcrossV4Swap hide what they do in bytes that only LI.FI's backend can read. */
export const functions = {
  '0xa1f1ce43': { name: 'startBridgeTokensViaAcrossV4', inputs: { bridgeData, acrossData } },
  '0x1794958f': { name: 'swapAndStartBridgeTokensViaAcrossV4', inputs: { bridgeData, swapData: swaps, acrossData } },
  '0x14d53077': { name: 'startBridgeTokensViaStargate', inputs: { bridgeData, stargateData } },
  '0xa6010a66': { name: 'swapAndStartBridgeTokensViaStargate', inputs: { bridgeData, swapData: swaps, stargateData } },
  '0x4666fc80': { name: 'swapTokensSingleV3ERC20ToERC20', inputs: { ...generic, swapData } },
  '0x5fd9ae2e': { name: 'swapTokensMultipleV3ERC20ToERC20', inputs: { ...generic, swapData: swaps } },
} as const satisfies Record<Hex, Func>;

export const approval = { name: 'approve', inputs: { spender: 'address', amount: 'uint256' } } as const satisfies Func;

/** What the takers of fees are called with, by the selectors: FeeForwarder's function, and FeeCollector's. */
export const feeFunctions = {
  '0x332d746b': { name: 'forwardERC20Fees', inputs: { token: 'address', distributions: new List({ recipient: 'address', amount: 'uint256' } as const, 8) } },
  '0xeedd56e1': { name: 'collectTokenFees', inputs: { token: 'address', integratorFee: 'uint256', lifiFee: 'uint256', integrator: 'address' } },
} as const satisfies Record<Hex, Func>;

/** What exchanges are called with: the route is opaque, and the contract reverts unless `to` holds so much more of tokenOut afterwards. */
export const processRoute = {
  name: 'processRoute',
  inputs: { tokenIn: 'address', amountIn: 'uint256', tokenOut: 'address', amountOutMin: 'uint256', to: 'address', route: 'bytes' },
} as const satisfies Func;

export const selectors = { approve: '0x095ea7b3', processRoute: '0x2646478b' } as const;

export const signature = (f: Func): string => `${f.name}(${typeName(f.inputs)})`;

/** A call of LI.FI's contract. Which parts there are follows from the function: bridge with across or stargate, or swap. */
export interface RouteCall {
  readonly signature: string;
  readonly bridge: BridgeData | null;
  readonly across: AcrossData | null;
  readonly stargate: StargateData | null;
  readonly swap: GenericSwap | null;
  /** On the source chain, before the bridge or as the whole. */
  readonly swaps: readonly SwapData[];
  /** Whether the function takes swaps at all, and whether exactly one. */
  readonly swapping: 'none' | 'one' | 'many';
}

/** Real routes have 2 to 6 kB. */
const maxBytes = 64 << 10;

/** Calldata in lower case. Throws Malformed. */
export function readHex(data: unknown): Hex {
  if (typeof data !== 'string' || data.length > 2 + 2 * maxBytes || data.length % 2 || !/^0x[0-9a-fA-F]{8,}$/.test(data)) throw new Malformed('calldata', 'not calldata');
  return data.toLowerCase() as Hex;
}

/**
 * Reads a call of LI.FI's contract that is exactly what writeCall makes of the
 * result: one of the six functions, every dynamic part directly behind the one
 * before, no dirty bits, no byte that belongs to nothing. Any other bytes are
 * refused, even where the contract would accept them. Throws Malformed.
 */
export function readCall(data: Hex): RouteCall {
  const selector = data.slice(0, 10);
  if (!Object.hasOwn(functions, selector)) throw new Malformed('selector', `${selector} is no function that can be verified`);
  const f = functions[selector as keyof typeof functions];
  type Parts = Partial<{ bridgeData: BridgeData; acrossData: AcrossData; stargateData: StargateData; swapData: SwapData | readonly SwapData[] }>;
  const parts = read(f.inputs as Fields, data.slice(10)) as Parts;
  const { bridgeData: bridge = null, acrossData: across = null, stargateData: stargate = null, swapData: given } = parts;
  const many = Array.isArray(given);
  return {
    signature: signature(f),
    bridge,
    across,
    stargate,
    swap: bridge ? null : (parts as GenericSwap),
    swaps: many ? given : given ? [given as SwapData] : [],
    swapping: many ? 'many' : given ? 'one' : 'none',
  };
}

/** What the contract pulls from the payer: what an approval must allow, and all that it may. */
export function deposit({ bridge, swaps: legs, swapping }: RouteCall): bigint {
  if (swapping === 'none') return bridge?.minAmount ?? 0n;
  // The function for one swap pulls whatever requiresDeposit says.
  return legs.filter((s) => s.requiresDeposit || swapping === 'one').reduce((sum, s) => sum + s.fromAmount, 0n);
}

/** Throws Malformed. */
export const readMessage = (data: Hex): Message => read(message, data.slice(2));

/** What a fee leg takes, of which token, and for whom; LI.FI's own share in the collector is for nobody here. */
export interface FeeCall {
  readonly token: Hex;
  readonly shares: readonly { readonly recipient: Hex; readonly amount: bigint }[];
  readonly total: bigint;
  /** By the older contract's function. */
  readonly collected: boolean;
}

/** Throws Malformed. */
export function readFee(data: Hex): FeeCall {
  const selector = data.slice(0, 10);
  if (selector === '0xeedd56e1') {
    const v = read(feeFunctions[selector].inputs, data.slice(10));
    return { token: v.token, shares: [{ recipient: v.integrator, amount: v.integratorFee }], total: v.integratorFee + v.lifiFee, collected: true };
  }
  if (selector !== '0x332d746b') throw new Malformed('fee', `${selector} is no function that takes fees`);
  const v = read(feeFunctions[selector].inputs, data.slice(10));
  return { token: v.token, shares: v.distributions, total: v.distributions.reduce((sum, s) => sum + s.amount, 0n), collected: false };
}

/** Throws Malformed. */
export function readExchange(data: Hex): Value<typeof processRoute.inputs> {
  if (data.slice(0, 10) !== selectors.processRoute) throw new Malformed('exchange', `${data.slice(0, 10)} is no function that exchanges`);
  return read(processRoute.inputs, data.slice(10));
}

/** Throws Malformed. */
export function readApproval(data: Hex): Value<typeof approval.inputs> {
  if (data.slice(0, 10) !== selectors.approve) throw new Malformed('approval', `${data.slice(0, 10)} is no approval`);
  return read(approval.inputs, data.slice(10));
}

/** The calldata of a function of this file. */
export const writeCall = <F extends Fields>(selector: Hex, f: Func<F>, values: Value<F>): Hex => `${selector}${write(f.inputs, values)}`;
