// Compares a route with the payment that this page displays and with the table
// built into this script, field by field, and refuses every difference: the
// server's rules (internal/lifi), made anew. The contracts compare less than one
// would think: with a call on the destination nothing on chain says who gets the
// money, which asset goes into the bridge, or what comes out.
import { Malformed } from './route-abi.ts';
import {
  type AcrossData, type BridgeData, type Message, type RouteCall, type StargateData, type SwapData,
  deposit, readApproval, readCall, readExchange, readFee, readMessage,
} from './route-calls.ts';
import type { Asset, Hex, Item, Payment } from './data.ts';
import type { Pins } from './route-pins.ts';
import type { RouteCheck, RouteToken, RouteTools, RouteWay } from './route-types.ts';
import { maxUint256 } from './units.ts';
import type { Call, RegistryChain } from './verify.ts';

/** A transaction of an answer, its bytes in lower case. */
export interface Tx {
  readonly to: Hex;
  readonly data: Hex;
  readonly value: unknown;
}

/** What a route is compared with. */
export interface Agreed {
  readonly tools: RouteTools;
  readonly p: Payment;
  readonly way: RouteWay;
  /** In lower case. */
  readonly wallet: Hex;
  readonly refunds: Hex;
  readonly from: Pins;
  readonly to: Pins;
  /** Who knows the payment's chain for verifyCall and verifyPlan. */
  readonly known: RegistryChain;
  readonly source: RouteToken;
  /** The payment's asset, and as the table knows it. */
  readonly asset: Asset;
  readonly target: RouteToken;
  readonly item: Item;
  /** Amount and fee, in base units of asset. */
  readonly due: bigint;
  readonly crosses: boolean;
  readonly now: number;
}

/** What came of comparing. */
export interface Proof {
  readonly deposit: bigint;
  readonly arrives: bigint;
  readonly feeLegs: bigint;
  readonly nativeFee: bigint;
  /** What goes into the bridge, null on one chain. */
  readonly bridged: RouteToken | null;
  /** The payment on arrival, null on one chain. */
  readonly payment: Call | null;
}

const zero = '0x0000000000000000000000000000000000000000';
/** An Across multiplier of one for one. */
const one = 10n ** 18n;
/** The most that fee legs may take together, in basis points: LI.FI's own fee is 25. */
const maxFee = 30n;

// How long an Across deposit may wait, in milliseconds from now. Its SpokePool
// takes quotes of the last hour and deadlines within six hours.
const minute = 60_000;
export const maxQuoteAge = 30 * minute;
const clockSkew = minute;
const minFill = 5 * minute;
const maxFill = 365 * minute;
const maxExclusivity = 10 * minute;
/** The SpokePool's, in seconds: up to here the parameter counts from the deposit, above it is a point in time. */
const maxExclusivityPeriod = 365n * 86_400n;

const clip = (v: unknown): string => {
  const text = String(v);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
};

/** Turns base units of one number of decimals into those of another, rounded down. */
export function rescale(units: bigint, from: number, to: number): bigint {
  return to >= from ? units * 10n ** BigInt(to - from) : units / 10n ** BigInt(from - to);
}

/** Reads something, and refuses what cannot be read. */
function reading<T>(v: Agreed, check: RouteCheck, read: () => T): T {
  try {
    return read();
  } catch (err) {
    if (!(err instanceof Malformed)) throw err;
    throw new v.tools.Refusal(check, err.field, 'the canonical encoding', err.why);
  }
}

function same(v: Agreed, check: RouteCheck, field: string, expected: unknown, found: unknown): void {
  if (expected !== found) throw new v.tools.Refusal(check, field, clip(expected), clip(found));
}

function refuseIf(v: Agreed, bad: boolean, check: RouteCheck, field: string, expected: unknown, found: unknown): void {
  if (bad) throw new v.tools.Refusal(check, field, clip(expected), clip(found));
}

