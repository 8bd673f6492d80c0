// A payer's way through the page, and everything that may come in between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PayReply } from '../src/api.ts';
import { account, displaying, ether, stranger, transactions, usdc, usdt } from './fixtures.ts';
import { ApiError, World, rejection } from './world.ts';

const txList = (r: PayReply): Record<string, unknown>[] => r.transactions as Record<string, unknown>[];

test('approve, pay, seen, paid', async () => {
  const w = await new World(usdc()).connected();
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
  assert.ok(w.model.go.enabled);
  assert.equal(w.stepLine(), 'approve:active pay:todo');
  assert.equal(w.model.calls.length, 2);
  assert.deepEqual(w.model.checks.map((c) => `${c.name} ${c.outcome}`), ['contract_official passed', 'page_registry passed', 'page_calldata passed']);

  w.wallet.mine = 'pool';
  await w.go();
  assert.equal(w.stepLine(), 'approve:pending pay:todo');
  assert.deepEqual(w.model.go, { text: 'Waiting for the network…', enabled: false, busy: true });
  w.kinds = ['pay'];
  (w.wallet.txs[0] as { state: string }).state = 'ok';
  await w.pass(3_000);
  assert.equal(w.model.go.text, 'Pay 10.10 USDC');
  assert.equal(w.stepLine(), 'approve:done pay:active');

  await w.go();
  assert.equal(w.model.state, 'seen');
  assert.equal(w.model.progress?.title, 'Payment sent');
  assert.equal(w.intents.length, 1);
  assert.equal(w.announced.length, 1);
  const [first, second] = w.wallet.sends();
  assert.deepEqual(Object.keys(second ?? {}).sort(), ['chainId', 'data', 'from', 'to', 'value']);
  assert.equal(second?.['from'], account);
  assert.equal(second?.['chainId'], `0x${(900008453).toString(16)}`);
  assert.equal(second?.['data'], transactions(w.payment, ['pay'])[0]?.data);
  assert.equal(first?.['value'], '0x0');

  w.say({ state: 'seen', payable: false, confirmations: 2, txHash: w.intents[0] as `0x${string}` });
  assert.equal(w.model.progress, null);
  assert.deepEqual(w.model.confirmations, { count: 2, required: 3 });
  w.say({ state: 'paid' });
  assert.equal(w.model.state, 'paid');
  assert.equal(w.storage.has(`quittance:${w.payment.token}:sent`), false);
  assert.deepEqual(w.events, ['wallet_connected', 'payment_sent_to_wallet', 'payment_approved_in_wallet'].map((e) => `${e} ${account}`));
  assert.deepEqual(w.telemetry, []);
});

test('native currency takes one step with its value', async () => {
  const w = new World(ether());
  w.kinds = ['pay'];
  await w.connected();
  await w.go();
  assert.equal(w.wallet.sends()[0]?.['value'], `0x${(10_100_000).toString(16)}`);
});

test('a token that wants its allowance cleared takes three', async () => {
  const w = new World(usdt());
  w.kinds = ['reset', 'approve', 'pay'];
  await w.connected();
  assert.equal(w.model.go.text, 'Clear the old approval');
  await w.go();
  w.kinds = ['approve', 'pay'];
  await w.pass(2_000);
  await w.go();
  w.kinds = ['pay'];
  await w.pass(2_000);
  assert.equal(w.stepLine(), 'reset:done approve:done pay:active');
});

test('two clicks are one payment', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  void w.flow.go();
  void w.flow.go();
  await w.go();
  await w.go();
  assert.equal(w.wallet.sends().length, 1);
});

for (const [name, err] of Object.entries({
  'EIP-1193': rejection,
  ethers: { code: 'ACTION_REJECTED', message: 'user rejected action' },
  nested: { code: -32603, message: 'Internal JSON-RPC error.', data: { originalError: { code: 4001 } } },
  WalletConnect: { code: 5000, message: 'User rejected.' },
  'only words': new Error('MetaMask Tx Signature: User denied transaction signature.'),
})) {
  test(`declined in the wallet (${name})`, async () => {
    const w = new World(usdc());
    w.kinds = ['pay'];
    await w.connected();
    w.wallet.on_['eth_sendTransaction'] = () => Promise.reject(err);
    await w.go();
    assert.equal(w.model.notice?.title, 'You declined in your wallet. Nothing was paid.');
    assert.equal(w.model.notice?.kind, 'info');
    assert.equal(w.model.notice?.retry, 'Try again');
    assert.equal(w.model.state, 'open');
    assert.ok(w.model.go.enabled);
    delete w.wallet.on_['eth_sendTransaction'];
    w.flow.retry();
    await w.settle();
    assert.equal(w.model.state, 'seen');
    assert.ok(w.telemetry.includes('wallet_rejected'));
  });
}

