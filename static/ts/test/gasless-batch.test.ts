// Wallets that make several calls at once: what they say of themselves, what they
// are asked, and what becomes of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAbilities, readBatch, readBatchId } from '../src/gasless-data.ts';
import { account, stranger, usdc } from './fixtures.ts';
import { GaslessWorld, mine, origin } from './gasless-world.ts';

const base = usdc().chain.id;
const id = `0x${base.toString(16)}`;

test('abilities are read in both versions, on the chain asked for alone', () => {
  const none = { atomic: 'no', paymaster: false, old: false };
  assert.deepEqual(readAbilities({ [id]: { atomic: { status: 'supported' }, paymasterService: { supported: true } } }, base), { atomic: 'supported', paymaster: true, old: false });
  assert.deepEqual(readAbilities({ [id.toUpperCase().replace('X', 'x')]: { atomic: { status: 'ready' } } }, base), { atomic: 'ready', paymaster: false, old: false });
  assert.deepEqual(readAbilities({ [String(base)]: { atomicBatch: { supported: true } } }, base), { atomic: 'supported', paymaster: false, old: true });
  assert.deepEqual(readAbilities({ '0x0': { atomic: { status: 'supported' } } }, base), { atomic: 'supported', paymaster: false, old: false });
  assert.deepEqual(readAbilities({ '0x0': { atomic: { status: 'supported' } }, [id]: { atomic: { status: 'unsupported' } } }, base), none);
  assert.deepEqual(readAbilities({ '0x1': { atomic: { status: 'supported' } } }, base), none);
  for (const odd of [null, undefined, 'yes', [], { [id]: null }, { [id]: { atomic: true } }, { [id]: { atomic: { status: 'maybe' } } }, { [id]: { atomicBatch: { supported: 'true' } } }, { constructor: {} }]) {
    assert.deepEqual(readAbilities(odd, base), none);
  }
});

test('a batch’s status is read in both versions', () => {
  const tx = `0x${'ab'.repeat(32)}`;
  const of = (status: unknown, receipt: object | null = { transactionHash: tx, status: '0x1' }) => readBatch({ status, receipts: receipt ? [receipt] : [] });
  assert.deepEqual(of(100, null), { state: 'waiting', tx: '' });
  assert.deepEqual(of(200), { state: 'done', tx });
  assert.deepEqual(of('CONFIRMED'), { state: 'done', tx });
  assert.deepEqual(of('PENDING', null), { state: 'waiting', tx: '' });
  assert.deepEqual(of(400, null), { state: 'failed', tx: '' });
  assert.deepEqual(of(500), { state: 'failed', tx });
  assert.deepEqual(of(600), { state: 'part', tx });
  // Wallets that say all is well of what was reverted.
  assert.equal(of(200, { transactionHash: tx, status: '0x0' })?.state, 'failed');
  assert.equal(of('CONFIRMED', { transactionHash: tx, status: '0x0' })?.state, 'failed');
  for (const odd of [null, {}, { status: null }, { status: 'done' }, { status: 42 }, { status: {} }]) assert.equal(readBatch(odd), null);
  assert.equal(readBatchId({ id: '0x12' }), '0x12');
  assert.equal(readBatchId('0x12'), '0x12');
  for (const odd of [null, {}, '', { id: 7 }, { id: 'x'.repeat(9_000) }]) assert.equal(readBatchId(odd), '');
});

interface Ask {
  version: string;
  chainId: string;
  from: string;
  atomicRequired?: boolean;
  calls: { to: string; data: string; value: string }[];
  capabilities?: { paymasterService: { url: string } };
}

/** A wallet that says of itself that it can, with a paymaster or without. */
async function able(more: object, change: (w: GaslessWorld) => void = () => undefined, remembered: Record<string, string> = {}): Promise<{ w: GaslessWorld; asked: () => Ask[]; state: { status: unknown } }> {
  const w = new GaslessWorld({}, remembered);
  const state: { status: unknown } = { status: { status: 100 } };
  w.wallet.on_['wallet_getCapabilities'] = () => ({ [id]: more });
  w.wallet.on_['wallet_sendCalls'] = () => ({ id: '0x77' });
  w.wallet.on_['wallet_getCallsStatus'] = () => state.status;
  w.endpoint = (path) => assert.fail(path);
  change(w);
  await w.connected();
  return { w, asked: () => w.wallet.asked.filter((a) => a.method === 'wallet_sendCalls').map((a) => a.params[0] as Ask), state };
}

