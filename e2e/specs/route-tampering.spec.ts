// A server that lies about routes, its own check switched off: the page refuses
// each lie by itself, names the check, tells the merchant, and the wallet is
// never asked. The lies are written with another codec than the page's.
import { type Page } from '@playwright/test';
import { type Address, type Hex, encodeFunctionData, erc20Abi, maxUint256, toFunctionSelector } from 'viem';
import { type Transaction, withSelector, withWord } from '../fixtures/calldata.ts';
import { type Demo, chainOf } from '../fixtures/demo.ts';
import { order } from '../fixtures/order.ts';
import { tamper } from '../fixtures/page.ts';
import { type CheckName, expectRefused } from '../fixtures/refused.ts';
import { type Crossing, type Exchange, type Leg, readCrossing, readExchange, withFee, withProcessing, wordOfAddress, writeCrossing, writeExchange } from '../fixtures/routecalls.ts';
import { expect, test } from '../fixtures/test.ts';
import type { Wallet } from '../fixtures/wallet.ts';
import { Checkout } from '../pages/checkout.ts';
import { Ways, usdcFromArbitrum, usdtFromArbitrum, usdtOnBase } from '../pages/ways.ts';

const routePayUrl = /\/checkout\/[^/]+\/pay\?.*option=crosschain/;
const thief = '0x6666000000000000000000000000000000000066';
const nobody = '0x0000000000000000000000000000000000000000';

/** The honest answer, to be changed in place. */
interface Answer {
  body: { transactions: Transaction[]; metadata: Record<string, unknown> };
  demo: Demo;
  approve: Transaction;
  /** LI.FI's call. */
  route: Transaction;
}

interface Lie {
  name: string;
  check: CheckName;
  field: string;
  lie: (a: Answer) => void;
}

/** Changes the parts of the call over the bridge. */
const crossing = (change: (c: Crossing, a: Answer) => void) => (a: Answer): void => {
  const c = readCrossing(a.route.data as Hex);
  change(c, a);
  a.route.data = writeCrossing(c);
};
const exchange = (change: (e: Exchange, a: Answer) => void) => (a: Answer): void => {
  const e = readExchange(a.route.data as Hex);
  change(e, a);
  a.route.data = writeExchange(e);
};
const token = (a: Answer, network: string, symbol: string): Address => chainOf(a.demo, network).tokens[symbol]!.address;
/** The payment that the bridge carries, the fee proxy's call. */
const carried = (change: (leg: Leg, a: Answer, c: Crossing) => void) => crossing((c, a) => change(c.message.legs[0]!, a, c));
/** A word of the fee proxy's call: token, payee, amount, offset, fee, fee payee, length, reference. */
const paid = (word: number, value: bigint | Address | string) => carried((leg) => { leg.callData = withWord(leg.callData, word, value); });
const transferToThief = (amount: bigint): Hex => encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [thief, amount] });
const now = (): number => Math.floor(Date.now() / 1000);