test('tampering is refused for good, with the check named', async () => {
  const cases: [string, (r: PayReply) => PayReply][] = [
    ['page_registry target', (r) => ((txList(r)[1] ?? {})['to'] = stranger, r)],
    ['page_calldata value', (r) => ((txList(r)[1] ?? {})['value'] = '0x1', r)],
    ['page_calldata number', (r) => ({ ...r, transactions: [] })],
    ['page_registry chain', (r) => ({ ...r, chainId: 1 })],
    ['page_calldata amount', (r) => ({ ...r, transactions: transactions(usdc({ amount: 20_000_000n }), ['pay']) })],
  ];
  for (const [what, tamper] of cases) {
    const w = new World(usdc());
    w.tamper = tamper;
    await w.connected();
    assert.equal(w.model.state, 'unsafe', what);
    assert.ok(!w.model.go.enabled);
    const check = what.split(' ')[0] ?? '';
    assert.ok(w.telemetry.includes(`unsafe_refused ${check}`));
    assert.ok(w.model.unsafe.includes(check === 'page_registry' ? 'Contract checked' : 'Instructions checked'), w.model.unsafe);
    // Nothing brings it back.
    w.tamper = (r) => r;
    w.flow.refresh();
    w.flow.retry();
    await w.go();
    w.say({ state: 'open' });
    assert.equal(w.model.state, 'unsafe');
    assert.equal(w.wallet.sends().length, 0);
  }
});

test('tampering between approval and payment is refused', async () => {
  const w = await new World(usdc()).connected();
  w.kinds = ['pay'];
  w.tamper = (r) => ({ ...r, transactions: transactions(usdc({ payee: stranger }), ['pay']) });
  await w.go();
  await w.pass(3_000);
  assert.equal(w.model.state, 'unsafe');
  assert.equal(w.wallet.sends().length, 1);
});

test('the server’s own refusals are shown by their name', async () => {
  const w = new World(usdc());
  w.checks = [{ name: 'code_pinned', outcome: 'failed', detail: 'other code' }];
  await w.connected();
  assert.equal(w.model.unsafe, 'Contract code unchanged: other code');
  const v = new World(usdc());
  v.payFails = new ApiError(403, 'unsafe', 'simulation_matches', 'no');
  await v.connected();
  assert.equal(v.model.unsafe, 'Test run moves exactly this amount');
});

test('a page that shows another payee is refused before and at the click', async () => {
  const w = await new World(usdc()).connected();
  w.shown = displaying(w.payment, { payee: stranger });
  await w.go();
  assert.equal(w.model.state, 'unsafe');
  assert.equal(w.wallet.sends().length, 0);
  const v = new World(usdc());
  v.shown = displaying(v.payment, { amount: '1.00 USDC' });
  v.flow.start();
  assert.equal(v.model.state, 'unsafe');
});

test('a check that has not finished holds everything back', async () => {
  const w = new World(usdc());
  w.checks = [{ name: 'simulation_matches', outcome: 'pending', detail: '' }];
  await w.connected();
  assert.ok(!w.model.go.enabled);
  assert.equal(w.model.notice?.title, 'The safety check has not finished');
  w.checks = [{ name: 'simulation_matches', outcome: 'passed', detail: '' }];
  w.flow.retry();
  await w.settle();
  assert.ok(w.model.go.enabled);
});

test('too little balance', async () => {
  const w = new World(usdc());
  w.short = true;
  await w.connected();
  assert.match(w.model.funds?.missing ?? '', /^You have 3\.00 USDC, and this payment takes 10\.10 USDC: 7\.10 USDC is missing/);
  assert.ok(!w.model.go.enabled);
  w.short = false;
  w.flow.refresh();
  await w.settle();
  assert.equal(w.model.funds?.missing, '');
  assert.ok(w.model.go.enabled);
});

test('wrong chain: switch, add, decline', async () => {
  const w = new World(usdc());
  w.wallet.chainId = 1; // as a number, as some wallets do
  w.wallet.known = [1];
  await w.connected();
  assert.ok(w.model.wrongChain);
  assert.equal(w.model.go.text, 'Switch to Base (sandbox) to continue');
  w.wallet.on_['wallet_switchEthereumChain'] = () => Promise.reject(rejection);
  await w.flow.switchChain();
  assert.match(w.model.notice?.title ?? '', /You declined/);
  delete w.wallet.on_['wallet_switchEthereumChain'];
  await w.flow.switchChain();
  await w.settle();
  assert.ok(!w.model.wrongChain);
  assert.ok(w.model.go.enabled);
  const added = w.wallet.asked.find((a) => a.method === 'wallet_addEthereumChain')?.params[0];
  assert.deepEqual(added, {
    chainId: `0x${(900008453).toString(16)}`, chainName: 'Base (sandbox)', rpcUrls: ['https://rpc.example/'],
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 }, blockExplorerUrls: ['https://explorer.example/'],
  });
});

