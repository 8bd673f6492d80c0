// The page's proof of routes: what internal/lifi holds for honest passes here,
// every lie is refused by a check that it names, and what is handed on is what
// was proven.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import vectors from '../../../internal/lifi/testdata/lifi-vectors.json' with { type: 'json' };
import { checksum } from '../src/calldata.ts';
import type { Hex, Payment } from '../src/data.ts';
import { registry } from '../src/registry.gen.ts';
import { read } from '../src/route-abi.ts';
import { type Func, type SwapData, deposit, feeFunctions, functions, readCall, writeCall } from '../src/route-calls.ts';
import type { Pins } from '../src/route-pins.ts';
import { verifierBy } from '../src/route-plan.ts';
import { networks, verifyRoute } from '../src/route.ts';
import { networks as pinned } from '../src/routes.gen.ts';
import type { RouteToken, RouteWay } from '../src/route-types.ts';
import { Refusal } from '../src/verify.ts';
import { type Mutable, paymentIn, shortened, stranger, zero } from './fixtures.ts';
import { type Otherwise, type Scene, type Tx, bridgeChecks, now, paymentOf, prove, refusal, scenes, sceneNamed, told, tools, wayOf, withRoute } from './routes.ts';

test('honest routes pass, with the server’s own figures', () => {
  for (const s of scenes) {
    const plan = prove(s);
    assert.equal(plan.deposit, BigInt(s.deposit), s.name);
    assert.equal(plan.arrives, BigInt(s.arrives), s.name);
    assert.equal(plan.feeLegs, BigInt(s.feeLegs), s.name);
    assert.equal(plan.nativeFee, BigInt(s.nativeFee), s.name);
    assert.equal(plan.bridge, s.bridge, s.name);
    assert.equal(plan.deadline, s.deadline, s.name);
    assert.equal(plan.fresh, now + 45_000, s.name);
    assert.ok(plan.fee >= plan.feeLegs && plan.fee < plan.deposit / 50n, `${s.name}: ${plan.fee} of ${plan.deposit}`);
    // What is handed on is what was given, byte for byte.
    const given = s.transactions.map((t) => [t.to, t.data, BigInt(t.value)]);
    assert.deepEqual(plan.calls.map((c) => [c.to, c.data, c.value]), given, s.name);
    assert.ok(Object.isFrozen(plan) && Object.isFrozen(plan.calls) && plan.calls.every((c) => Object.isFrozen(c)));
    assert.doesNotThrow(() => prove(s, { transactions: s.transactions.slice(s.at) }), `${s.name}: the allowance is there already`);
  }
  assert.deepEqual(new Set(scenes.map((s) => s.selector)), new Set(Object.keys(functions)), 'every function is among them');
  assert.ok(scenes.length >= 17);
});

test('the steps are told apart', () => {
  const kinds = (s: Scene): string => prove(s).calls.map((c) => `${c.kind}${c.asset}`).join(' ');
  assert.equal(kinds(sceneNamed('across after a fee leg')), 'approve-1 pay0');
  assert.equal(kinds(sceneNamed('across after an exchange')), 'reset-1 approve-1 pay0');
  assert.equal(kinds(sceneNamed('swap alone')), 'approve-1 swap0 approve0 pay0');
  assert.equal(kinds(sceneNamed('in the sandbox: swap after a fee leg')), 'reset-1 approve-1 swap0 approve0 pay0');
});

