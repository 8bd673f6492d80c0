// Paying from a Safe: in its app and behind a wallet, with apps, wallets and
// servers that behave and that do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusal } from '../src/verify.ts';
import { arbitrum, dataOf } from './elsewhere.ts';
import { account, stranger, usdc, usdt } from './fixtures.ts';
import { SafeWorld, behindWallet, inApp, owners, proven, safeCode, signature } from './safe-world.ts';
import { ApiError } from './world.ts';

const sendCalls = (w: SafeWorld): Record<string, unknown>[] => w.wallet.asked.filter((a) => a.method === 'wallet_sendCalls').map((a) => a.params[0] as Record<string, unknown>);

test('in its app the Safe is there by itself, and everything is proposed as one transaction', async () => {
  const w = await inApp().opened();
  assert.equal(w.offered.length, 1);
  assert.deepEqual(w.model.account, { address: account, wallet: 'Safe' });
  assert.deepEqual(w.asSafe, [true]);
  assert.equal(w.model.go.text, 'Propose to your Safe');
  assert.ok(w.model.go.enabled);
  assert.equal(w.stepLine(), 'approve:todo pay:todo');
  assert.equal(w.model.funds?.gas, 'paid by the owner who executes it');
  assert.equal(w.safeModel?.account?.title, 'You pay from a Safe: 2 of 3 owners must sign');
  await w.go();
  assert.equal(w.app.sent.length, 1);
  assert.deepEqual(w.app.sent[0]?.map((c) => [c.to.toLowerCase(), c.value]), [[w.payment.assets[0].address.toLowerCase(), '0'], ['0x5a4db00000000000000000000000000000000e20', '0']]);
  assert.equal(w.told[0]?.safeTxHash, w.hash);
  assert.equal(proven(w.told[0]), w.hash, 'the page itself knows what is behind the hash');
  assert.equal(w.told[0]?.wallet, account);
  assert.equal(w.told[0]?.chain, w.payment.chain.id);
  assert.equal(w.model.state, 'seen');
  assert.equal(w.model.progress?.title, 'Waiting for signatures');
  assert.match(w.model.progress?.text ?? '', /2 of 3 owners must sign/);
  assert.deepEqual(w.safeModel?.waiting?.owners, owners.map((address, i) => ({ address, signed: i === 0 })));
  assert.equal(w.safeModel?.waiting?.signatures, '1 of 2 signatures');
  assert.equal(w.safeModel?.waiting?.queue, 'Number 7 (nonce)');
  assert.equal(w.model.checks.filter((c) => c.name.startsWith('safe_') && c.outcome === 'passed').length, 8);
  assert.deepEqual(w.events.map((e) => e.split(' ')[0]), ['wallet_connected', 'payment_sent_to_wallet', 'payment_approved_in_wallet']);
  assert.equal(w.wallet.asked.length, 0);
});

test('the server is told of every signature that the app shows, and of each state once', async () => {
  const w = await inApp().opened();
  await w.go();
  w.news('waiting');
  await w.pass(30_000);
  const before = w.told.length;
  assert.deepEqual(w.told.at(-1)?.signatures, [signature(1)]);
  await w.pass(60_000);
  assert.equal(w.told.length, before, 'nothing new, nothing said');
  w.app.sign(w.hash, 3);
  await w.pass(20_000);
  assert.deepEqual(w.told.at(-1)?.signatures, [signature(1), signature(3)]);
  assert.equal(w.model.progress?.title, 'Signed, and waiting to be executed');
  w.news('executed', { txHash: `0x${'e'.repeat(64)}`, explorerUrl: 'https://explorer.example/tx/0xe' });
  await w.settle();
  assert.equal(w.model.progress?.title, 'The Safe has sent the payment');
  assert.equal(w.model.tx.url, 'https://explorer.example/tx/0xe');
  w.say({ state: 'paid', safe: null });
  assert.equal(w.model.state, 'paid');
  assert.equal(w.storage.get('quittance:01KADEMO0000000000000000:safe'), undefined);
  const asked = w.app.window.asked.length;
  await w.pass(60_000);
  assert.equal(w.app.window.asked.length, asked, 'and nobody is asked any more');
});

