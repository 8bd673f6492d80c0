// Paying from elsewhere: what is offered, what is chosen, what is agreed to, and
// what becomes of money on a bridge. The proof itself is played: route.test.ts
// has it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hex } from '../src/data.ts';
import { registry } from '../src/registry.gen.ts';
import { Refusal } from '../src/verify.ts';
import { readNews, readOptions } from '../src/ways-data.ts';
import { tolerated } from '../src/ways-route.ts';
import { Elsewhere, type Offer, answer, arbitrum, base, dataOf, networks, offer, own, usdtHere, usdtThere } from './elsewhere.ts';
import { account, stranger, usdc } from './fixtures.ts';
import { ApiError } from './world.ts';

const names = (options: readonly { id: string }[] | undefined) => (options ?? []).map((o) => o.id.split(':').at(-1));

test('ways are looked up beside the payment’s own, which can be signed meanwhile', async () => {
  const w = new Elsewhere();
  let say: (v: unknown) => void = () => undefined;
  w.found = () => new Promise((resolve) => (say = resolve));
  await w.connected();
  assert.equal(w.choice?.count, 'Looking for other ways…');
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
  assert.ok(w.model.go.enabled);
  assert.equal(w.choice?.words, 'You\'ll be paying on the same chain as your recipient');
  say({ ...answer(own(), usdtHere(), usdtThere(), offer(arbitrum, 'USDC-arbitrum-one', '10120000', { enough: false, balance: '5' })), silent: ['Polygon'], missing: [{ code: 'no_bridge', chain: 'OP Mainnet', text: 'No known bridge.' }] });
  await w.settle();
  assert.deepEqual(names(w.choice?.enough), ['USDC-base', 'USDT-base', 'USDT-arbitrum-one']);
  assert.deepEqual(names(w.choice?.short), ['USDC-arbitrum-one']);
  assert.equal(w.choice?.chosen.type, 'samechain');
  assert.equal(w.choice?.count, '2 other ways');
  assert.deepEqual(w.choice?.notes, ['Polygon does not answer at the moment, so what you have there is not listed.', 'No known bridge.']);
  assert.ok(w.model.go.enabled, 'what was prepared stays');
  assert.deepEqual(w.paying, ['evmref:base:USDC-base']);
  assert.equal(w.routesLoaded, 0, 'nobody has chosen a route');
});

test('a page without other ways, or without their script, works as ever', async () => {
  const alone = await new Elsewhere(usdc()).connected();
  assert.equal(alone.ways, null);
  assert.equal(alone.looked, 0);
  const offline = new Elsewhere();
  offline.waysFail = true;
  await offline.connected();
  assert.ok(offline.model.go.enabled);
  const down = new Elsewhere();
  down.found = () => new ApiError(502, '', '', '');
  await down.connected();
  assert.equal(down.choice?.count, 'No other ways now');
  assert.equal(down.choice?.notes.length, 1);
  assert.deepEqual(names(down.choice?.enough), ['USDC-base']);
  assert.ok(down.model.go.enabled);
});