// From Arbitrum with USDC: a fee leg, the bridge, the payment.
const overBridge: Lie[] = [
  { name: 'sends the money to another contract', check: 'route_target', field: 'target', lie: (a) => { a.route.to = thief; } },
  { name: 'names another chain', check: 'route_target', field: 'chain', lie: (a) => { a.body.metadata['chainId'] = chainOf(a.demo, 'base').chainId; } },
  { name: 'names another sender', check: 'route_target', field: 'sender', lie: (a) => { a.route['from'] = thief; } },
  { name: 'adds a transfer after the route', check: 'route_target', field: 'number of transactions after', lie: (a) => { a.body.transactions.push({ to: a.approve.to, value: '0x0', data: transferToThief(1n) }); } },
  { name: 'only approves', check: 'route_target', field: 'target', lie: (a) => { a.body.transactions.pop(); } },
  { name: 'does nothing', check: 'route_target', field: 'number of transactions', lie: (a) => { a.body.transactions.length = 0; } },
  { name: 'sends ether along', check: 'route_value', field: 'value', lie: (a) => { a.route.value = '0xde0b6b3a7640000'; } },

  { name: 'approves another spender', check: 'route_approval', field: 'spender', lie: (a) => { a.approve.data = withWord(a.approve.data, 0, thief); } },
  { name: 'approves everything', check: 'route_approval', field: 'approved amount', lie: (a) => { a.approve.data = withWord(a.approve.data, 1, maxUint256); } },
  { name: 'approves one unit more', check: 'route_approval', field: 'approved amount', lie: (a) => { a.approve.data = withWord(a.approve.data, 1, readCrossing(a.route.data as Hex).legs[0]!.fromAmount + 1n); } },
  { name: 'approves another token', check: 'route_approval', field: 'asset that is approved', lie: (a) => { a.approve.to = token(a, 'arbitrum-one', 'USDT'); } },
  { name: 'transfers instead of approving', check: 'route_approval', field: 'approval', lie: (a) => { a.approve.data = transferToThief(10_000_000n); } },
  { name: 'approves twice', check: 'route_approval', field: 'number of approvals', lie: (a) => { a.body.transactions.unshift({ ...a.approve }); } },
  { name: 'sends ether with the approval', check: 'route_approval', field: 'value sent with an approval', lie: (a) => { a.approve.value = '0x1'; } },

  { name: 'takes more than was agreed to', check: 'route_source', field: 'amount that is taken', lie: (a) => { crossing((c) => { c.legs[0]!.fromAmount = 90_000_000n; })(a); a.approve.data = withWord(a.approve.data, 1, 90_000_000n); } },
  { name: 'takes a fee of a fifth', check: 'route_source', field: 'fees', lie: crossing((c) => withFee(c.legs[0]!, (f) => { f.distributions[0]!.amount = 2_000_000n; })) },
  { name: 'adds a taker of fees', check: 'route_source', field: 'fees', lie: crossing((c) => withFee(c.legs[0]!, (f) => { f.distributions.push({ recipient: thief, amount: 1_000_000n }); })) },
  { name: 'gives the fee to nobody', check: 'route_source', field: 'receiver of a fee', lie: crossing((c) => withFee(c.legs[0]!, (f) => { f.distributions[0]!.recipient = nobody; })) },
  { name: 'takes the fee in another token', check: 'route_source', field: 'asset of the fee', lie: crossing((c, a) => withFee(c.legs[0]!, (f) => { f.token = token(a, 'arbitrum-one', 'USDT'); })) },
  { name: 'calls anybody on the way', check: 'route_source', field: 'contract of a leg', lie: crossing((c) => { c.legs[0]!.callTo = c.legs[0]!.approveTo = thief; }) },
  { name: 'lets anybody take the money on the way', check: 'route_source', field: 'contract that a leg allows', lie: crossing((c) => { c.legs[0]!.approveTo = thief; }) },
  { name: 'transfers on the way', check: 'route_source', field: 'fee', lie: crossing((c) => { c.legs[0]!.callData = transferToThief(10_000_000n); }) },

  { name: 'bridges to another chain', check: 'route_bridge', field: 'destination chain', lie: crossing((c) => { c.bridge.destinationChainId = 10n; }) },
  { name: 'bridges to Solana', check: 'route_bridge', field: 'destination chain', lie: crossing((c) => { c.bridge.destinationChainId = 34_268_394_551_451n; }) },
  { name: 'bridges another token', check: 'route_bridge', field: 'asset that Across takes', lie: crossing((c, a) => { c.across.sendingAssetId = wordOfAddress(token(a, 'arbitrum-one', 'USDT')); }) },
  { name: 'does not call the payment on arrival', check: 'route_bridge', field: 'mark of a call', lie: crossing((c) => { c.bridge.hasDestinationCall = false; }) },
  { name: 'hides its swaps', check: 'route_bridge', field: 'mark of source swaps', lie: crossing((c) => { c.bridge.hasSourceSwaps = false; }) },

  { name: 'delivers to somebody else', check: 'route_receiver', field: 'contract that gets the money', lie: crossing((c) => { c.across.receiverAddress = wordOfAddress(thief); }) },
  { name: 'delivers to the payee without the payment', check: 'route_receiver', field: 'contract that gets the money', lie: crossing((c, a) => { c.across.receiverAddress = wordOfAddress(chainOf(a.demo, 'base').contracts.erc20FeeProxy); }) },
  { name: 'hides bytes above the receiver', check: 'route_receiver', field: 'contract that gets the money', lie: crossing((c) => { c.across.receiverAddress = `0x01${c.across.receiverAddress.slice(4)}`; }) },
  { name: 'delivers a worthless token', check: 'route_receiver', field: 'asset that Across gives', lie: crossing((c) => { c.across.receivingAssetId = wordOfAddress(thief); }) },

  { name: 'refunds somebody else', check: 'route_refund', field: 'address that gets refunds', lie: crossing((c) => { c.across.refundAddress = wordOfAddress(thief); }) },
  { name: 'leaves what fails to somebody else', check: 'route_refund', field: 'what is left on arrival', lie: crossing((c) => { c.message.receiver = thief; }) },

  { name: 'lets the relayer keep half', check: 'route_output', field: 'sure to arrive', lie: crossing((c) => { c.across.outputAmountMultiplier = 5n * 10n ** 17n; }) },
  { name: 'asks more of the bridge than goes in', check: 'route_output', field: 'multiplier', lie: crossing((c) => { c.across.outputAmountMultiplier = 2n * 10n ** 18n; }) },
  { name: 'accepts less than the payment', check: 'route_output', field: 'sure to arrive', lie: crossing((c) => { c.bridge.minAmount = 9_000_000n; }) },
  { name: 'claims more for the bridge than is left', check: 'route_source', field: 'amount for the bridge', lie: crossing((c) => { c.bridge.minAmount = 11_000_000n; }) },

  { name: 'uses a quote of yesterday', check: 'route_deadline', field: 'time of the quote', lie: crossing((c) => { c.across.quoteTimestamp = now() - 86_400; }) },
  { name: 'may be delivered next year', check: 'route_deadline', field: 'end of delivery', lie: crossing((c) => { c.across.fillDeadline = now() + 31_000_000; }) },
  { name: 'can no longer be delivered', check: 'route_deadline', field: 'end of delivery', lie: crossing((c) => { c.across.fillDeadline = now() - 1; }) },
  { name: 'reserves the delivery for long', check: 'route_deadline', field: 'reservation', lie: crossing((c) => { c.across.exclusiveRelayer = wordOfAddress(thief); c.across.exclusivityParameter = 86_400; }) },

  { name: 'pays somebody else', check: 'route_payment', field: 'payee', lie: paid(1, thief) },
  { name: 'pays one unit less', check: 'route_payment', field: 'amount', lie: paid(2, 9_999_999n) },
  { name: 'pays another token', check: 'route_payment', field: 'token', lie: carried((leg, a) => { leg.callData = withWord(leg.callData, 0, token(a, 'base', 'USDT')); }) },
  { name: 'adds a fee to the payment', check: 'route_payment', field: 'fee', lie: paid(4, 500_000n) },
  { name: 'adds a taker of the payment’s fee', check: 'route_payment', field: 'fee payee', lie: paid(5, thief) },
  { name: 'pays under another reference', check: 'route_payment', field: 'reference', lie: paid(7, `${'11'.repeat(8)}${'00'.repeat(24)}`) },
  { name: 'transfers instead of paying', check: 'route_payment', field: 'selector', lie: carried((leg) => { leg.callData = transferToThief(10_000_000n); }) },
  { name: 'calls somebody else on arrival', check: 'route_payment', field: 'contract called on arrival', lie: carried((leg) => { leg.callTo = thief; }) },
  { name: 'lets somebody else take the money on arrival', check: 'route_payment', field: 'contract allowed on arrival', lie: carried((leg) => { leg.approveTo = thief; }) },
  { name: 'makes a second call on arrival', check: 'route_payment', field: 'calls on arrival', lie: carried((leg, _, c) => { c.message.legs.push({ ...leg, callTo: thief, approveTo: thief, callData: transferToThief(1n) }); }) },
  { name: 'makes no call on arrival', check: 'route_payment', field: 'calls on arrival', lie: crossing((c) => { c.message.legs = []; }) },

  { name: 'has bytes behind', check: 'route_calldata', field: '', lie: (a) => { a.route.data = `${String(a.route.data)}${'00'.repeat(32)}`; } },
  { name: 'is cut short', check: 'route_calldata', field: '', lie: (a) => { a.route.data = String(a.route.data).slice(0, -64); } },
  { name: 'is an unknown function', check: 'route_calldata', field: 'selector', lie: (a) => { a.route.data = withSelector(a.route.data, toFunctionSelector('startBridgeTokensViaSomething(bytes)')); } },
  { name: 'says that it takes another token', check: 'route_source', field: 'offer', lie: (a) => { a.body.metadata['sourceCurrency'] = 'USDT-arbitrum-one'; } },
];