test('a wallet whose account is a Safe gets one batch by EIP-5792', async () => {
  const w = behindWallet();
  w.wallet.on_['wallet_sendCalls'] = (params) => {
    const { calls } = params[0] as { calls: { to: string; value: string; data: string }[] };
    return { id: w.app.propose(calls.map((c) => ({ ...c, value: String(BigInt(c.value)) }))) };
  };
  await w.connected();
  assert.equal(w.fetched, 1);
  assert.equal(w.model.go.text, 'Propose to your Safe');
  await w.go();
  const [asked] = sendCalls(w);
  assert.deepEqual({ ...asked, calls: (asked?.['calls'] as unknown[]).length }, { version: '2.0.0', chainId: `0x${w.payment.chain.id.toString(16)}`, from: account, atomicRequired: true, calls: 2 });
  assert.deepEqual(w.wallet.sends(), []);
  assert.equal(proven(w.told[0]), w.hash);
  assert.deepEqual(w.told[0]?.signatures, undefined);
  assert.equal(w.safeModel?.waiting?.signatures, '', 'nobody told');
  assert.equal(w.model.progress?.title, 'Waiting for signatures');
  await w.pass(60_000);
  assert.equal(w.told.length, 1);
});

test('a wallet that cannot batch: several steps are not sent one by one, one step is', async () => {
  for (const err of [{ code: -32601, message: 'x' }, { code: 4200, message: '' }, { code: 5760, message: 'atomicity' }, { code: 0, message: 'Missing or invalid. request() method: wallet_sendCalls' }]) {
    const w = behindWallet();
    w.wallet.on_['wallet_sendCalls'] = () => {
      throw err;
    };
    await w.connected();
    await w.go();
    assert.equal(w.model.notice?.title, 'This wallet cannot propose several steps at once');
    assert.deepEqual(w.wallet.sends(), []);
    assert.deepEqual(w.told, []);
    assert.equal(w.model.state, 'open');
  }
  const w = behindWallet();
  w.kinds = ['pay'];
  w.wallet.on_['wallet_sendCalls'] = () => {
    throw { code: -32601, message: 'the method does not exist' };
  };
  w.wallet.on_['eth_sendTransaction'] = (params) => {
    const { to, value, data } = params[0] as Record<string, string>;
    return w.app.propose([{ to: to ?? '', value: String(BigInt(value ?? '0')), data: data ?? '' }]);
  };
  await w.connected();
  await w.go();
  assert.equal(w.wallet.sends().length, 1);
  assert.equal(proven(w.told[0]), w.hash);
});

test('what a wallet calls a transaction is announced as one, unless it is known to be the Safe’s', async () => {
  const w = behindWallet();
  w.kinds = ['pay'];
  const hash = `0x${'7'.repeat(64)}`;
  w.wallet.on_['wallet_sendCalls'] = () => {
    throw { code: -32601, message: 'the method does not exist' };
  };
  w.wallet.on_['eth_sendTransaction'] = () => ({ hash });
  await w.connected();
  await w.go();
  assert.deepEqual([w.told, w.intents, w.chains], [[], [hash], [w.payment.chain.id]]);
  assert.equal(w.model.state, 'seen');
  await w.pass(60_000);
  w.say({ announcedTx: hash as `0x${string}` });
  await w.settle();
  assert.equal(w.model.state, 'open');
  assert.equal(w.model.notice?.title, 'A payment was already sent from this link');
});

test('a wallet that fails otherwise is not asked in another way', async () => {
  const w = behindWallet();
  w.kinds = ['pay'];
  for (const err of [{ code: 4001, message: 'User rejected the request.' }, { code: -32000, message: 'something broke' }]) {
    w.wallet.on_['wallet_sendCalls'] = () => {
      throw err;
    };
    if (!w.models.length) await w.connected();
    await w.go();
    assert.match(w.model.notice?.title ?? '', err.code === 4001 ? /declined/ : /reported a problem/);
    assert.deepEqual(w.wallet.sends(), []);
  }
});

