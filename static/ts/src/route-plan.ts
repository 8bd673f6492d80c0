// Reads an answer's transactions as a route, has it compared, and makes the calls
// that the payer sees and signs. Knows no DOM, wallet or network.
import { Malformed } from './route-abi.ts';
import { type RouteCall, approval, readHex, selectors, signature, writeCall } from './route-calls.ts';
import { type Hex, fields, isAddress } from './data.ts';
import type { Pins } from './route-pins.ts';
import type { RoutePlan, RouteToken, SourceAsset, VerifyRoute } from './route-types.ts';
import { type Agreed, type Proof, type Tx, agree, maxQuoteAge, rescale, stamp, verify } from './route-verify.ts';
import { display } from './units.ts';
import type { Call } from './verify.ts';

/** How long an offer is fresh: the routing service speaks of about a minute, and a payer needs some of it to sign. */
const quoteLife = 45_000;
/** Kept between a transaction's inclusion and the bridge's own deadline, so that somebody can still deliver. */
const executionMargin = 10 * 60_000;

const sourceAsset: SourceAsset = -1;

/** VerifyRoute by a table. */
export const verifierBy =
  (table: readonly Pins[]): VerifyRoute =>
  (tools, p, way, transactions, chainId, now) => {
    const v = agree(tools, table, p, way, chainId, now);
    const { approvals, tx, rest } = split(v, transactions);
    const { call, proof } = verify(v, approvals, tx);
    const payment = v.crosses ? [] : tools.verifyPlan(v.known, p, rest, chainId);
    const { across, stargate } = call;
    // Stargate and exchanges name no end.
    const deadline = across ? Math.min(Number(across.quoteTimestamp) * 1_000 + maxQuoteAge, Number(across.fillDeadline) * 1_000 - executionMargin) : 0;
    const given = rescale(proof.arrives, v.target.decimals, v.source.decimals);
    const plan: RoutePlan = {
      calls: Object.freeze([...approvals.map((_, i) => allowance(v, i < approvals.length - 1 ? 0n : proof.deposit)), routed(v, tx, call, proof), ...payment]),
      deposit: proof.deposit,
      arrives: proof.arrives,
      fee: proof.deposit > given ? proof.deposit - given : 0n,
      feeLegs: proof.feeLegs,
      nativeFee: proof.nativeFee,
      bridge: across ? 'across' : stargate ? 'stargateV2' : '',
      deadline,
      fresh: deadline ? Math.min(now + quoteLife, deadline) : now + quoteLife,
    };
    return Object.freeze(plan);
  };

/** Parts an answer at the call of LI.FI's contract. */
function split(v: Agreed, transactions: unknown): { approvals: Tx[]; tx: Tx; rest: readonly unknown[] } {
  const { Refusal } = v.tools;
  if (!Array.isArray(transactions)) throw new Refusal('route_target', 'transactions', 'a list', typeof transactions);
  // Each part may have a reset and an approval.
  const most = v.crosses ? 3 : 6;
  if (transactions.length < 1 || transactions.length > most) throw new Refusal('route_target', 'number of transactions', `1 to ${most}`, String(transactions.length));
  const all = transactions.map((t: unknown) => readTx(v, t));
  const at = all.findIndex((t) => t.to === v.from.diamond);
  const tx = all[at];
  const rest = transactions.slice(at + 1) as readonly unknown[];
  if (!tx) throw new Refusal('route_target', 'target', `LI.FI's contract ${v.from.diamond}`, all.at(-1)?.to ?? '');
  if (v.crosses ? rest.length > 0 : rest.length === 0) throw new Refusal('route_target', 'number of transactions after LI.FI\'s', v.crosses ? 'none' : 'the payment', String(rest.length));
  return { approvals: all.slice(0, at), tx, rest };
}