/** An address that fills a word. Its upper bytes matter: Across knows chains on which they are part of it. */
function wordIs(v: Agreed, check: RouteCheck, field: string, expected: Hex, found: Hex): void {
  refuseIf(v, expected === zero, check, field, 'a known contract', found);
  same(v, check, field, `0x${expected.slice(2).padStart(64, '0')}`, found);
}

/**
 * Compares LI.FI's call, which is one of its pinned contract, and the approvals
 * before it with what was agreed to, by the checks' order. Throws Refusal for the
 * first difference.
 */
export function verify(v: Agreed, approvals: readonly Tx[], tx: Tx): { call: RouteCall; proof: Proof } {
  const call = reading(v, 'route_calldata', () => readCall(tx.data));
  same(v, 'route_calldata', 'kind of function', v.crosses, call.bridge !== null);
  const nativeFee = verifyValue(v, call, tx);
  const takes = deposit(call);
  verifyApprovals(v, approvals, takes);
  const { out, feeLegs } = verifySource(v, call, takes);
  if (call.swap) {
    same(v, 'route_receiver', 'receiver', v.wallet, call.swap.receiver);
    same(v, 'route_receiver', 'asset that comes out', v.target.address, out.address);
    covers(v, call.swap.minAmountOut);
    return { call, proof: { deposit: takes, arrives: call.swap.minAmountOut, feeLegs, nativeFee, bridged: null, payment: null } };
  }
  // A function that is none of one chain's has these.
  const bridge = call.bridge as BridgeData;
  verifyBridge(v, call, bridge, out);
  const { across, stargate } = call;
  if (across) acrossReceiver(v, across);
  if (stargate) stargateReceiver(v, stargate, out);
  const message = messageOf(across?.message ?? stargate?.sendParams.composeMsg ?? '0x');
  verifyRefund(v, across, stargate, message);
  const arrives = across ? acrossOutput(v, call, bridge, across, out) : stargateOutput(v, bridge, stargate as StargateData, out);
  if (across) acrossTimes(v, across);
  return { call, proof: { deposit: takes, arrives, feeLegs, nativeFee, bridged: out, payment: verifyPayment(v, message) } };
}

/** No native currency, or the bridge's fee within its limit. */
function verifyValue(v: Agreed, { stargate }: RouteCall, tx: Tx): bigint {
  const fee = stargate?.fee.nativeFee ?? 0n;
  refuseIf(v, fee > v.from.maxNativeFee, 'route_value', 'fee of the bridge', `at most ${v.from.maxNativeFee} wei`, fee);
  same(v, 'route_value', 'fee in LayerZero\'s token', 0n, stargate?.fee.lzTokenFee ?? 0n);
  same(v, 'route_value', 'value', fee, readValue(tx.value));
  return fee;
}

/** The value of a transaction as a 0x quantity; a text, which equals no amount, when it is anything else. */
const readValue = (value: unknown): bigint | string =>
  typeof value === 'string' && /^0x[0-9a-fA-F]{1,64}$/.test(value) ? BigInt(value) : `${clip(value)} (not a quantity)`;

/** None, an approval, or a reset with an approval after it: for LI.FI's contract and for exactly what it takes. */
function verifyApprovals(v: Agreed, approvals: readonly Tx[], takes: bigint): void {
  const most = v.source.resetAllowance ? 2 : 1;
  refuseIf(v, approvals.length > most, 'route_approval', 'number of approvals', `at most ${most}`, approvals.length);
  approvals.forEach((tx, i) => {
    same(v, 'route_approval', 'asset that is approved', v.source.address, tx.to);
    same(v, 'route_approval', 'value sent with an approval', 0n, readValue(tx.value));
    const { spender, amount } = reading(v, 'route_approval', () => readApproval(tx.data));
    same(v, 'route_approval', 'spender', v.from.diamond, spender);
    same(v, 'route_approval', 'approved amount', i < approvals.length - 1 ? 0n : takes, amount);
  });
}

/**
 * Follows the money on the payer's chain: what LI.FI's contract pulls, what the
 * fee legs take of it, and an exchange of all the rest. That contract itself
 * checks only that it may call each target, and what is left in the end.
 */