test('accounts that are no Safe pay as ever', async () => {
  for (const code of ['0x', '0xef01000000000000000000000000000000000000000001', null, 7]) {
    const w = behindWallet();
    w.wallet.on_['eth_getCode'] = () => code;
    await w.connected();
    assert.equal(w.fetched, 0, String(code));
    assert.deepEqual(w.asSafe, [false]);
    assert.equal(w.model.go.text, 'Approve 10.10 USDC');
  }
  const silent = behindWallet();
  silent.wallet.on_['eth_getCode'] = () => {
    throw { code: -32601 };
  };
  await silent.connected();
  assert.equal(silent.model.go.text, 'Approve 10.10 USDC');
  // A contract of another kind.
  const other = behindWallet();
  other.wallet.on_['eth_call'] = () => '0x';
  await other.connected();
  assert.deepEqual([other.fetched, other.asSafe.join(), other.model.go.text], [1, 'false', 'Approve 10.10 USDC']);
  assert.equal(other.safeModel?.account, null);
  // One that looks like a Safe, of which the server knows better.
  const looks = behindWallet();
  looks.payFails = new ApiError(400, 'not_a_safe', 'wallet', 'The contract at this address is not a Safe.');
  looks.asked_ = (safe) => {
    looks.asSafe.push(safe);
    if (!safe) looks.payFails = null;
  };
  await looks.connected();
  assert.deepEqual([looks.asSafe.join(), looks.model.go.text], ['true,false', 'Approve 10.10 USDC']);
});

test('a script that cannot be fetched leaves the ordinary way', async () => {
  const w = behindWallet();
  w.fetchFails = true;
  await w.connected();
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
});

test('a Safe of a version that is not known is said, and not paid from in another way', async () => {
  const w = behindWallet();
  w.payFails = new ApiError(400, 'safe_version', 'wallet', 'The Safe runs code that is not of a known version.');
  await w.connected();
  assert.equal(w.model.notice?.text, 'The Safe runs code that is not of a known version.');
  assert.ok(!w.model.go.enabled);
  assert.deepEqual(w.asSafe, [true]);
});

test('what the app proposed instead is refused, and the server is not told of it', async () => {
  const lies: [string, Parameters<typeof Object.assign>[0], string][] = [
    ['another call', (tx: object) => ({ ...tx, data: `${(tx as { data: string }).data}00` }), 'safe_calls'],
    ['a delegatecall', (tx: object) => ({ ...tx, to: stranger }), 'safe_target'],
    ['gas paid to somebody', (tx: object) => ({ ...tx, refundReceiver: stranger, gasPrice: 1n }), 'safe_refund'],
    ['a value', (tx: object) => ({ ...tx, value: 1n }), 'safe_value'],
  ];
  for (const [name, change, check] of lies) {
    const w = await inApp().opened();
    w.app.change = change as unknown as typeof w.app.change;
    await w.go();
    await w.pass(30_000);
    assert.equal(w.model.state, 'unsafe', name);
    assert.doesNotMatch(w.model.unsafe, /expected this payment/);
    assert.equal(w.safeModel?.refused, true, name);
    assert.ok(w.telemetry.includes(`unsafe_refused ${check}`), `${name}: ${w.telemetry.join()}`);
    assert.deepEqual(w.told, [], name);
    assert.equal(w.storage.has('quittance:01KADEMO0000000000000000:safe'), false);
    const asked = w.app.window.asked.length;
    await w.go();
    await w.pass(60_000);
    assert.equal(w.app.sent.length, 1);
    assert.equal(w.app.window.asked.length, asked);
  }
});

test('an app that says something else of the transaction than it proposed', async () => {
  const w = await inApp().opened();
  // Not as tools make it, so that the page cannot know it by itself.
  w.app.change = (tx) => ({ ...tx, safeTxGas: 50_000n });
  w.app.tell = (d) => ({ ...d, txData: { ...(d['txData'] as object), hexData: '0x' } });
  await w.go();
  await w.pass(1_000);
  assert.equal(w.model.state, 'unsafe');
  assert.ok(w.telemetry.includes('unsafe_refused safe_hash'));
  assert.deepEqual(w.told, []);
  // What is proven already, no later lie takes back.
  const known = await inApp().opened();
  known.app.tell = w.app.tell;
  await known.go();
  await known.pass(30_000);
  assert.equal(known.model.state, 'seen');
  assert.equal(proven(known.told[0]), known.hash);
  assert.deepEqual(known.told.at(-1)?.signatures, undefined, 'signatures of something else are not handed on');
});