test('a wallet that says it switched and did not', async () => {
  const w = new World(usdc());
  w.wallet.chainId = '0x1';
  w.wallet.on_['wallet_switchEthereumChain'] = () => null;
  await w.connected();
  await w.flow.switchChain();
  assert.equal(w.model.notice?.title, 'Your wallet is still on another network');
  assert.ok(w.model.wrongChain);
});

test('the chain changes under the signing', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.wallet.chainId = '0x1';
  await w.go();
  assert.equal(w.wallet.sends().length, 0);
  assert.ok(w.model.wrongChain);
  assert.equal(w.model.notice?.title, 'Your wallet changed');
});

test('the account changes: everything is asked anew for it', async () => {
  const w = await new World(usdc()).connected();
  w.wallet.accounts = [stranger.toLowerCase()];
  w.wallet.emit('accountsChanged');
  await w.settle();
  assert.equal(w.model.account?.address, stranger);
  assert.ok(w.model.go.enabled);
  w.wallet.accounts = [];
  w.wallet.emit('accountsChanged');
  await w.settle();
  assert.equal(w.model.account, null);
  assert.equal(w.model.go.text, 'Choose a wallet to continue');
});

test('connecting: declined, hung on another wallet, silent', async () => {
  const w = new World(usdc());
  w.flow.start();
  w.wallet.on_['eth_requestAccounts'] = () => Promise.reject(rejection);
  await w.flow.connect(w.asWallet);
  assert.match(w.model.notice?.title ?? '', /You declined/);
  let answer: (accounts: string[]) => void = () => undefined;
  w.wallet.on_['eth_requestAccounts'] = () => new Promise((resolve) => (answer = resolve));
  void w.flow.connect(w.asWallet);
  await w.settle();
  assert.equal(w.model.connecting, 'dev.test');
  const other = new World(usdc());
  await w.flow.connect({ ...other.asWallet, id: 'dev.other', name: 'Other' });
  await w.settle();
  assert.equal(w.model.account?.wallet, 'Other');
  answer([account]);
  await w.settle();
  assert.equal(w.model.account?.wallet, 'Other');

  const v = new World(usdc());
  v.wallet.connected = false;
  v.flow.start();
  await v.flow.connect(v.asWallet, true);
  assert.equal(v.model.account, null);
  assert.equal(v.model.notice, null);
  assert.ok(!v.wallet.asked.some((a) => a.method === 'eth_requestAccounts'));
});

test('the time runs out while reading', async () => {
  const w = await new World(usdc()).connected();
  await w.pass(15 * 60_000 - 1);
  assert.equal(w.model.state, 'open');
  assert.equal(w.model.left, '0:01');
  await w.pass(1);
  assert.equal(w.model.state, 'expired');
  await w.go();
  assert.equal(w.wallet.sends().length, 0);
});

test('the time runs out while the wallet asks: what was sent still counts', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  let confirm: (hash: string) => void = () => undefined;
  w.wallet.on_['eth_sendTransaction'] = () => new Promise((resolve) => (confirm = resolve));
  await w.go();
  await w.pass(16 * 60_000);
  assert.equal(w.model.state, 'expired');
  confirm(`0x${'ab'.repeat(32)}`);
  await w.settle();
  assert.equal(w.model.state, 'seen');
});

test('a wallet that does not answer', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  let confirm: (hash: string) => void = () => undefined;
  w.wallet.on_['eth_sendTransaction'] = () => new Promise((resolve) => (confirm = resolve));
  await w.go();
  await w.pass(61_000);
  assert.equal(w.model.notice?.title, 'Your wallet has not answered yet');
  assert.equal(w.model.notice?.retry, 'Start again');
  w.flow.retry();
  await w.settle();
  assert.ok(w.model.go.enabled);
  assert.equal(w.model.notice, null);
  // It is confirmed after all, before anything else is sent: that counts.
  confirm(`0x${'ab'.repeat(32)}`);
  await w.settle();
  assert.equal(w.model.state, 'seen');
  assert.equal(w.intents.length, 1);
});