function verifySource(v: Agreed, call: RouteCall, takes: bigint): { out: RouteToken; feeLegs: bigint } {
  refuseIf(v, takes <= 0n || takes > v.way.most, 'route_source', 'amount that is taken', `at most ${v.way.most}`, takes);
  const { out, rest, fees } = legs(v, call, takes);
  const limit = (takes * maxFee) / 10_000n;
  refuseIf(v, fees > limit, 'route_source', 'fees', `at most ${limit}`, fees);
  if (call.bridge) {
    same(v, 'route_source', 'asset that is left for the bridge', out.address, call.bridge.sendingAssetId);
    // What comes of an exchange is never exact, and bounded by minAmount.
    if (rest !== null) refuseIf(v, call.bridge.minAmount > rest, 'route_source', 'amount for the bridge', `at most ${rest}`, call.bridge.minAmount);
  }
  return { out, feeLegs: fees };
}

/** The asset that the source swaps leave, how much of it, and what fees took. */
function legs(v: Agreed, call: RouteCall, takes: bigint): { out: RouteToken; rest: bigint | null; fees: bigint } {
  if (call.swapping === 'none') return { out: v.source, rest: takes, fees: 0n };
  let have = 0n;
  let fees = 0n;
  for (const [i, leg] of call.swaps.entries()) {
    same(v, 'route_source', 'asset that is spent', v.source.address, leg.sendingAssetId);
    if (leg.requiresDeposit || call.swapping === 'one') have += leg.fromAmount;
    same(v, 'route_source', 'contract that a leg allows', leg.callTo, leg.approveTo);
    if (leg.callTo !== zero && (leg.callTo === v.from.feeForwarder || leg.callTo === v.from.feeCollector)) {
      const taken = feeLeg(v, leg, have);
      have -= taken;
      fees += taken;
      continue;
    }
    refuseIf(v, !v.from.exchanges.includes(leg.callTo), 'route_source', 'contract of a leg', 'a known one', leg.callTo);
    same(v, 'route_source', 'place of the exchange', call.swaps.length - 1, i);
    return { out: exchangeLeg(v, leg, have), rest: null, fees };
  }
  return { out: v.source, rest: have, fees };
}

/** What a fee leg takes. */
function feeLeg(v: Agreed, leg: SwapData, have: bigint): bigint {
  same(v, 'route_source', 'asset a fee leg leaves', v.source.address, leg.receivingAssetId);
  const fee = reading(v, 'route_source', () => readFee(leg.callData));
  same(v, 'route_source', 'contract of the fee leg\'s function', fee.collected ? v.from.feeCollector : v.from.feeForwarder, leg.callTo);
  same(v, 'route_source', 'asset of the fee', v.source.address, fee.token);
  for (const { recipient, amount } of fee.shares) {
    const nobody = recipient === zero || recipient === v.from.diamond; // lost, or anyone's
    refuseIf(v, amount > 0n && nobody, 'route_source', 'receiver of a fee', 'somebody', recipient);
  }
  const most = leg.fromAmount < have ? leg.fromAmount : have;
  refuseIf(v, fee.total > most, 'route_source', 'fee', `at most ${most}`, fee.total);
  return fee.total;
}

/** All that is left, back to LI.FI's contract, which checks how much came. Returns what it is exchanged for. */
function exchangeLeg(v: Agreed, leg: SwapData, have: bigint): RouteToken {
  same(v, 'route_source', 'amount to exchange', have, leg.fromAmount);
  const out = v.from.tokens.find((t) => t.address === leg.receivingAssetId);
  if (!out || out === v.source) throw new v.tools.Refusal('route_source', 'asset it is exchanged for', 'another known one', leg.receivingAssetId);
  const c = reading(v, 'route_source', () => readExchange(leg.callData));
  same(v, 'route_source', 'asset the exchange takes', leg.sendingAssetId, c.tokenIn);
  same(v, 'route_source', 'amount the exchange takes', leg.fromAmount, c.amountIn);
  same(v, 'route_source', 'asset the exchange gives', leg.receivingAssetId, c.tokenOut);
  same(v, 'route_source', 'receiver of the exchange', v.from.diamond, c.to);
  return out;
}