test('a limit for gas is the proposer’s own business, and is proven by what the app shows', async () => {
  const w = await inApp().opened();
  w.app.change = (tx) => ({ ...tx, safeTxGas: 50_000n });
  await w.go();
  assert.equal(proven(w.told[0]), w.hash);
  assert.equal(w.told[0]?.safeTx?.['safeTxGas'], '50000');
  assert.equal(w.model.checks.filter((c) => c.name.startsWith('safe_') && c.outcome === 'passed').length, 7);
});

test('an app that does not know its own transaction yet is asked again, and the server told meanwhile', async () => {
  const w = await inApp().opened();
  w.app.change = (tx) => ({ ...tx, safeTxGas: 50_000n });
  w.app.on['getTxBySafeTxHash'] = () => {
    throw new Error('Request failed');
  };
  await w.go();
  await w.pass(4_000);
  assert.equal(w.told.length, 0);
  await w.pass(20_000);
  assert.deepEqual([w.told.length, w.told[0]?.safeTx], [1, undefined]);
  w.app.on = {};
  await w.pass(20_000);
  assert.equal(proven(w.told.at(-1)), w.hash);
});

test('whoever declines in the app has paid nothing, and can propose again', async () => {
  const w = await inApp().opened();
  w.app.on['sendTransactions'] = () => {
    throw new Error('Transaction was rejected');
  };
  await w.go();
  assert.match(w.model.notice?.title ?? '', /declined/);
  assert.ok(w.telemetry.includes('wallet_rejected'));
  assert.deepEqual([w.told.length, w.model.state, w.model.go.enabled], [0, 'open', true]);
  w.app.on = {};
  w.flow.retry();
  await w.settle();
  assert.equal(w.told[0]?.safeTxHash, w.hash);
});

test('an app that never answers', async () => {
  const mute = inApp();
  mute.app.on['getSafeInfo'] = () => undefined;
  await mute.opened();
  assert.equal(mute.safeModel?.account ?? null, null);
  await mute.pass(11_000);
  assert.equal(mute.safeModel?.account?.title, 'The page around this one does not answer');
  assert.deepEqual(mute.offered, []);
  // A wallet of the browser pays all the same.
  mute.wallet.on_['eth_getCode'] = () => '0x';
  await mute.flow.connect(mute.asWallet);
  await mute.settle();
  assert.equal(mute.model.go.text, 'Approve 10.10 USDC');

  const w = await inApp().opened();
  let late: (v: unknown) => void = () => undefined;
  w.app.on['sendTransactions'] = (m) => new Promise((resolve) => (late = () => resolve(w.app.usual(m))));
  await w.go();
  assert.equal(w.model.go.text, 'Confirm in your Safe…');
  await w.pass(121_000);
  assert.equal(w.model.notice?.title, 'Your Safe app has not answered yet');
  w.flow.retry();
  await w.settle();
  assert.ok(w.model.go.enabled);
  late(null);
  await w.settle();
  assert.equal(w.told[0]?.safeTxHash, w.hash, 'what is signed late counts');
  assert.equal(w.model.state, 'seen');
});

test('an answer without a hash', async () => {
  const w = await inApp().opened();
  for (const answer of [{}, { safeTxHash: '0x1' }, null, 'x', { safeTxHash: `0x${'1'.repeat(130)}` }]) {
    w.app.on['sendTransactions'] = () => answer;
    await w.go();
    assert.equal(w.model.notice?.title, 'Your wallet did not say what it proposed');
    assert.deepEqual([w.told.length, w.model.state], [0, 'open']);
    w.flow.retry();
    await w.settle();
  }
});

test('a Safe on another network cannot be moved', async () => {
  const w = inApp();
  w.app.chainId = 900042161;
  await w.opened();
  assert.equal(w.model.wrongChain, false, 'there is nothing to switch');
  assert.equal(w.model.notice?.title, 'This Safe is on Arbitrum One (sandbox)');
  assert.match(w.model.notice?.text ?? '', /This payment is on Base \(sandbox\)/);
  assert.deepEqual([w.model.go.enabled, w.model.go.text], [false, 'Not from this Safe']);
  await w.go();
  assert.deepEqual(w.app.sent, []);
  assert.deepEqual(w.asSafe, []);
});