test('another tab is paying', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.flow.setElsewhere(true);
  assert.equal(w.model.notice?.title, 'You are paying in another tab');
  await w.go();
  assert.equal(w.wallet.sends().length, 0);
  w.flow.adopt({ kind: 'pay', asset: 0, hash: `0x${'e'.repeat(64)}`, wallet: account, to: account, data: '0x', at: w.now, mined: false, chain: 0 });
  w.flow.setElsewhere(false);
  await w.settle();
  assert.equal(w.model.state, 'seen');
  // The lock alone is enough to stop the second of two clicks at the same time.
  const v = new World(usdc());
  v.kinds = ['pay'];
  await v.connected();
  v.tabFree = false;
  await v.go();
  assert.equal(v.wallet.sends().length, 0);
  assert.equal(v.model.go.busy, false);
});

test('part arrives: reload for the rest, once, and never while signing', async () => {
  const w = await new World(usdc()).connected();
  w.say({ oddity: 'under', requests: [{ state: 'open', missing: 6_000_000n }] });
  assert.equal(w.reloads, 1);
  w.say({ oddity: 'under', requests: [{ state: 'open', missing: 6_000_000n }] });
  assert.equal(w.reloads, 1);
  assert.equal(w.model.notice?.title, 'The amount has changed');
  assert.ok(!w.model.go.enabled);

  const v = new World(usdc());
  v.kinds = ['pay'];
  await v.connected();
  let decline: (err: unknown) => void = () => undefined;
  v.wallet.on_['eth_sendTransaction'] = () => new Promise((_, reject) => (decline = reject));
  await v.go();
  v.say({ oddity: 'under', requests: [{ state: 'open', missing: 6_000_000n }] });
  assert.equal(v.reloads, 0);
  decline(rejection);
  await v.settle();
  v.say({});
  assert.equal(v.reloads, 1);
});

test('calldata for a new rest is no attack: the page reloads', async () => {
  const w = new World(usdc());
  w.tamper = (r) => ({ ...r, transactions: transactions(usdc({ amount: 6_000_000n }), ['pay']) });
  w.status = { ...w.status, oddity: 'under', requests: [{ state: 'open', missing: 6_000_000n }] };
  await w.connected();
  assert.equal(w.reloads, 1);
  assert.notEqual(w.model.state, 'unsafe');
});

test('a reorg takes the payment back and it comes again', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  await w.go();
  await w.pass(2_000);
  w.say({ state: 'seen', payable: false, confirmations: 1, txHash: w.wallet.txs[0]?.hash ?? '' });
  (w.wallet.txs[0] as { state: string }).state = 'pool';
  w.say({ state: 'open', payable: true, confirmations: 0, txHash: '', reorged: true });
  assert.equal(w.model.state, 'seen');
  assert.equal(w.model.progress?.title, 'One moment more');
  await w.go();
  assert.equal(w.wallet.sends().length, 1);
  // In a browser that did not send it the payer has to decide.
  const v = await new World(usdc()).connected();
  v.say({ reorged: true });
  assert.equal(v.model.notice?.title, 'The network took a payment back');
  assert.ok(!v.model.go.enabled);
  v.flow.retry();
  await v.settle();
  assert.ok(v.model.go.enabled);
});

test('the server refuses, is away, or has news', async () => {
  const w = new World(usdc());
  w.payFails = new ApiError(0, 'unreachable', '', '');
  await w.connected();
  assert.equal(w.model.notice?.title, 'The payment service could not be reached');
  w.payFails = null;
  w.flow.retry();
  await w.settle();
  assert.ok(w.model.go.enabled);

  const paid = new World(usdc());
  paid.payFails = new ApiError(409, 'paid', '', 'paid');
  paid.status = { ...paid.status, state: 'paid', payable: false };
  await paid.connected();
  assert.equal(paid.model.state, 'paid');

  const late = new World(usdc());
  late.payFails = new ApiError(403, 'expired', '', 'late');
  late.status = { ...late.status, state: 'expired', payable: false };
  await late.connected();
  assert.equal(late.model.state, 'expired');
});

test('a wallet that gives no hash', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.wallet.on_['eth_sendTransaction'] = () => null;
  await w.go();
  assert.equal(w.model.notice?.title, 'Your wallet did not say what it sent');
  assert.ok(!w.model.go.enabled);
});

test('words never carry raw data', async () => {
  const w = new World(usdc());
  w.kinds = ['pay'];
  await w.connected();
  w.wallet.on_['eth_sendTransaction'] = () => Promise.reject(new Error('execution reverted: 0xdeadbeefdeadbeef at Object.<anonymous> (inpage.js:1:1)'));
  await w.go();
  assert.equal(w.model.notice?.kind, 'error');
  for (const m of w.models) assert.doesNotMatch(`${m.notice?.title ?? ''} ${m.notice?.text ?? ''}`, /0x|undefined|Error|inpage/);
});