const both = { atomic: { status: 'supported' }, paymasterService: { supported: true } };
const tx = `0x${'cd'.repeat(32)}`;

test('both: one confirmation, no gas, and nothing asked of smart accounts', async () => {
  const { w, asked, state } = await able(both, (x) => (x.coins = false));
  assert.deepEqual(w.gas?.ways.map((x) => [x.way, x.chosen]), [['batch_sponsored', true], ['batch', false], ['plain', false]]);
  assert.equal(w.model.go.text, 'Pay 10.10 USDC without gas');
  assert.equal(w.model.funds?.missing, '');
  await w.go();
  const [ask] = asked();
  assert.deepEqual({ ...ask, calls: ask?.calls.length }, { version: '2.0.0', chainId: id, from: account, atomicRequired: true, calls: 2, capabilities: { paymasterService: { url: `${origin}/checkout/x/paymaster?wallet=${account}` } } });
  assert.equal(w.model.state, 'seen');
  assert.equal(w.model.progress?.title, 'Your wallet makes the payment');
  assert.equal(w.model.go.enabled, false);
  state.status = { status: 200, receipts: [{ transactionHash: tx, status: '0x1' }] };
  await w.pass(3_000);
  assert.deepEqual(w.intents, [tx]);
  assert.equal(w.model.progress?.title, 'Payment included');
  assert.equal(w.announced.at(-1)?.hash, tx);
  assert.deepEqual(w.wallet.sends(), []);
});

test('atomic alone: one confirmation for all steps, at the wallet’s cost', async () => {
  const { w, asked } = await able({ atomic: { status: 'ready' } }, (x) => (x.sponsored = false));
  assert.deepEqual(w.gas?.ways.map((x) => [x.way, x.chosen]), [['batch', true], ['plain', false]]);
  assert.equal(w.model.go.text, 'Pay 10.10 USDC');
  await w.go();
  assert.equal(asked()[0]?.capabilities, undefined);
  assert.equal(asked()[0]?.calls.length, 2);
});

test('the first version of the standard is spoken to those who speak it', async () => {
  const { w, asked, state } = await able({ atomicBatch: { supported: true } }, (x) => {
    x.sponsored = false;
    x.wallet.on_['wallet_sendCalls'] = () => '0x77';
  });
  await w.go();
  assert.equal(asked()[0]?.version, '1.0');
  assert.equal(asked()[0]?.atomicRequired, undefined);
  state.status = { status: 'CONFIRMED', receipts: [{ transactionHash: tx, status: '0x1' }] };
  await w.pass(3_000);
  assert.deepEqual(w.intents, [tx]);
});

test('a wallet that takes the account alone is asked again', async () => {
  const w = new GaslessWorld();
  w.sponsored = false;
  w.wallet.on_['wallet_getCapabilities'] = (params) => {
    if (params.length > 1) throw { code: -32602, message: 'too many' };
    return { [id]: { atomic: { status: 'supported' } } };
  };
  await w.connected();
  assert.equal(w.gas?.ways[0]?.way, 'batch');
});

test('a slow wallet is not waited for, and believed the next time', async () => {
  const w = new GaslessWorld();
  w.sponsored = false;
  let answer: (v: unknown) => void = () => undefined;
  w.wallet.on_['wallet_getCapabilities'] = () => new Promise((resolve) => (answer = resolve));
  await w.connected();
  assert.equal(w.model.go.text, 'Checking…');
  await w.pass(1_600);
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
  answer({ [id]: both });
  w.flow.refresh();
  await w.settle();
  assert.equal(w.model.go.text, 'Pay 10.10 USDC');
  assert.equal(w.wallet.asked.filter((a) => a.method === 'wallet_getCapabilities').length, 1);
});