/** The right asset for the right chain. That it is bridgeData's, and a known one, is the source's to tell. */
function verifyBridge(v: Agreed, { swapping, across, stargate }: RouteCall, b: BridgeData, bridged: RouteToken): void {
  refuseIf(v, b.minAmount <= 0n, 'route_bridge', 'amount for the bridge', 'more than nothing', b.minAmount);
  same(v, 'route_bridge', 'destination chain', BigInt(v.to.id), b.destinationChainId);
  same(v, 'route_bridge', 'mark of source swaps', swapping !== 'none', b.hasSourceSwaps);
  same(v, 'route_bridge', 'mark of a call on the destination', true, b.hasDestinationCall);
  refuseIf(v, b.receiver === zero, 'route_bridge', 'receiver', 'somebody', b.receiver); // LI.FI's contract would refuse it
  if (across) wordIs(v, 'route_bridge', 'asset that Across takes', bridged.address, across.sendingAssetId);
  if (stargate) {
    same(v, 'route_bridge', 'Stargate\'s command', '0x', stargate.sendParams.oftCmd); // a bus carries no call
    const wrong = optionsProblem(stargate.sendParams.extraOptions.slice(2));
    refuseIf(v, wrong !== '', 'route_bridge', 'options of the bridge', 'gas for the call', wrong);
  }
}

function acrossReceiver(v: Agreed, a: AcrossData): void {
  wordIs(v, 'route_receiver', 'contract that gets the money', v.to.receiverAcross, a.receiverAddress);
  wordIs(v, 'route_receiver', 'asset that Across gives', v.target.address, a.receivingAssetId);
}

function stargateReceiver(v: Agreed, { sendParams }: StargateData, bridged: RouteToken): void {
  wordIs(v, 'route_receiver', 'contract that gets the money', v.to.receiverStargate, sendParams.to);
  refuseIf(v, v.to.endpoint === 0, 'route_receiver', 'destination of the bridge', 'a known one', sendParams.dstEid);
  same(v, 'route_receiver', 'destination of the bridge', BigInt(v.to.endpoint), sendParams.dstEid);
  // Stargate gives what it takes. Nothing in the calldata says which asset that is over there.
  same(v, 'route_receiver', 'asset that Stargate gives', v.target.symbol, bridged.symbol);
}

/** The message, or what is wrong with it: that is the payment's to tell. */
function messageOf(data: Hex): Message | Malformed {
  try {
    return readMessage(data);
  } catch (err) {
    if (err instanceof Malformed) return err;
    throw err;
  }
}

/** Whatever cannot be delivered comes back to the payer. */
function verifyRefund(v: Agreed, across: AcrossData | null, stargate: StargateData | null, m: Message | Malformed): void {
  if (across) wordIs(v, 'route_refund', 'address that gets refunds', v.refunds, across.refundAddress);
  if (stargate) same(v, 'route_refund', 'address that gets refunds', v.refunds, stargate.refundAddress);
  if (!(m instanceof Malformed)) same(v, 'route_refund', 'address that gets what is left on arrival', v.refunds, m.receiver);
}

/** What is sure to arrive covers the payment and its fee. */
function covers(v: Agreed, sure: bigint): bigint {
  refuseIf(v, sure < v.due, 'route_output', 'amount that is sure to arrive', `at least ${v.due}`, sure);
  return sure;
}