test('decoded calls say what is in them', () => {
  const [approve, pay] = prove(sceneNamed('across after fee leg and exchange')).calls;
  assert.equal(approve?.targetName, 'USDT token');
  assert.equal(approve?.signature, 'approve(address,uint256)');
  assert.deepEqual(approve?.args[0], ['spender', '0x1231DEB6f5749EF6cE6943a275A1D3E7486F4EaE']);
  assert.match(approve?.args[1]?.[1] ?? '', /^\d+ \(100\.9\d+ USDT\)$/);
  assert.equal(pay?.targetName, 'LI.FI\'s contract LiFiDiamond');
  assert.match(pay?.signature ?? '', /^swapAndStartBridgeTokensViaAcrossV4\(\(bytes32,string,string,/);
  const said = new Map(pay?.args);
  assert.match(said.get('into the bridge') ?? '', /^at least \d+ \(100\.6\d+ USDC\)$/);
  assert.equal(said.get('to chain'), 'Base (8453)');
  assert.equal(said.get('arrives there'), 'at least 100500000 (100.50 USDC)');
  assert.equal(said.get('payee there'), checksum('0x2222000000000000000000000000000000000022'));
  assert.equal(said.get('amount there'), '100000000 (100.00 USDC)');
  assert.equal(said.get('reference there'), '0xb3581f0b0f74cc61');
  assert.equal(said.get('refunds and what is left go to'), checksum('0x1111000000000000000000000000000000000011'));
  assert.equal(said.get('delivered until'), '2026-11-21T15:00:00Z');
  const bridged = new Map(prove(sceneNamed('stargate alone')).calls.at(-1)?.args);
  assert.match(bridged.get('fee of the bridge') ?? '', /^\d+ \(6\.00 POL\)$/);
  const swap = new Map(prove(sceneNamed('swap alone')).calls[1]?.args);
  assert.equal(swap.get('you get'), 'at least 100500000 (100.50 USDT)');
});

/** The payment on arrival is compared as bytes, and people are told which field it is. */
const fieldsOf: Record<string, string> = {
  'message.callTo': 'contract called on arrival', 'message.approveTo': 'contract allowed on arrival', 'payment.token': 'token', 'payment.payee': 'payee',
  'payment.amount': 'amount', 'payment.reference': 'reference', 'payment.fee': 'fee', 'payment.feeAddress': 'fee payee',
};

test('every lie is refused by a check that it names', () => {
  const names = new Set<string>();
  let lies = 0;
  for (const s of scenes) {
    for (const lie of s.lies) {
      const r = refusal(s, told(s, lie));
      assert.ok(r, `${s.name}: ${lie.name} is accepted`);
      // The first of them in their order; of calldata that cannot be read nothing else can be told.
      const first = lie.refuses.includes('route_calldata') ? 'route_calldata' : lie.refuses[0];
      assert.equal(r.check, first, `${s.name}: ${lie.name} is refused for ${r.field}: ${r.expected}, ${r.found}`);
      assert.equal(r.field, fieldsOf[lie.name] ?? r.field, lie.name);
      assert.ok(r.field !== '' && r.expected !== r.found, `${lie.name}: ${r.field} ${r.expected}`);
      names.add(lie.name);
      lies++;
    }
  }
  assert.ok(names.size >= 130, `${names.size} lies`);
  assert.ok(lies >= 1_000, `${lies} hostile routes`);
});

test('every check refuses something', () => {
  const used = new Set(scenes.flatMap((s) => s.lies.map((lie) => refusal(s, told(s, lie))?.check)));
  assert.deepEqual([...used].sort(), [...bridgeChecks].sort());
});

test('the shared vectors get their verdicts', () => {
  const rejections: Record<string, string> = {
    'across-wrong-receiver-contract': 'route_receiver',
    'across-wrong-chain': 'route_bridge',
    'across-wrong-payee-in-message': 'route_payment',
    'across-output-too-low': 'route_output',
    'across-sending-asset-mismatch': 'route_bridge',
  };
  let accepted = 0;
  let refused = 0;
  for (const v of vectors.vectors) {
    if (!v.intent) continue;
    const { intent: i } = v;
    const token = registry[i.destinationChainId]?.tokens.find((t) => t.address === i.destinationToken.toLowerCase());
    const p = paymentIn(i.destinationChainId, token?.id ?? '', {
      payee: i.payee as Hex, amount: BigInt(i.amount), fee: { amount: BigInt(i.feeAmount), payee: i.feeAddress as Hex }, reference: i.paymentReference as Hex,
    });
    const source = pinned.find((n) => n.id === v.sourceChainId)?.tokens.find((t) => t.address === i.sourceToken.toLowerCase());
    assert.ok(source);
    const way: RouteWay = {
      type: 'crosschain', option: 'crosschain:x:y', chain: v.sourceChainId, token: i.sourceToken as Hex, symbol: source.symbol, decimals: source.decimals,
      wallet: i.fallback as Hex, most: BigInt(i.maxSourceAmount),
    };
    const value = readCall(v.data as Hex).stargate?.fee.nativeFee ?? 0n;
    const run = () => verifyRoute(tools, p, way, [{ to: v.to, data: v.data, value: `0x${value.toString(16)}` }], v.sourceChainId, 1_760_000_030_000);
    if (v.verdict === 'accept') {
      assert.equal(run().calls.length, 1, v.name);
      accepted++;
    } else {
      assert.throws(run, (err) => err instanceof Refusal && err.check === rejections[v.name], v.name);
      refused++;
    }
  }
  assert.deepEqual([accepted, refused], [3, 5]);
});

// The one route that LI.FI itself published: made for its gasless relay, with a
// fee leg of 10.6 % and an exchange that its contract has since stopped allowing.
test('the real sample is read to the last byte, and refused for what it takes', () => {
  const v = vectors.vectors.find((x) => x.name === 'genericswap-real-sample');
  assert.ok(v);
  const call = readCall(v.data as Hex);
  assert.equal(call.swaps.length, 2);
  assert.equal(deposit(call), 1_000_000n);
  const p = paymentIn(137, 'USDCn-matic', { amount: 890_000n, fee: { amount: 5_828n, payee: stranger } });
  const way: RouteWay = {
    type: 'samechain_conversion', option: 'x', chain: 137, token: '0xc2132d05d31c914a87c6611c10748aeb04b58e8f', symbol: 'USDT', decimals: 6,
    wallet: call.swap?.receiver ?? zero, most: 1_000_000n,
  };
  const { transactions } = sceneNamed('swap after a fee leg');
  const run = (table = pinned) => verifierBy(table)(tools, p, way, [{ to: v.to, data: v.data, value: '0x0' }, ...transactions.slice(-2)], 137, now);
  const check = (err: unknown): string => (err instanceof Refusal ? `${err.check} ${err.field}` : String(err));
  assert.throws(() => run(), (err) => check(err) === 'route_source contract of a leg');
  // With its exchange pinned, what is left is the fee.
  const exchange = call.swaps[1]?.callTo ?? zero;
  assert.throws(() => run(pinned.map((n) => ({ ...n, exchanges: [...n.exchanges, exchange] }))), (err) => check(err) === 'route_source fees');
});

test('a route is good for its own payment and way only', () => {
  const s = sceneNamed('across after a fee leg');
  const p = paymentOf(s);
  const [item] = p.items;
  const change = (c: Partial<Payment['items'][number]>, more: Partial<Payment> = {}): Payment => ({ ...p, ...more, items: [{ ...item, ...c }] });
  const cases: [string, Otherwise, string][] = [
    ['payee', { p: change({ payee: stranger }) }, 'route_payment payee'],
    ['more', { p: change({ amount: item.amount + 1n }) }, 'route_output amount that is sure to arrive'],
    ['less', { p: change({ amount: item.amount - 1n }) }, 'route_payment amount spent on arrival'],
    ['amount and fee mixed up', { p: change({ amount: item.amount - 1n, fee: item.fee + 1n }) }, 'route_payment amount'],
    ['reference', { p: change({ reference: '0xb3581f0b0f74cc62' }) }, 'route_payment reference'],
    ['fee payee', { p: change({}, { feePayee: stranger }) }, 'route_payment fee payee'],
    ['nothing', { p: change({ amount: 0n }) }, 'route_payment amount'],
    ['two payments', { p: { ...p, items: [item, item] as unknown as Payment['items'], batch: true } }, 'route_payment payments'],
    ['asset of other decimals', { p: { ...p, assets: [{ ...p.assets[0], decimals: 18 }] } }, 'route_payment asset'],
    ['unknown asset', { p: { ...p, assets: [{ ...p.assets[0], address: stranger }] } }, 'route_payment asset'],
    ['native asset', { p: { ...p, assets: [{ ...p.assets[0], native: true }] } }, 'route_payment asset'],
    ['sandbox', { p: { ...p, sandbox: true } }, 'route_target sandbox'],
    ['chain of the payment', { p: { ...p, chain: { ...p.chain, id: 43114 } } }, 'route_target chain'],
    ['chain without routes', { p: { ...p, chain: { ...p.chain, id: 11155111 } } }, 'route_target chain'],
    ['chain of the way', { way: { chain: 43114 } }, 'route_target chain'],
    ['chain of the answer', { chainId: 8453 }, 'route_target chain'],
    ['another sandbox chain', { way: { chain: 900042161 }, chainId: 900042161 }, 'route_target sandbox'],
    ['kind', { way: { type: 'samechain_conversion' } }, 'route_target kind of way'],
    ['wallet', { way: { wallet: stranger } }, 'route_refund address that gets refunds'],
    ['no wallet', { way: { wallet: zero } }, 'route_refund wallet'],
    ['limit', { way: { most: BigInt(s.deposit) - 1n } }, 'route_source amount that is taken'],
    ['no limit', { way: { most: 0n } }, 'route_source most to give'],
    ['unknown token', { way: { token: stranger } }, 'route_source asset'],
    ['decimals of the token', { way: { decimals: 18 } }, 'route_source asset'],
    ['name of the token', { way: { symbol: 'USDT' } }, 'route_source asset'],
    ['another token', { way: { token: '0xfd086bc7cd5c481dcc9c85ebe478a1c0b69fcbb9', symbol: 'USDT' } }, 'route_approval asset that is approved'],
    ['half an hour later', { now: now + 31 * 60_000 }, 'route_deadline time of the quote'],
    ['before it was made', { now: now - 2 * 60_000 }, 'route_deadline time of the quote'],
  ];
  for (const [name, otherwise, expected] of cases) {
    const r = refusal(s, otherwise);
    assert.equal(r && `${r.check} ${r.field}`, expected, name);
  }
  assert.equal(refusal(s, { way: { most: BigInt(s.deposit) } }), null);
  assert.equal(refusal(s, { now: now + 29 * 60_000 }), null);
});

test('a fresh quote ends with the calldata, not after it', () => {
  const s = sceneNamed('across after a fee leg');
  const plan = prove(s, { now: now + 29 * 60_000 + 50_000 });
  assert.equal(plan.deadline, now + 30 * 60_000);
  assert.equal(plan.fresh, plan.deadline);
});

test('only the transactions of a route, in their order', () => {
  const cross = sceneNamed('across after an exchange');
  const swap = sceneNamed('in the sandbox: swap after a fee leg');
  const [reset, approve, route] = cross.transactions as [Tx, Tx, Tx];
  const [reset2, approve2, exchange, allow, pay] = swap.transactions as [Tx, Tx, Tx, Tx, Tx];
  const no = sceneNamed('across after a fee leg');
  const cases: [Scene, string, unknown, string][] = [
    [cross, 'none', [], 'route_target'],
    [cross, 'no list', { 0: route }, 'route_target'],
    [cross, 'no transaction', [null], 'route_target'],
    [cross, 'no calldata', [{ ...route, data: undefined }], 'route_calldata'],
    [cross, 'odd calldata', [{ ...route, data: `${route.data}0` }], 'route_calldata'],
    [cross, 'too much calldata', [{ ...route, data: `${route.data}${'00'.repeat(65_536)}` }], 'route_calldata'],
    [cross, 'approval alone', [approve], 'route_target'],
    [cross, 'wrong order', [approve, reset, route], 'route_approval'],
    [cross, 'approved twice', [approve, approve, route], 'route_approval'],
    [cross, 'reset alone', [reset, route], 'route_approval'],
    [cross, 'approval after', [route, approve], 'route_target'],
    [cross, 'twice', [approve, route, route], 'route_target'],
    [cross, 'four', [reset, reset, approve, route], 'route_target'],
    [cross, 'transfer before', [{ ...approve, data: approve.data.replace('095ea7b3', 'a9059cbb') }, route], 'route_approval'],
    [cross, 'approval with money', [{ ...approve, value: '0x1' }, route], 'route_approval'],
    [cross, 'approval without a value', [{ to: approve.to, data: approve.data }, route], 'route_approval'],
    [cross, 'route without a value', [{ to: route.to, data: route.data }], 'route_value'],
    [cross, 'value in decimal', [{ ...route, value: '0' }], 'route_value'],
    [cross, 'chain of a transaction', [{ ...route, chainId: '0xa' }], 'route_target'],
    [cross, 'chain of a transaction as a text', [{ ...route, chainId: '1' }], 'route_target'],
    [cross, 'sender', [{ ...route, from: stranger }], 'route_target'],
    [no, 'reset of a token that needs none', [{ ...approve, to: no.token, data: `${approve.data.slice(0, 74)}${'0'.repeat(64)}` }, ...no.transactions], 'route_approval'],
    [swap, 'exchange alone', [reset2, approve2, exchange], 'route_target'],
    [swap, 'payment first', [allow, pay, exchange], 'route_target'],
    [swap, 'its allowance first', [allow, exchange, pay], 'route_approval'],
    [swap, 'without its payment', [exchange, allow], 'page_calldata'],
    [swap, 'paid twice', [exchange, pay, pay], 'page_calldata'],
    [swap, 'exchanged twice', [exchange, exchange, pay], 'page_registry'],
    [swap, 'another payee', [exchange, { ...pay, data: pay.data.replaceAll(swap.payee.slice(2), stranger.slice(2)) }], 'page_calldata'],
    [swap, 'payment from elsewhere', [exchange, { ...pay, from: stranger }], 'route_target'],
  ];
  for (const [s, name, transactions, check] of cases) assert.equal(refusal(s, { transactions })?.check, check, name);
  assert.equal(refusal(cross, { transactions: [approve, route] }), null, 'there is nothing to reset');
  assert.equal(refusal(swap, { transactions: [exchange, pay] }), null, 'both allowances are there');
});

test('the objects that go to a wallet prove themselves', () => {
  for (const s of scenes) {
    const { calls } = prove(s);
    const requests = calls.map((c) => ({ from: s.wallet, to: c.to, data: c.data, value: `0x${c.value.toString(16)}`, chainId: `0x${s.fromChain.toString(16)}` }));
    assert.deepEqual(prove(s, { transactions: requests }).calls, calls, s.name);
  }
});

test('letter case says nothing', () => {
  const s = sceneNamed('stargate after a fee leg');
  const shouting = s.transactions.map((t) => ({ ...t, to: t.to.toLowerCase(), data: `0x${t.data.slice(2).toUpperCase()}` }));
  assert.deepEqual(prove(s, { transactions: shouting, way: { token: s.token.toLowerCase() as Hex, wallet: s.wallet.toUpperCase().replace('0X', '0x') as Hex } }), prove(s));
});

// What the lies do not reach, because a neighbour refuses it too or because the
// table has no such chain.
test('a route that differs in one thing only is refused for that', () => {
  type Parts = Record<string, Mutable<Record<string, unknown>>>;
  const remade = (name: string, change: (parts: Parts) => void): [Scene, Tx[]] => {
    const s = sceneNamed(name);
    const data = s.transactions[s.at]?.data as Hex;
    const selector = data.slice(0, 10) as keyof typeof functions;
    const f = functions[selector] as Func;
    const parts = read(f.inputs, data.slice(10)) as unknown as Parts;
    change(parts);
    // Without its approvals, so that they match any amount.
    return [s, withRoute(s, { data: writeCall(selector, f, parts as never) }).slice(s.at)];
  };
  const table = (id: number, change: Partial<Pins>): readonly Pins[] => pinned.map((n) => (n.id === id ? { ...n, ...change } : n));
  const nobody = `0x${'00'.repeat(32)}`;
  const judge = (expected: string, [s, transactions]: [Scene, Tx[]], by: readonly Pins[] = pinned, p = paymentOf(s), way: Partial<RouteWay> = {}): void => {
    const w = { ...wayOf(s), ...way };
    assert.throws(() => verifierBy(by)(tools, p, w, transactions, w.chain, now), (err) => err instanceof Refusal && `${err.check} ${err.field}` === expected, expected);
  };

  judge('route_receiver contract that gets the money', remade('across alone', ({ acrossData }) => Object.assign(acrossData ?? {}, { receiverAddress: nobody })), table(8453, { receiverAcross: zero }));
  judge('route_receiver destination of the bridge', remade('stargate after a fee leg', ({ stargateData }) => Object.assign(stargateData?.['sendParams'] ?? {}, { dstEid: 0n })), table(1, { endpoint: 0 }));
  judge('route_source asset that is left for the bridge', remade('across after a fee leg', ({ bridgeData, acrossData }) => {
    const usdt = pinned[1]?.tokens[1]?.address ?? zero;
    Object.assign(bridgeData ?? {}, { sendingAssetId: usdt });
    Object.assign(acrossData ?? {}, { sendingAssetId: `0x${usdt.slice(2).padStart(64, '0')}` });
  }));
  judge('route_source fee', remade('across after a fee leg', ({ swapData, bridgeData }) => {
    const [leg] = swapData as unknown as [SwapData];
    const fee = (amount: bigint): Hex => writeCall('0x332d746b', feeFunctions['0x332d746b'], { token: leg.sendingAssetId, distributions: [{ recipient: stranger.toLowerCase() as Hex, amount }] });
    // The first fee is taken before anything was given.
    Object.assign(swapData ?? {}, [{ ...leg, callData: fee(100_000n), requiresDeposit: false }, { ...leg, callData: fee(100_000n) }]);
    Object.assign(bridgeData ?? {}, { minAmount: leg.fromAmount - 200_000n });
  }));
  const cut = `0x00030100130300${'00'}${'ff'.repeat(15)}`;
  judge('route_bridge options of the bridge', remade('stargate alone', ({ stargateData }) => Object.assign(stargateData?.['sendParams'] ?? {}, { extraOptions: cut })));

  // The right amount of another dollar.
  const another: RouteToken = { id: 'USDT0-base', symbol: 'USDT0', decimals: 6, address: stranger.toLowerCase() as Hex, resetAllowance: false };
  const swap = remade('swap alone', () => undefined);
  const inAnother = { ...paymentOf(swap[0]), assets: [{ ...paymentOf(swap[0]).assets[0], ...another }] } as unknown as Payment;
  judge('route_receiver asset that comes out', swap, table(8453, { tokens: [...(pinned[2]?.tokens ?? []), another] }), inAnother);
  const stargate = remade('stargate after a fee leg', () => undefined);
  const usdt = registry[1]?.tokens.find((t) => t.symbol === 'USDT');
  judge('route_receiver asset that Stargate gives', stargate, pinned, { ...paymentOf(stargate[0]), assets: [{ ...paymentOf(stargate[0]).assets[0], ...usdt }] } as unknown as Payment);
  judge('route_source asset', swap, pinned, paymentOf(swap[0]), { token: pinned[2]?.tokens[1]?.address ?? zero, symbol: 'USDT' });

  // The sandbox's chains have the same addresses: an exchange on one could pass for a bridge between them, and the other way round.
  const here = sceneNamed('in the sandbox: swap after a fee leg');
  const over = sceneNamed('in the sandbox: across after fee leg and exchange');
  judge('route_calldata kind of function', [here, here.transactions.slice(here.at, here.at + 1)], pinned, paymentOf(over), { type: 'crosschain' , chain: 900042161 });
  const home = paymentIn(900042161, 'USDC-arbitrum-one', { payee: over.payee as Hex, amount: BigInt(over.amount), fee: { amount: BigInt(over.fee), payee: over.feePayee as Hex }, reference: over.reference as Hex });
  judge('route_calldata kind of function', [over, [...over.transactions.slice(over.at), ...here.transactions.slice(-1)]], pinned, home, { type: 'samechain_conversion' });
});

test('a shortened payee is the one that the page names by its hash', () => {
  for (const name of ['across after a fee leg', 'swap after a fee leg']) {
    const s = sceneNamed(name);
    assert.equal(refusal(s, { p: shortened(paymentOf(s)) }), null, name);
    // One that looks the same, and is not.
    const other = { ...paymentOf(s), items: [{ ...paymentOf(s).items[0], payee: checksum('0x2222900000000000000000000000000000000022') }] } as unknown as Payment;
    const r = refusal(s, { p: shortened(other) });
    assert.equal(r?.field, 'payee', name);
    assert.equal(r?.check, s.bridge ? 'route_payment' : 'page_calldata');
  }
});

test('the table is the server’s, and agrees with the page’s registry', () => {
  assert.equal(networks, pinned);
  assert.deepEqual(networks.map((n) => n.id), [1, 42161, 8453, 10, 137, 56, 900008453, 900042161]);
  for (const n of pinned) {
    const known = registry[n.id];
    assert.ok(known, n.name);
    assert.deepEqual([n.network, n.name, n.sandbox, n.feeProxy], [known.network, known.name, known.sandbox, known.erc20FeeProxy]);
    for (const t of n.tokens) {
      assert.deepEqual(known.tokens.find((k) => k.id === t.id), { ...t, native: false });
    }
    for (const a of [n.diamond, n.feeForwarder, n.feeCollector, n.receiverAcross, n.receiverStargate, ...n.exchanges]) assert.match(a, /^0x[0-9a-f]{40}$/);
  }
});