function readTx(v: Agreed, given: unknown): Tx {
  const { Refusal } = v.tools;
  const t = fields(given) ?? {};
  const to = t['to'];
  if (!isAddress(to)) throw new Refusal('route_target', 'target', 'an address', String(to).slice(0, 100));
  const id = typeof t['chainId'] === 'string' && /^0x[0-9a-f]{1,13}$/.test(t['chainId']) ? Number(t['chainId']) : t['chainId'];
  if (id !== undefined && id !== v.way.chain) throw new Refusal('route_target', 'chain', String(v.way.chain), String(id).slice(0, 100));
  const from = t['from'];
  if (from !== undefined && String(from).toLowerCase() !== v.wallet) throw new Refusal('route_target', 'sender', v.way.wallet, String(from).slice(0, 100));
  try {
    return { to: to.toLowerCase() as Hex, data: readHex(t['data']), value: t['value'] };
  } catch (err) {
    if (err instanceof Malformed) throw new Refusal('route_calldata', err.field, 'bytes', err.why);
    throw err;
  }
}

const money = (units: bigint, { decimals, symbol }: Pick<RouteToken, 'decimals' | 'symbol'>): string => `${units} (${display(units, decimals)} ${symbol})`;

/** The approval of so much for LI.FI's contract, made here: what was given is the same. */
function allowance(v: Agreed, amount: bigint): Call {
  return Object.freeze<Call>({
    kind: amount ? 'approve' : 'reset',
    asset: sourceAsset,
    to: v.tools.checksum(v.source.address),
    data: writeCall(selectors.approve, approval, { spender: v.from.diamond, amount }),
    value: 0n,
    targetName: `${v.source.symbol} token`,
    signature: signature(approval),
    args: [
      ['spender', v.tools.checksum(v.from.diamond)],
      ['approved amount', money(amount, v.source)],
    ],
  });
}

/** LI.FI's call, with what it does in the order in which it is done. */
function routed(v: Agreed, tx: Tx, call: RouteCall, proof: Proof): Call {
  const { checksum } = v.tools;
  const { across, bridge } = call;
  const last = call.swaps.at(-1);
  const exchange = last && v.from.exchanges.includes(last.callTo) ? last : null;
  const args: (readonly [string, string])[] = [['you give', money(proof.deposit, v.source)]];
  if (proof.feeLegs) args.push(['fee of LI.FI', money(proof.feeLegs, v.source)]);
  if (exchange) args.push(['exchanged by', checksum(exchange.callTo)]);
  if (bridge && proof.bridged) {
    args.push(
      ['bridge', across ? 'Across' : 'Stargate'],
      ['into the bridge', `at least ${money(bridge.minAmount, proof.bridged)}`],
      ['to chain', `${v.to.name} (${v.to.id})`],
      ['received there by', `LI.FI's contract ${checksum(across ? v.to.receiverAcross : v.to.receiverStargate)}`],
    );
    if (proof.nativeFee) args.push(['fee of the bridge', `${proof.nativeFee} (${display(proof.nativeFee, v.from.native.decimals)} ${v.from.native.symbol})`]);
    if (across) args.push(['delivered until', stamp(Number(across.fillDeadline) * 1_000)]);
  }
  args.push([bridge ? 'arrives there' : 'you get', `at least ${money(proof.arrives, v.target)}`]);
  args.push([bridge ? 'refunds and what is left go to' : 'received by', checksum(bridge ? v.refunds : v.wallet)]);
  if (proof.payment) {
    args.push(['then calls', `${proof.payment.to} (${proof.payment.targetName})`], ['function there', proof.payment.signature]);
    for (const [name, value] of proof.payment.args) args.push([`${name} there`, value]);
  }
  return Object.freeze<Call>({
    kind: v.crosses ? 'pay' : 'swap',
    asset: 0,
    to: checksum(v.from.diamond),
    // Proven to be the one encoding of what was read.
    data: tx.data,
    value: proof.nativeFee,
    targetName: 'LI.FI\'s contract LiFiDiamond',
    signature: call.signature,
    args: Object.freeze(args),
  });
}