/** Relayers pay what is asked for: less than the payment, and it fails; more than goes in, and nobody pays at all. */
function acrossOutput(v: Agreed, { swapping }: RouteCall, b: BridgeData, a: AcrossData, bridged: RouteToken): bigint {
  if (swapping === 'none') {
    const par = rescale(b.minAmount, bridged.decimals, v.target.decimals);
    refuseIf(v, a.outputAmount > par, 'route_output', 'amount asked of the bridge', `at most ${par}`, a.outputAmount);
    return covers(v, a.outputAmount);
  }
  const par = rescale(one, bridged.decimals, v.target.decimals);
  refuseIf(v, a.outputAmountMultiplier > par, 'route_output', 'multiplier', `at most ${par}`, a.outputAmountMultiplier);
  // The contract puts what the swaps left, at least minAmount, in place of outputAmount.
  return covers(v, (b.minAmount * a.outputAmountMultiplier) / one);
}

function stargateOutput(v: Agreed, b: BridgeData, { sendParams }: StargateData, bridged: RouteToken): bigint {
  refuseIf(v, sendParams.minAmountLD > b.minAmount, 'route_output', 'amount asked of the bridge', `at most ${b.minAmount}`, sendParams.minAmountLD);
  return covers(v, rescale(sendParams.minAmountLD, bridged.decimals, v.target.decimals));
}

/** Neither stale nor open for long. */
function acrossTimes(v: Agreed, a: AcrossData): void {
  const quoted = Number(a.quoteTimestamp) * 1_000;
  const fill = Number(a.fillDeadline) * 1_000;
  refuseIf(v, quoted < v.now - maxQuoteAge || quoted > v.now + clockSkew, 'route_deadline', 'time of the quote', 'now', stamp(quoted));
  refuseIf(v, fill < v.now + minFill || fill > v.now + maxFill, 'route_deadline', 'end of delivery', 'in hours', stamp(fill));
  if (a.exclusivityParameter === 0n) return;
  refuseIf(v, BigInt(a.exclusiveRelayer) === 0n, 'route_deadline', 'relayer it is reserved for', 'somebody', a.exclusiveRelayer);
  const exclusive = Number(a.exclusivityParameter) * 1_000 + (a.exclusivityParameter > maxExclusivityPeriod ? 0 : v.now);
  refuseIf(v, exclusive > v.now + maxExclusivity, 'route_deadline', 'end of a relayer\'s reservation', 'in minutes', stamp(exclusive));
}

export const stamp = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

/** Below what LI.FI's receiver keeps back (100,000) and the transfers of the fee proxy take, the payment would surely fail. */
const minComposeGas = 200_000n;

/**
 * What is wrong with LayerZero's options, "" if nothing is. They are of type 3:
 * gas for delivery and for the call. Native currency for anyone, and anything
 * unknown, is refused. Source: LayerZero V2, ExecutorOptions and OptionsBuilder.
 */
function optionsProblem(digits: string): string {
  if (!digits.startsWith('0003')) return 'not of type 3';
  let rest = digits.slice(4);
  while (rest) {
    if (rest.length < 8 || !rest.startsWith('01')) return 'not for the executor';
    const bytes = parseInt(rest.slice(2, 6), 16);
    if (bytes < 1 || rest.length < 6 + 2 * bytes) return 'cut short';
    const kind = rest.slice(6, 8);
    const body = rest.slice(8, 6 + 2 * bytes);
    rest = rest.slice(6 + 2 * bytes);
    const delivery = kind === '01' && bytes === 17;
    const firstCall = kind === '03' && bytes === 19 && body.startsWith('0000');
    if (!delivery && !firstCall) return `option ${kind} with ${bytes} bytes`;
    if (firstCall && BigInt(`0x${body.slice(4)}`) < minComposeGas) return 'too little gas for the payment';
  }
  return '';
}

