// What can happen between sending a transaction and its being seen: failure, replacement, reload.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { account, usdc } from './fixtures.ts';
import { World } from './world.ts';
test('a payment that fails on the chain can be tried again', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.wallet.mine = 'reverted';
  await w.go();
  await w.pass(2_000);
  assert.equal(w.model.state, 'open');
  assert.equal(w.model.notice?.title, 'The payment did not go through');
  assert.equal(w.stepLine(), 'pay:failed');
  assert.ok(w.telemetry.includes('tx_failed'));
  w.say({ announcedTx: w.intents[0] as `0x${string}` });
  w.wallet.mine = 'ok';
  w.flow.retry();
  await w.settle();
  assert.ok(w.model.go.enabled);
  await w.go();
  assert.equal(w.model.state, 'seen');
});

test('an approval that fails on the chain can be tried again', async () => {
  const w = await new World(usdc()).connected();
  w.wallet.mine = 'reverted';
  await w.go();
  await w.pass(2_000);
  assert.equal(w.model.notice?.title, 'The approval did not go through');
  w.flow.retry();
  await w.settle();
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
  assert.ok(w.model.go.enabled);
});

test('canceled in the wallet after it was sent', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.wallet.mine = 'pool';
  await w.go();
  await w.pass(2_000);
  const first = w.wallet.txs[0];
  assert.ok(first);
  first.state = 'gone';
  w.wallet.txs.push({ hash: `0x${'c'.repeat(64)}`, nonce: first.nonce, to: account, data: '0x', state: 'ok' });
  await w.pass(6_000);
  assert.equal(w.model.state, 'open');
  assert.equal(w.model.notice?.title, 'The transaction was replaced in your wallet');
});

test('sped up in the wallet after it was sent', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.wallet.mine = 'pool';
  await w.go();
  await w.pass(2_000);
  const first = w.wallet.txs[0];
  assert.ok(first);
  first.state = 'gone';
  w.wallet.txs.push({ ...first, hash: `0x${'d'.repeat(64)}`, state: 'ok' });
  await w.pass(10_000);
  assert.equal(w.model.state, 'seen');
  assert.equal(w.model.progress?.title, 'Payment included');
  assert.deepEqual(w.intents.at(-1), `0x${'d'.repeat(64)}`);
});

test('forgotten by the network, but not because the wallet looks elsewhere', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.wallet.mine = 'pool';
  await w.go();
  (w.wallet.txs[0] as { state: string }).state = 'gone';
  w.wallet.chainId = '0x1';
  await w.pass(400_000);
  assert.notEqual(w.model.notice?.title, 'The network does not know the transaction any more');
  w.wallet.chainId = `0x${w.payment.chain.id.toString(16)}`;
  w.wallet.emit('chainChanged');
  await w.pass(12_000);
  assert.equal(w.model.notice?.title, 'The network does not know the transaction any more');
});

test('a reload after sending shows the payment and does not pay again', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.wallet.mine = 'pool';
  await w.go();
  const after = new World(usdc(), Object.fromEntries(w.storage));
  after.kinds = ['pay'];
  after.wallet.txs = w.wallet.txs;
  await after.connected();
  assert.equal(after.model.state, 'seen');
  assert.equal(after.model.progress?.title, 'You already sent this payment');
  assert.equal(after.model.tx.hash, w.wallet.txs[0]?.hash);
  await after.go();
  assert.equal(after.wallet.sends().length, 0);
  // It fails after all: there is a way on.
  (after.wallet.txs[0] as { state: string }).state = 'reverted';
  await after.pass(6_000);
  assert.equal(after.model.state, 'open');
  after.flow.retry();
  await after.settle();
  assert.ok(after.model.go.enabled);
});

test('a reload after sending, without the wallet', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.wallet.mine = 'pool';
  await w.go();
  const after = new World(usdc(), Object.fromEntries(w.storage));
  after.wallet.txs = w.wallet.txs;
  after.flow.start();
  await after.pass(70_000);
  assert.equal(after.model.state, 'open');
  assert.equal(after.model.notice?.title, 'You already sent 10.10 USDC');
  await after.flow.connect(after.asWallet);
  await after.pass(6_000);
  assert.equal(after.model.state, 'seen');
});

test('a reload while the wallet asks', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.wallet.on_['eth_sendTransaction'] = () => new Promise(() => undefined);
  await w.go();
  assert.equal(w.model.go.text, 'Confirm in your wallet…');
  const after = new World(usdc(), Object.fromEntries(w.storage));
  after.kinds = ['pay'];
  await after.connected();
  assert.ok(!after.model.go.enabled);
  assert.equal(after.model.notice?.title, 'Look into your wallet first');
  after.flow.retry();
  await after.settle();
  assert.ok(after.model.go.enabled);
});

test('a reload while an approval is on its way', async () => {
  const w = await new World(usdc()).connected();
  w.wallet.mine = 'pool';
  await w.go();
  const after = new World(usdc(), Object.fromEntries(w.storage));
  after.wallet.txs = w.wallet.txs;
  await after.connected();
  assert.equal(after.stepLine(), 'approve:pending pay:todo');
  after.kinds = ['pay'];
  (after.wallet.txs[0] as { state: string }).state = 'ok';
  await after.pass(6_000);
  assert.equal(after.model.go.text, 'Pay 10.10 USDC');
});

test('the server’s node is behind the wallet’s: nobody approves twice', async () => {
  const w = await new World(usdc()).connected();
  await w.go();
  await w.pass(4_000);
  assert.deepEqual(w.model.go, { text: 'Checking…', enabled: false, busy: true });
  assert.equal(w.stepLine(), 'approve:done pay:todo');
  w.kinds = ['pay'];
  await w.pass(2_000);
  assert.equal(w.model.go.text, 'Pay 10.10 USDC');
  assert.equal(w.wallet.sends().length, 1);
  // An approval that was taken back in the meantime is asked for again in the end.
  const v = await new World(usdc()).connected();
  await v.go();
  await v.pass(60_000);
  assert.equal(v.model.go.text, 'Approve 10.10 USDC');
  assert.ok(v.model.go.enabled);
});