// From Arbitrum with USDT: exchanged first.
const afterExchange: Lie[] = [
  { name: 'keeps the outcome of the exchange', check: 'route_source', field: 'receiver of the exchange', lie: crossing((c) => withProcessing(c.legs.at(-1)!, (p) => { p.to = thief; })) },
  { name: 'exchanges half', check: 'route_source', field: 'amount', lie: crossing((c) => { c.legs.at(-1)!.fromAmount /= 2n; }) },
  { name: 'exchanges for a worthless token', check: 'route_source', field: 'asset', lie: crossing((c) => { c.legs.at(-1)!.receivingAssetId = thief; withProcessing(c.legs.at(-1)!, (p) => { p.tokenOut = thief; }); }) },
  { name: 'exchanges with somebody else', check: 'route_source', field: 'contract of a leg', lie: crossing((c) => { c.legs.at(-1)!.callTo = c.legs.at(-1)!.approveTo = thief; }) },
  { name: 'approves the rest of the wallet', check: 'route_approval', field: 'approved amount', lie: (a) => { a.approve.data = withWord(a.approve.data, 1, 10_000_000_000n); } },
];

// On Base with USDT: exchanged, then paid like any other.
const onOneChain: Lie[] = [
  { name: 'gives the outcome to somebody else', check: 'route_receiver', field: 'receiver', lie: exchange((e) => { e.receiver = thief; }) },
  { name: 'accepts nothing for it', check: 'route_output', field: 'sure to arrive', lie: exchange((e) => { e.minAmountOut = 0n; }) },
  { name: 'accepts one unit too little', check: 'route_output', field: 'sure to arrive', lie: exchange((e) => { e.minAmountOut = 9_999_999n; }) },
  { name: 'gives a worthless token', check: 'route_source', field: 'asset', lie: exchange((e) => { e.legs.at(-1)!.receivingAssetId = thief; }) },
  { name: 'does not pay after it', check: 'route_target', field: 'number of transactions', lie: (a) => { a.body.transactions.length = 2; } },
  { name: 'pays somebody else after it', check: 'page_calldata', field: 'payee', lie: (a) => { const pay = a.body.transactions.at(-1)!; pay.data = withWord(pay.data, 1, thief); } },
  { name: 'approves everything after it', check: 'page_calldata', field: 'approved amount', lie: (a) => { const approve = a.body.transactions.at(-2)!; approve.data = withWord(approve.data, 1, maxUint256); } },
];