/** On arrival exactly this payment is made: LI.FI's receiver takes any calls, here it is one, the fee proxy's, byte for byte. */
function verifyPayment(v: Agreed, m: Message | Malformed): Call {
  if (m instanceof Malformed) throw new v.tools.Refusal('route_payment', `call on arrival, ${m.field}`, 'the canonical encoding', m.why);
  const [leg] = m.swapData;
  if (!leg || m.swapData.length > 1) throw new v.tools.Refusal('route_payment', 'calls on arrival', '1', String(m.swapData.length));
  same(v, 'route_payment', 'contract called on arrival', v.to.feeProxy, leg.callTo);
  same(v, 'route_payment', 'contract allowed on arrival', v.to.feeProxy, leg.approveTo);
  same(v, 'route_payment', 'asset spent on arrival', v.target.address, leg.sendingAssetId);
  same(v, 'route_payment', 'asset left on arrival', v.target.address, leg.receivingAssetId);
  same(v, 'route_payment', 'mark of a deposit on arrival', false, leg.requiresDeposit);
  same(v, 'route_payment', 'amount spent on arrival', v.due, leg.fromAmount);
  try {
    return v.tools.verifyCall(v.known, v.p, { to: leg.callTo, data: leg.callData, value: '0x0' });
  } catch (err) {
    // The payment's own check says which field it is; here it is the route's.
    if (err instanceof v.tools.Refusal) throw new v.tools.Refusal('route_payment', err.field, err.expected, err.found);
    throw err;
  }
}

/** What both sides must be for anything to be compared. Throws Refusal. */
export function agree(tools: RouteTools, networks: readonly Pins[], p: Payment, way: RouteWay, chainId: unknown, now: number): Agreed {
  const refuse = (check: RouteCheck, field: string, expected: unknown, found: unknown): never => {
    throw new tools.Refusal(check, field, clip(expected), clip(found));
  };
  const from = networks.find((n) => n.id === way.chain) ?? refuse('route_target', 'chain', 'a chain that routes start from', way.chain);
  const to = networks.find((n) => n.id === p.chain.id) ?? refuse('route_target', 'chain', 'a chain that routes end on', p.chain.id);
  const known = (Object.hasOwn(tools.registry, p.chain.id) && tools.registry[p.chain.id]) || refuse('route_target', 'chain', 'a known chain', p.chain.id);
  if (chainId !== way.chain) refuse('route_target', 'chain', way.chain, chainId);
  if (from.sandbox !== to.sandbox || to.sandbox !== p.sandbox) refuse('route_target', 'sandbox', p.sandbox, from.sandbox);
  const crosses = from.id !== to.id;
  if (way.type !== (crosses ? 'crosschain' : 'samechain_conversion')) refuse('route_target', 'kind of way', crosses ? 'crosschain' : 'samechain_conversion', way.type);

  const source = from.tokens.find((t) => t.address === way.token.toLowerCase()) ?? refuse('route_source', 'asset', 'a known asset', way.token);
  if (source.symbol !== way.symbol || source.decimals !== way.decimals) refuse('route_source', 'asset', `${source.symbol}, ${source.decimals}`, `${way.symbol}, ${way.decimals}`);
  if (way.most <= 0n) refuse('route_source', 'most to give', 'more than nothing', way.most);
  const [wallet, refunds] = [way.wallet, way.refunds ?? way.wallet].map((a) => {
    const lower = a.toLowerCase() as Hex;
    return !/^0x[0-9a-f]{40}$/.test(lower) || lower === zero ? refuse('route_refund', 'wallet', 'an account', a) : lower;
  }) as [Hex, Hex];

  const asset = p.assets[0];
  const item = p.items[0];
  if (p.batch || p.items.length > 1 || p.assets.length > 1) refuse('route_payment', 'payments', 1, p.items.length);
  const target = to.tokens.find((t) => t.address === asset.address.toLowerCase()) ?? refuse('route_payment', 'asset', 'a known asset', asset.address);
  if (asset.native || target.symbol !== asset.symbol || target.decimals !== asset.decimals) refuse('route_payment', 'asset', `${target.symbol}, ${target.decimals}`, `${asset.symbol}, ${asset.decimals}`);
  if (!crosses && source === target) refuse('route_source', 'asset', 'something to exchange', way.symbol);
  const due = item.amount + item.fee;
  if (item.amount <= 0n || item.fee < 0n || due > maxUint256) refuse('route_payment', 'amount', 'a possible amount', due);
  return { tools, p, way, wallet, refunds, from, to, known, source, asset, target, item, due, crosses, now };
}