test('a paymaster’s address elsewhere is not passed on', async () => {
  const { w } = await able(both, (x) => {
    const { tamper } = x;
    x.tamper = (r) => ({ ...tamper(r), paymasterUrl: 'https://evil.example/checkout/x/paymaster' });
    x.endpoint = async () => ({});
  });
  assert.deepEqual(w.gas?.ways.map((x) => x.way), ['batch', 'plain']);
});

for (const [code, title] of [[5700, 'Your wallet did not get the network fee paid'], [-32602, 'Your wallet did not get the network fee paid']] as const) {
  test(`the fee cannot be paid after all (${code}): said, and the next way at once`, async () => {
    const { w } = await able(both, (x) => (x.wallet.on_['wallet_sendCalls'] = () => { throw { code, message: 'no' }; }));
    w.endpoint = async () => ({});
    await w.go();
    assert.equal(w.model.notice?.title, title);
    assert.equal(w.model.go.text, 'Pay 10.10 USDC');
    assert.equal(w.gas?.ways.find((x) => x.chosen)?.way, 'batch');
  });
}

for (const code of [5750, 5760, 4200, -32601]) {
  test(`a wallet that cannot do what it said (${code}) pays step by step`, async () => {
    const { w } = await able({ atomic: { status: 'ready' } }, (x) => {
      x.sponsored = false;
      x.wallet.on_['wallet_sendCalls'] = () => { throw { code, message: 'no' }; };
    });
    await w.go();
    assert.equal(w.model.notice?.title, 'Your wallet cannot do this at once');
    assert.equal(w.model.go.text, 'Approve 10.10 USDC');
    assert.deepEqual(w.gas?.ways, []);
    await w.go();
    assert.equal(w.wallet.sends().length, 1);
  });
}

test('the payer declines a batch', async () => {
  const { w } = await able({ atomic: { status: 'supported' } }, (x) => {
    x.sponsored = false;
    x.wallet.on_['wallet_sendCalls'] = () => { throw { code: 4001, message: 'User rejected the request.' }; };
  });
  await w.go();
  assert.equal(w.model.notice?.title, 'You declined in your wallet. Nothing was paid.');
  assert.equal(w.model.go.enabled, true);
});

for (const [name, status, title] of [
  ['given up', { status: 400 }, 'The payment did not go through'],
  ['reverted', { status: 500, receipts: [{ transactionHash: tx, status: '0x0' }] }, 'The payment did not go through'],
  ['half made', { status: 600, receipts: [{ transactionHash: tx, status: '0x1' }] }, 'Only a part of the steps was made'],
] as const) {
  test(`a batch that is ${name} after it was taken: said, and paid anew`, async () => {
    const { w, state } = await able({ atomic: { status: 'supported' } }, (x) => (x.sponsored = false));
    await w.go();
    state.status = status;
    await w.pass(3_000);
    assert.equal(w.model.notice?.title, title);
    assert.equal(w.model.state, 'open');
    assert.deepEqual(w.intents, []);
    assert.equal(w.storage.has(`quittance:${w.payment.token}:gasless`), false);
    w.flow.retry();
    await w.settle();
    assert.equal(w.model.go.enabled, true);
  });
}

test('a wallet that says done and shows nothing, or knows nothing of its batch, is not believed for ever', async () => {
  for (const status of [() => ({ status: 200 }), () => { throw { code: 5730 }; }, () => null]) {
    const { w } = await able({ atomic: { status: 'supported' } }, (x) => {
      x.sponsored = false;
      x.wallet.on_['wallet_getCallsStatus'] = status;
    });
    await w.go();
    await w.pass(170_000);
    assert.equal(w.model.state, 'seen');
    await w.pass(20_000);
    assert.equal(w.model.notice?.title, 'Your wallet does not know what became of the payment');
    assert.equal(w.model.go.enabled, false);
  }
});