/** Tells the lies one after the other to one page, each about a payment of its own. */
async function tellAll(page: Page, demo: Demo, wallet: Wallet, way: string, lies: readonly Lie[]): Promise<void> {
  let lie: Lie['lie'] = () => undefined;
  const tampered = await tamper(page, routePayUrl, (body) => {
    const transactions = body.transactions as Transaction[];
    const at = transactions.findIndex((t) => String(t.data).length > 1_000);
    const route = transactions[at]!;
    // Written anew it is the same, so that nothing is refused for how it is written.
    const honest = route.data as Hex;
    expect(way === usdtOnBase ? writeExchange(readExchange(honest)) : writeCrossing(readCrossing(honest))).toBe(honest);
    lie({ body, demo, approve: transactions[at - 1]!, route });
    return body;
  });
  const checkout = new Checkout(page);
  const ways = new Ways(checkout);
  for (const [i, each] of lies.entries()) {
    await test.step(each.name, async () => {
      lie = each.lie;
      const made = await order(demo, '10.00');
      await checkout.open(made.securePaymentUrl);
      await checkout.connect(wallet.address);
      await ways.choose(way);
      if (i === 0 && way !== usdtOnBase) await checkout.id('switch-chain').click();
      await expectRefused(checkout, demo, wallet, made.token, each.check, each.field);
      expect(tampered()).toBe(i + 1);
    });
  }
}

for (const [about, way, table] of [
  ['a route over a bridge', usdcFromArbitrum, overBridge],
  ['a route over a bridge after an exchange', usdtFromArbitrum, afterExchange],
  ['an exchange on one chain', usdtOnBase, onOneChain],
] as const) {
  for (const check of new Set(table.map((l) => l.check))) {
    const lies = table.filter((l) => l.check === check);
    test(`${about}: every lie that ${check} is for (${lies.length})`, async ({ page, demo, wallet }) => {
      test.setTimeout(30_000 + 20_000 * lies.length);
      await tellAll(page, demo, wallet, way, lies);
    });
  }
}