test('a Safe in its app pays from its own network in every way that starts there, as one transaction', async () => {
  const w = inApp({ ways: '/static/ways-0123456789ab.js' });
  w.app.chainId = arbitrum;
  w.metadata = { safePaymentDeadline: w.payment.now / 1_000 + 7_200 };
  await w.opened();
  await w.settle();
  assert.deepEqual(w.choice?.enough.map((o) => o.chain.id), [arbitrum], 'no other network is offered');
  assert.equal(w.choice?.chosen.chain.id, arbitrum);
  assert.equal(w.model.notice, null);
  assert.equal(w.model.go.text, 'Propose to your Safe');
  await w.go();
  assert.deepEqual(w.app.sent[0]?.map((c) => c.data), [dataOf.approve, dataOf.pay]);
  assert.deepEqual(w.proved.map((p) => p.steps), [2, 2], 'all of it is proven, and once more before it goes out');
  assert.deepEqual([w.told[0]?.chain, w.told[0]?.deadline], [arbitrum, w.payment.now / 1_000 + 7_200]);
  assert.equal(proven(w.told[0]), w.hash);
  assert.equal(w.safeModel?.waiting?.chain, 'Arbitrum One (sandbox)');
  assert.equal(w.choice?.busy, true, 'nothing else may be chosen');
  // Once it is executed, the bridge has the money.
  w.news('executed');
  assert.equal(w.model.progress?.title, 'The Safe has sent the payment');
  w.say({ payable: false, route: { progress: 'bridging', chain: 'Arbitrum One (sandbox)', symbol: 'USDT', amount: '10.15', txHash: `0x${'c'.repeat(64)}`, sentAt: new Date(w.now).toISOString(), seconds: 120 } });
  assert.equal(w.safeModel?.waiting, null);
  assert.notEqual(w.model.progress?.title, 'The Safe has sent the payment');
});

test('what a route’s proof refuses in the last moment is not proposed', async () => {
  const w = inApp({ ways: '/static/ways-0123456789ab.js' });
  w.app.chainId = arbitrum;
  await w.opened();
  await w.settle();
  w.unsafe = new Refusal('route_receiver', 'receiver', account, stranger);
  await w.go();
  assert.deepEqual([w.app.sent, w.told], [[], []]);
  assert.equal(w.model.state, 'unsafe');
});

test('ways are looked up as for a Safe, and anew for what turns out to be none', async () => {
  const w = behindWallet({ ways: '/static/ways-0123456789ab.js' });
  w.payFails = new ApiError(400, 'not_a_safe', 'wallet', 'no');
  w.asked_ = (safe) => {
    w.asSafe.push(safe);
    if (!safe) w.payFails = null;
  };
  await w.connected();
  await w.settle();
  assert.equal(w.looked, 2);
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
});

test('whose account or network has changed is told, and nothing goes out', async () => {
  const w = await inApp().opened();
  w.app.address = stranger;
  await w.go();
  await w.settle();
  assert.deepEqual([w.app.sent, w.told], [[], []]);
  assert.equal(w.model.account?.address, stranger);
  assert.equal(w.model.notice?.title, 'Your wallet changed');
  w.flow.retry();
  await w.settle();
  assert.equal(w.asSafe.length, 2, 'everything is asked for anew');
  w.app.chainId = 900042161;
  await w.go();
  await w.settle();
  assert.deepEqual([w.app.sent, w.told], [[], []]);
  assert.equal(w.model.notice?.title, 'Your wallet changed');
  w.flow.retry();
  await w.settle();
  assert.equal(w.model.notice?.title, 'This Safe is on Arbitrum One (sandbox)');
});