test('a batch is followed over a reload, once its wallet is there again', async () => {
  const { w } = await able({ atomic: { status: 'supported' } }, (x) => (x.sponsored = false));
  await w.go();
  const kept = w.storage.get(`quittance:${w.payment.token}:gasless`) ?? assert.fail();
  assert.match(kept, /"id":"0x77"/);
  const again = new GaslessWorld({}, { [`quittance:${w.payment.token}:gasless`]: kept });
  again.wallet.on_['wallet_getCallsStatus'] = (params) => {
    assert.deepEqual(params, ['0x77']);
    return { status: 200, receipts: [{ transactionHash: tx, status: '0x1' }] };
  };
  again.flow.start();
  await again.settle();
  assert.equal(again.model.state, 'seen');
  assert.equal(again.model.progress?.title, 'You already confirmed this payment');
  await again.pass(200_000);
  // Nor may another tab pay meanwhile.
  assert.equal(again.held, 1);
  assert.deepEqual(again.intents, []);
  await again.flow.connect(again.asWallet);
  await again.pass(6_000);
  assert.deepEqual(again.intents, [tx]);
  assert.equal(again.held, 0);
  assert.equal(again.wallet.asked.some((a) => a.method === 'wallet_sendCalls'), false);
});

test('what was stored and is no batch is nothing', async () => {
  for (const kept of ['', '{', '[]', '{"batch":{"id":7}}', `{"batch":{"id":"x","wallet":"${stranger}","chain":1,"at":1,"to":"${stranger}","data":"javascript:"}}`, '{"op":{"hash":"0x12"}}', '{"picked":"constructor","cap":"-1"}']) {
    const w = new GaslessWorld({}, { 'quittance:01KADEMO0000000000000000:gasless': kept });
    w.flow.start();
    await w.settle();
    assert.equal(w.model.state, 'open');
  }
});

test('a wallet without a hash or an id: look first', async () => {
  const { w } = await able({ atomic: { status: 'supported' } }, (x) => {
    x.sponsored = false;
    x.wallet.on_['wallet_sendCalls'] = () => ({});
  });
  await w.go();
  assert.equal(w.model.notice?.title, 'Your wallet did not say what it made');
  assert.equal(w.model.go.enabled, false);
});

test('a page that changes behind our back is not signed in a batch', async () => {
  const { w, asked } = await able({ atomic: { status: 'supported' } }, (x) => (x.sponsored = false));
  w.shown = { ...w.shown, items: w.shown.items.map((i) => ({ ...i, payee: stranger })) };
  await w.go();
  assert.equal(w.model.state, 'unsafe');
  assert.deepEqual(asked(), []);
});

test('what is taken back goes into the batch', async () => {
  const { w, asked } = await able({ atomic: { status: 'supported' } }, (x) => {
    x.sponsored = false;
    x.revokes = [[mine.address, usdc().assets[0].address]];
  });
  assert.equal(w.stepped, 'revoke:todo approve:todo pay:todo');
  await w.go();
  assert.equal(asked()[0]?.calls.length, 3);
});

test('another tab that signs keeps this one from it', async () => {
  const { w, asked } = await able({ atomic: { status: 'supported' } }, (x) => {
    x.sponsored = false;
    x.tabFree = false;
  });
  await w.go();
  assert.deepEqual(asked(), []);
});

test('a wallet that keeps silent is asked about, and what it makes late counts', async () => {
  let answer: (v: unknown) => void = () => undefined;
  const { w, state } = await able({ atomic: { status: 'supported' } }, (x) => {
    x.sponsored = false;
    x.wallet.on_['wallet_sendCalls'] = () => new Promise((resolve) => (answer = resolve));
  });
  await w.go();
  await w.pass(121_000);
  assert.equal(w.model.notice?.title, 'Your wallet has not answered yet');
  w.flow.retry();
  await w.settle();
  assert.equal(w.held, 0);
  answer({ id: '0x77' });
  await w.settle();
  assert.equal(w.held, 1);
  state.status = { status: 200, receipts: [{ transactionHash: tx, status: '0x1' }] };
  await w.pass(6_000);
  assert.deepEqual(w.intents, [tx]);
  assert.equal(w.held, 0);
});