test('from another chain: switch, allow, pay, and the wait for the bridge', async () => {
  const w = await new Elsewhere().connected();
  w.ways?.select('crosschain:arbitrum-one:USDT-arbitrum-one');
  await w.settle();
  assert.ok(w.model.wrongChain);
  assert.equal(w.choice?.switchTo, 'Arbitrum One (sandbox)');
  assert.equal(w.choice?.words, 'You\'ll be paying across chain via Li.Fi');
  assert.deepEqual(w.paying, ['evmref:base:USDC-base'], 'no quote before the wallet is there');
  await w.flow.switchChain();
  await w.settle();
  assert.equal(w.stepLine(), 'approve:active pay:todo');
  assert.equal(w.model.go.text, 'Approve 10.15 USDT');
  assert.equal(w.model.funds?.balance, '250.00 USDT');
  assert.deepEqual(w.choice?.route.map((r) => r.join(' ')), ['You pay 10.15 USDT', 'of which the route takes 0.05 USDT', 'At least this arrives 10.10 USDC', 'Bridge Across', 'It takes about 2 minutes', 'Your wallet calls LI.FI\'s contract 0x5a4d…d1a0']);
  await w.go();
  w.steps = ['pay'];
  await w.pass(2_000);
  assert.equal(w.model.go.text, 'Pay 10.15 USDT');
  assert.equal(w.stepLine(), 'approve:done pay:active');
  await w.go();
  const [approve, pay] = w.wallet.sends();
  assert.equal(approve?.['chainId'], `0x${arbitrum.toString(16)}`);
  assert.equal(pay?.['chainId'], `0x${arbitrum.toString(16)}`);
  assert.equal(pay?.['data'], dataOf.pay);
  // The server's answer, and what goes to the wallet with all that follows it, for each of two steps.
  assert.deepEqual(w.proved.map((p) => p.steps).slice(-4), [2, 2, 1, 1]);
  assert.deepEqual(w.chains, [arbitrum]);
  assert.equal(w.model.state, 'seen');
  await w.pass(3_000);
  assert.equal(w.model.progress?.title, 'Your payment is on its way from Arbitrum One (sandbox)');
  assert.match(w.model.progress?.text ?? '', /^Bridging, about 2 minutes\./);

  w.news('bridging');
  await w.pass(40_000);
  assert.deepEqual(w.choice?.bridging, { text: '40 seconds so far, about 2 minutes in all', value: 40, max: 120 });
  await w.pass(300_000);
  assert.match(w.model.progress?.text ?? '', /taking longer than usual. Your money is safe/);
  w.say({ state: 'seen', route: null, txHash: `0x${'d'.repeat(64)}`, confirmations: 1 });
  assert.equal(w.choice?.bridging, null);
  assert.equal(w.model.progress, null);
  assert.deepEqual(w.model.confirmations, { count: 1, required: 3 });
  assert.equal(w.choice?.given, null);
  w.say({ state: 'paid', route: { progress: 'settled', chain: 'Arbitrum One (sandbox)', symbol: 'USDT', amount: '10.15', txHash: w.intents[0], explorerUrl: 'https://explorer.example/tx/2' } });
  assert.equal(w.model.state, 'paid');
  assert.equal(w.choice?.bridging, null);
  assert.deepEqual(w.choice?.given, { text: '10.15 USDT on Arbitrum One (sandbox)', url: 'https://explorer.example/tx/2' });
});

test('a chain that the wallet does not know is added as this page knows it', async () => {
  const w = await new Elsewhere().connected();
  w.wallet.known = [base];
  w.ways?.select('crosschain:arbitrum-one:USDT-arbitrum-one');
  await w.flow.switchChain();
  const added = w.wallet.asked.find((a) => a.method === 'wallet_addEthereumChain')?.params[0] as Record<string, unknown>;
  assert.equal(added['chainName'], 'Arbitrum One (sandbox)');
  assert.deepEqual(added['rpcUrls'], [`http://127.0.0.1:8402/sandbox/rpc/${arbitrum}`]);
});