test('a payment that has expired is not proposed any more, nor told of', async () => {
  const w = await inApp().opened();
  w.now = w.payment.expiresAt;
  await w.go();
  assert.deepEqual(w.app.sent, []);
  assert.equal(w.model.state, 'expired');
  // Meanwhile.
  const slow = await inApp().opened();
  let decide: (v: unknown) => void = () => undefined;
  slow.app.on['sendTransactions'] = (m) => new Promise((resolve) => (decide = () => resolve(slow.app.usual(m))));
  await slow.go();
  slow.now = slow.payment.expiresAt + 1;
  slow.flow.tick();
  slow.takes = () => new ApiError(403, 'expired', '', 'This payment has expired.');
  decide(null);
  await slow.settle();
  assert.deepEqual(slow.told, []);
  assert.equal(slow.model.state, 'expired');
  assert.ok(slow.safeModel?.tooLate, 'a transaction that waits all the same must be rejected');
});

test('while another tab proposes, this one does not', async () => {
  const w = await inApp().opened();
  w.tabFree = false;
  await w.go();
  assert.deepEqual(w.app.sent, []);
  w.tabFree = true;
  w.flow.setElsewhere(true);
  assert.equal(w.model.notice?.title, 'You are paying in another tab');
  // What it has proposed, the server tells.
  w.flow.setElsewhere(false);
  w.news('waiting', { hash: `0x${'a'.repeat(64)}` });
  assert.equal(w.model.state, 'seen');
  assert.equal(w.safeModel?.waiting?.signatures, '');
});

test('a reload goes on where it was', async () => {
  const before = await inApp().opened();
  before.takes = () => new ApiError(0, 'unreachable', '', '');
  await before.go();
  assert.deepEqual(before.told, []);
  const w = inApp({}, Object.fromEntries(before.storage));
  w.app.txs.set(before.hash, before.app.txs.get(before.hash) ?? assert.fail());
  await w.opened();
  assert.equal(w.model.state, 'seen');
  assert.equal(w.told[0]?.safeTxHash, before.hash);
  assert.equal(proven(w.told[0]), before.hash);
  assert.equal(w.app.sent.length, 0);
  await w.go();
  assert.equal(w.app.sent.length, 0, 'nothing is proposed twice');
});

test('what is remembered is only believed where it makes sense', async () => {
  const key = 'quittance:01KADEMO0000000000000000:safe';
  for (const text of ['', 'x', '{}', 'null', '[]', JSON.stringify({ hash: '0x1', safe: account, chain: 1, deadline: 0, at: 0, calls: [] }), JSON.stringify({ hash: `0x${'1'.repeat(64)}`, safe: account, chain: 1, deadline: 0, at: 0, calls: [{}] })]) {
    const w = await inApp({}, { [key]: text }).opened();
    assert.equal(w.model.state, 'open', text);
    assert.ok(w.model.go.enabled);
    assert.deepEqual(w.told, []);
  }
});

test('tokens that must be reset, and native currency', async () => {
  const w = new SafeWorld(true, usdt({ safe: '/static/safe-0123456789ab.js', framed: true }));
  w.kinds = ['reset', 'approve', 'pay'];
  await w.opened();
  await w.go();
  assert.equal(w.app.sent[0]?.length, 3);
  assert.equal(proven(w.told[0]), w.hash);
});

test('who is not an owner is told, and what the Safe’s owners should know', async () => {
  const w = inApp();
  w.app.on['getSafeInfo'] = (m) => ({ ...(w.app.usual(m) as object), isReadOnly: true });
  w.account = { ...w.account, warnings: [{ code: 'safe_modules', text: 'This Safe has a module.' }, { code: 7 }, null] };
  await w.opened();
  assert.match(w.safeModel?.account?.text ?? '', /You are not an owner/);
  assert.deepEqual(w.safeModel?.account?.warnings, ['This Safe has a module.']);
});

test('without the server’s word of the Safe, the app’s is proof enough', async () => {
  const w = inApp();
  w.account = null;
  await w.opened();
  await w.go();
  assert.equal(proven(w.told[0]), w.hash);
  assert.equal(w.safeModel?.account, null);
});

test('a page that no Safe may pay from asks nobody', async () => {
  const w = new SafeWorld(true, usdc());
  await w.opened();
  assert.equal(w.fetched, 0);
  await w.flow.connect(w.asWallet);
  await w.settle();
  assert.equal(w.wallet.asked.some((a) => a.method === 'eth_getCode'), false);
  assert.equal(safeCode.length > 2, true);
});