test('an exchange first: then the payment’s own way, with the steps it needs', async () => {
  const w = new Elsewhere();
  w.units = 10_130_000n;
  w.steps = ['approve', 'swap'];
  await w.choosing('crosschain:base:USDT-base');
  assert.equal(w.model.wrongChain, false);
  assert.match(w.choice?.words ?? '', /^You'll be paying on the same chain as your recipient\. Your USDT is exchanged for USDC first/);
  await w.go();
  w.steps = ['swap'];
  await w.pass(2_000);
  assert.equal(w.model.go.text, 'Exchange 10.13 USDT');
  assert.equal(w.intents.length, 0);
  await w.go();
  // The wallet's node has seen it, the server's has not.
  w.short = true;
  await w.pass(2_500);
  assert.equal(w.choice?.chosen.type, 'samechain');
  assert.equal(w.intents.length, 0, 'an exchange is no payment');
  w.short = false;
  await w.pass(20_000);
  w.flow.refresh();
  await w.settle();
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
  assert.match(w.choice?.words ?? '', /^The exchange is done/);
});

test('the cheapest that can be afforded is suggested where the payment’s own cannot', async () => {
  const w = new Elsewhere();
  w.short = true;
  w.found = () => answer(usdtHere(), usdtThere(), own({ enough: false, balance: '3000000' }));
  await w.connected();
  assert.equal(w.choice?.chosen.id, 'crosschain:base:USDT-base');
  assert.equal(w.choice?.open, true);
  w.ways?.select('evmref:base:USDC-base');
  await w.settle();
  assert.equal(w.choice?.chosen.type, 'samechain');
  assert.match(w.model.funds?.missing ?? '', /7.10 USDC is missing/);

  const one = new Elsewhere();
  one.short = true;
  one.found = () => answer(usdtThere(), own({ enough: false, balance: '3000000' }));
  await one.connected();
  assert.equal(one.choice?.chosen.id, 'crosschain:arbitrum-one:USDT-arbitrum-one');
  assert.equal(one.choice?.open, false, 'one way is no choice');

  const none = new Elsewhere();
  none.short = true;
  none.found = () => answer(own({ enough: false, balance: '3000000' }), usdtThere({ enough: false, balance: '0' }));
  await none.connected();
  assert.deepEqual(names(none.choice?.enough), []);
  none.ways?.select('crosschain:arbitrum-one:USDT-arbitrum-one');
  assert.equal(none.choice?.chosen.type, 'samechain', 'what is not enough cannot be chosen');
});

test('a stale offer is asked for anew before the wallet is', async () => {
  const w = await new Elsewhere().choosing();
  const asked = w.paying.length;
  w.wallet.mine = 'pool';
  await w.pass(30_000);
  await w.go();
  assert.equal(w.paying.length, asked, 'a fresh one is not');
  const v = await new Elsewhere().choosing();
  v.wallet.mine = 'pool';
  await v.pass(44_000);
  v.units = 10_160_000n;
  await v.go();
  assert.equal(v.paying.at(-1), 'crosschain:arbitrum-one:USDT-arbitrum-one');
  assert.equal(v.wallet.sends().length, 1, 'a little more goes without saying');
  assert.equal(v.model.notice, null);
  assert.equal(v.choice?.route[0]?.[1], '10.16 USDT');
});

test('a price that has risen by more than half a percent has to be accepted', async () => {
  const w = await new Elsewhere().choosing();
  await w.pass(60_000);
  w.units = tolerated(10_150_000n) + 1n;
  await w.go();
  assert.equal(w.wallet.sends().length, 0);
  assert.equal(w.model.notice?.title, 'The price has changed');
  assert.match(w.model.notice?.text ?? '', /It was 10.15 USDT and is now 10.200751 USDT/);
  assert.equal(w.model.notice?.retry, 'Accept new amount');
  assert.equal(w.model.go.enabled, false);
  w.flow.retry();
  await w.settle();
  assert.equal(w.model.notice, null);
  assert.equal(w.model.go.text, 'Approve 10.200751 USDT');
  await w.go();
  assert.equal(w.wallet.sends().length, 1);

  // Small steps do not add up: the least that was shown is what counts.
  const v = await new Elsewhere().choosing();
  for (const units of [10_190_000n, 10_230_000n]) {
    v.units = units;
    v.flow.refresh();
    await v.settle();
  }
  assert.equal(v.model.notice?.title, 'The price has changed');

  const dear = new Elsewhere();
  dear.units = 11_000_000n;
  await dear.choosing();
  assert.equal(dear.model.notice?.title, 'The price has changed', 'against what the choice said');
  assert.equal(dear.proved.length, 0);
});

test('a fee of the bridge in native currency that has risen has to be accepted like any other', async () => {
  const w = new Elsewhere();
  w.nativeFee = 500_000_000_000_000n;
  await w.choosing();
  assert.equal(w.model.notice?.title, undefined);
  await w.pass(60_000);
  w.nativeFee = 5_000_000_000_000_000n;
  await w.go();
  assert.equal(w.wallet.sends().length, 0);
  assert.equal(w.model.notice?.title, 'The price has changed');
  assert.match(w.model.notice?.text ?? '', /It was 0\.0005 ETH .* and is now 0\.005 ETH/);
  assert.equal(w.model.go.enabled, false);
  w.flow.retry();
  await w.settle();
  assert.equal(w.model.notice, null);
  await w.go();
  assert.equal(w.wallet.sends().length, 1);

  const v = new Elsewhere();
  v.nativeFee = 500_000_000_000_000n;
  await v.choosing();
  await v.pass(60_000);
  v.nativeFee = tolerated(v.nativeFee);
  await v.go();
  assert.equal(v.wallet.sends().length, 1, 'a little more goes without saying');
});

test('calls that take more than their offer says are refused', async () => {
  const w = new Elsewhere();
  w.quote = (m) => ({ ...m, sourceUnits: '10150000' });
  w.units = 20_000_000n;
  await w.choosing();
  assert.equal(w.model.state, 'unsafe');
  assert.match(w.model.unsafe, /^Amount, fee and exchange on the way: /);
  assert.deepEqual(w.telemetry, ['unsafe_refused route_source']);
  for (const [key, value] of Object.entries({ sourceUnits: '-1', sourceCurrency: 'USDC-base', quoteExpiresAt: 'soon' })) {
    const v = new Elsewhere();
    v.quote = (m) => ({ ...m, [key]: value });
    await v.choosing();
    assert.equal(v.model.state, 'unsafe', key);
  }
});

test('what the proof refuses is refused for good, before the wallet and in the last moment', async () => {
  const w = new Elsewhere();
  w.unsafe = new Refusal('route_receiver', 'receiver', account, stranger);
  await w.choosing();
  assert.equal(w.model.state, 'unsafe');
  assert.match(w.model.unsafe, /^Who gets the money on the way: receiver/);
  const v = await new Elsewhere().choosing();
  v.unsafe = new Refusal('route_deadline', 'deadline', 'later', 'now');
  await v.go();
  assert.equal(v.wallet.sends().length, 0);
  assert.equal(v.model.state, 'unsafe');
});

test('a proof that cannot be fetched, or that knows another network, leaves the payment’s own way', async () => {
  const w = new Elsewhere();
  w.routeFails = true;
  await w.choosing();
  assert.equal(w.choice?.told?.title, 'This way to pay could not be loaded');
  assert.equal(w.choice?.chosen.type, 'samechain');
  assert.ok(w.model.go.enabled);
  w.routeFails = false;
  w.ways?.select('crosschain:base:USDT-base');
  await w.settle();
  assert.equal(w.choice?.told, null);
  assert.equal(w.choice?.chosen.type, 'samechain_conversion');
  const v = new Elsewhere();
  v.networks = networks.map((n) => ({ ...n, native: { ...n.native, decimals: 8 } }));
  await v.choosing();
  assert.equal(v.choice?.told?.title, 'This way to pay cannot be used');
  assert.equal(v.choice?.chosen.type, 'samechain');
});

test('a route that is not offered any more is said, and the choice stays', async () => {
  const w = await new Elsewhere().choosing();
  w.payFails = new ApiError(503, 'routing_unavailable', '', 'Not possible right now.');
  w.flow.refresh();
  await w.settle();
  assert.equal(w.model.notice?.title, 'You cannot pay with USDT on Arbitrum One (sandbox) now');
  w.payFails = null;
  w.ways?.select('evmref:base:USDC-base');
  await w.settle();
  assert.equal(w.model.notice, null);
  assert.ok(w.model.wrongChain, 'back to the payment’s own chain');
});

for (const [progress, title] of [
  ['refunded', 'The bridge gave your money back'],
  ['recovered', 'Your money arrived, but the payment did not go through'],
  ['broken', 'The transaction did not go through'],
  ['unknown', 'Your transaction was not found'],
] as const) {
  test(`a route that ended: ${progress}`, async () => {
    const w = new Elsewhere();
    w.steps = ['pay'];
    await w.choosing();
    await w.go();
    await w.pass(2_000);
    w.news('bridging');
    assert.equal(w.model.state, 'seen');
    w.news(progress, { endUrl: 'https://explorer.example/tx/1' }, true);
    w.say({ announcedTx: w.intents[0] as Hex });
    await w.settle();
    assert.equal(w.model.state, 'open');
    assert.equal(w.choice?.told?.title, title);
    assert.equal(w.choice?.told?.url, 'https://explorer.example/tx/1');
    assert.equal(w.looked, 2, 'the money is somewhere else now');
    assert.equal(w.model.notice, null, 'nobody has to look for it in his wallet');
    assert.equal(w.choice?.chosen.type, 'samechain');
    await w.flow.switchChain();
    await w.settle();
    assert.ok(w.model.go.enabled, 'and can be paid again');
  });
}

test('what the wallet still knows is not given up because the server has not seen it', async () => {
  const w = new Elsewhere();
  w.steps = ['pay'];
  await w.choosing();
  w.wallet.mine = 'pool';
  await w.go();
  await w.pass(2_000);
  assert.equal(w.intents.length, 1);
  w.news('unknown', {}, true);
  await w.settle();
  assert.equal(w.model.state, 'seen', 'it may still be mined, and paid twice');
  assert.equal(w.model.progress?.title, 'Payment sent from Arbitrum One (sandbox)');
  assert.equal(w.choice?.told, null);
  // In a block after all: the server is told once more where to look.
  for (const tx of w.wallet.txs) tx.state = 'ok';
  await w.pass(20_000);
  assert.equal(w.intents.length, 2);
  assert.equal(w.intents[1], w.intents[0]);
  assert.equal(w.model.state, 'seen');
});

test('a transaction that failed is told once, whoever hears of it first', async () => {
  const w = new Elsewhere();
  w.steps = ['pay'];
  await w.choosing();
  w.wallet.mine = 'reverted';
  await w.go();
  await w.pass(2_000);
  assert.ok(w.model.notice, 'the wallet’s network was first');
  w.news('broken', {}, true);
  await w.settle();
  assert.equal(w.model.notice, null);
  assert.equal(w.choice?.told?.title, 'The transaction did not go through');
  w.news('broken', {}, true);
  await w.flow.switchChain();
  await w.settle();
  assert.ok(w.model.go.enabled, 'and can be paid again');
});

test('a bridge that failed is not told as a transaction that its chain refused', async () => {
  for (const left of [false, true]) {
    const w = await new Elsewhere().choosing();
    w.news('broken', { left }, true);
    const text = w.choice?.told?.text ?? '';
    assert.equal(text.includes('never left your wallet'), !left, text);
    assert.equal(text.includes('Look into your wallet'), left, text);
  }
});

test('money on a bridge outlives a reload and reaches other tabs', async () => {
  const w = new Elsewhere();
  w.steps = ['pay'];
  await w.choosing();
  await w.go();
  await w.pass(2_000);
  const kept = Object.fromEntries(w.storage);
  const again = new Elsewhere(usdc({ ways: '/static/ways-0123456789ab.js' }), kept);
  again.flow.start();
  await again.settle();
  assert.equal(again.model.state, 'seen');
  assert.equal(again.model.progress?.title, 'Your payment is on its way from Arbitrum One (sandbox)');
  assert.deepEqual(again.chains, [arbitrum], 'the server may not have heard of it');

  // A browser that knows nothing of it is told by the server.
  const other = new Elsewhere(usdc({ ways: '/static/ways-0123456789ab.js', payable: false, state: 'seen' }));
  other.flow.start();
  other.news('bridging');
  await other.settle();
  assert.equal(other.model.state, 'seen');
  assert.equal(other.choice?.bridging?.max, 120);
  other.news('refunded', {}, true);
  await other.settle();
  assert.equal(other.reloads, 1, 'it can be paid again');
});

test('the way chosen before a reload is chosen again', async () => {
  const w = await new Elsewhere().choosing();
  const again = new Elsewhere(usdc({ ways: '/static/ways-0123456789ab.js' }), Object.fromEntries(w.storage));
  await again.connected();
  assert.equal(again.choice?.chosen.id, 'crosschain:arbitrum-one:USDT-arbitrum-one');
});

test('another account has other money', async () => {
  const w = await new Elsewhere().choosing();
  w.wallet.accounts = [stranger];
  w.found = () => answer(own());
  w.wallet.emit('accountsChanged');
  await w.settle();
  assert.equal(w.choice?.chosen.type, 'samechain');
  assert.equal(w.choice?.count, 'No other way');
});

test('only ways that this script knows are ways', () => {
  const p = usdc();
  const read = (o: Offer) => readOptions(answer(o), registry, p)?.options.length;
  assert.equal(read(usdtThere()), 1);
  const bad: [string, (o: Offer) => void][] = [
    ['chain', (o) => (o.chain['id'] = 1)],
    ['a chain of real money', (o) => Object.assign(o.chain, { id: 42161, name: 'Arbitrum One' })],
    ['name of the chain', (o) => (o.chain['name'] = 'Base (sandbox)')],
    ['coin', (o) => (o.chain['native'] = { name: 'Gold', symbol: 'XAU', decimals: 18 })],
    ['token', (o) => (o.token['address'] = stranger)],
    ['symbol', (o) => (o.token['symbol'] = 'USDC')],
    ['decimals', (o) => (o.token['decimals'] = 18)],
    ['reset', (o) => (o.token['resetAllowance'] = false)],
    ['type', (o) => (o.type = 'samechain_conversion')],
    ['own way', (o) => (o.type = 'samechain')],
    ['amount', (o) => (o['needed'] = '1e9')],
    ['balance', (o) => (o['balance'] = -1)],
    ['time', (o) => (o['seconds'] = 1e12)],
    ['endpoint', (o) => (o.chain['rpcUrls'] = ['javascript:alert(1)'])],
    ['id', (o) => (o.id = '../../x?y')],
  ];
  for (const [what, change] of bad) {
    const o = structuredClone(usdtThere());
    change(o);
    assert.equal(read(o), 0, what);
  }
  for (const nothing of [null, [], 'x', {}, { options: 'x' }]) assert.equal(readOptions(nothing, registry, p), null);
  assert.equal(readOptions(answer(usdtThere(), usdtThere()), registry, p)?.options.length, 1);
  // Enough of what is not known is not enough.
  assert.equal(readOptions(answer(usdtThere({ balance: null })), registry, p)?.options[0]?.enough, false);
});

test('news that are none', () => {
  for (const nothing of [null, {}, { progress: 'constructor' }, { progress: 7 }]) assert.equal(readNews(nothing), null);
  const odd = readNews({ progress: 'bridging', chain: 'Arb\u202eitrum', txHash: '0x1', explorerUrl: 'javascript:alert(1)', sentAt: 'soon', seconds: -5, endUrl: 7, amount: 7, left: 1 });
  assert.deepEqual(odd, { stage: 'bridging', chain: 'Arbitrum', amount: '', hash: '', url: '', sentAt: 0, seconds: 0, endUrl: '', left: false });
});
