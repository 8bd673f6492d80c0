// Paying without gas and in batches, from what is offered to what becomes of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../src/api.ts';
import { keccak } from '../src/calldata.ts';
import type { Hex } from '../src/data.ts';
import { hashOp, readPermit } from '../src/gasless-op.ts';
import type { KitCall, UserOp } from '../src/kit-types.ts';
import { account, stranger, usdc, usdt } from './fixtures.ts';
import { GaslessWorld, kind, mine, refusal, signature } from './gasless-world.ts';

const amount = 10_100_000n;

async function broke(change: (w: GaslessWorld) => void = () => undefined, remembered: Record<string, string> = {}): Promise<GaslessWorld> {
  const w = new GaslessWorld({}, remembered);
  w.coins = false;
  change(w);
  await w.connected();
  return w;
}

const calls = (op: UserOp | undefined) => kind.decode(op?.callData ?? '') ?? assert.fail('no calls');

test('a payer without coins signs a permit and an operation, and nothing else', async () => {
  const w = await broke();
  assert.deepEqual(w.gas?.ways.map((x) => [x.way, x.chosen]), [['op_permit', true], ['plain', false]]);
  assert.equal(w.model.go.text, 'Pay 10.10 USDC without gas');
  assert.deepEqual(w.model.funds, { balance: '20.20 USDC', gas: 'none: paid by Alchemy', missing: '' });
  assert.equal(w.stepped, 'permit:active pay:todo');
  assert.equal(w.gas?.plan?.may, 'exactly 10.10 USDC');
  assert.deepEqual(w.model.calls.map((c) => c.kind), ['permit', 'pull', 'approve', 'pay']);
  await w.go();
  const [op] = w.sentOps;
  const [permit, pull, approve, pay] = calls(op);
  assert.equal(calls(op).length, 4);
  assert.deepEqual(readPermit(permit?.data ?? ''), { owner: account.toLowerCase(), spender: mine.address, value: amount, deadline: BigInt(Math.floor(w.payment.now / 1_000) + 600) });
  assert.match(pull?.data ?? '', /^0x23b872dd/);
  assert.match(approve?.data ?? '', /^0x095ea7b3/);
  assert.match(pay?.data ?? '', /^0xc219a14d/);
  const typed = JSON.parse(String(w.wallet.asked.find((a) => a.method === 'eth_signTypedData_v4')?.params[1]));
  assert.equal(typed.message.value, String(amount));
  assert.equal(typed.message.nonce, '3');
  assert.equal(w.wallet.asked.find((a) => a.method === 'personal_sign')?.params[0], hashOp(keccak, w.payment.chain.id, op ?? assert.fail()));
  assert.equal(w.model.state, 'seen');
  assert.equal(w.model.progress?.title, 'Your payment without gas is on its way');
  assert.deepEqual(w.wallet.sends(), []);
  assert.equal(w.model.checks.filter((c) => c.name.startsWith('op_') && c.outcome === 'passed').length, 9);
  assert.deepEqual(w.events.slice(-2), [`payment_sent_to_wallet ${account}`, `payment_approved_in_wallet ${account}`]);
});

test('whoever has coins is offered it and pays as ever', async () => {
  const w = await broke((x) => (x.coins = true));
  assert.deepEqual(w.gas?.ways.map((x) => [x.way, x.chosen]), [['op_permit', false], ['plain', true]]);
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
  assert.equal(w.gas?.plan, null);
  w.gasless?.pick('op_permit');
  await w.settle();
  assert.equal(w.model.go.text, 'Pay 10.10 USDC without gas');
  assert.match(w.storage.get(`quittance:${w.payment.token}:gasless`) ?? '', /"picked":"op_permit"/);
});

test('an account that may take it needs no permit', async () => {
  const w = await broke((x) => {
    x.allowance = amount;
    x.deployed = true;
    x.nonce = 5n;
  });
  assert.equal(w.stepped, 'pay:active');
  await w.go();
  assert.equal(calls(w.sentOps[0]).length, 3);
  assert.equal(w.sentOps[0]?.factory, undefined);
  assert.equal(w.sentOps[0]?.nonce, '0x5');
  assert.equal(w.wallet.asked.some((a) => a.method === 'eth_signTypedData_v4'), false);
});

test('more than the payment is allowed by the payer’s own choice alone', async () => {
  const w = await broke();
  w.gasless?.cap(50_000_000n);
  await w.settle();
  assert.equal(w.gas?.plan?.may, 'at most 50.00 USDC');
  await w.go();
  assert.equal(readPermit(calls(w.sentOps[0])[0]?.data ?? '')?.value, 50_000_000n);
  // Less than the payment would be for nothing.
  const v = await broke();
  v.gasless?.cap(1n);
  await v.settle();
  await v.go();
  assert.equal(readPermit(calls(v.sentOps[0])[0]?.data ?? '')?.value, amount);
});

test('a token without permits takes an approval of the account first, by a transaction', async () => {
  const w = new GaslessWorld({ ...usdt({ option: 'evmref:base:USDC-base' }), gasless: '/static/gasless-0123456789ab.js', kits: usdcKits });
  w.permits = false;
  w.allowance = 1n;
  await w.connected();
  w.gasless?.pick('op_approval');
  await w.settle();
  // USDT wants the old approval cleared before.
  assert.equal(w.stepped, 'revoke:active allow:todo pay:todo');
  w.allowance = 0n;
  w.flow.refresh();
  await w.settle();
  assert.equal(w.stepped, 'allow:active pay:todo');
  await w.go();
  const [sent] = w.wallet.sends();
  assert.equal(sent?.['data'], `0x095ea7b3${mine.address.slice(2).padStart(64, '0')}${amount.toString(16).padStart(64, '0')}`);
  w.allowance = amount;
  await w.pass(3_000);
  assert.equal(w.model.go.text, 'Pay 10.10 USDT without gas');
  await w.go();
  assert.equal(w.sentOps.length, 1);
});
const usdcKits = { 'light-account-2.0.0': '/static/kit-light-0123456789ab.js' };

for (const [name, change, check] of [
  ['another account', { account: stranger }, 'op_sender'],
  ['another EntryPoint', { entryPoint: stranger }, 'op_sender'],
  ['another chain', { chainId: 1 }, 'op_sender'],
  ['another factory', { factory: stranger }, 'op_factory'],
  ['another word to the factory', { factoryData: '0x00' }, 'op_factory'],
  ['a nonce with a key of its own', { nonce: '0x10000000000000000' }, 'op_nonce'],
  ['a larger amount', { amount: '20200000' }, 'op_calls'],
  ['a smaller amount', { amount: '1' }, 'op_calls'],
] as const) {
  test(`an offer with ${name} is refused before anything is signed`, async () => {
    const w = await broke((x) => (x.offerChange = (o) => ({ ...o, ...change })));
    assert.equal(w.model.state, 'unsafe');
    assert.equal(w.telemetry.at(-1), `unsafe_refused ${check}`);
    assert.equal(w.wallet.asked.some((a) => /sign|send/i.test(a.method)), false);
  });
}

for (const [name, change] of [
  ['of another token', { verifyingContract: stranger }],
  ['of another chain', { chainId: 1 }],
  ['for a year', { deadline: 1_800_000_000 }],
  ['that is over', { deadline: 1 }],
] as const) {
  test(`a permit ${name} is refused`, async () => {
    const w = await broke((x) => (x.offerChange = (o) => ({ ...o, permit: { ...(o['permit'] as object), ...change } })));
    assert.equal(w.telemetry.at(-1), 'unsafe_refused op_permit');
  });
}

for (const [name, change] of [
  ['no answer', () => null],
  ['terms with a name that cannot be shown', (o: Record<string, unknown>) => ({ ...o, permit: { ...(o['permit'] as object), name: 'USD\u202ECoin' } })],
  ['terms without a nonce', (o: Record<string, unknown>) => ({ ...o, permit: { ...(o['permit'] as object), nonce: '-1' } })],
  ['a kind that is not known', (o: Record<string, unknown>) => ({ ...o, kind: 'constructor' })],
  ['a balance that is none', (o: Record<string, unknown>) => ({ ...o, balance: '0x1' })],
] as const) {
  test(`an offer that is ${name} is none`, async () => {
    const w = await broke((x) => (x.offerChange = change));
    assert.equal(w.model.state, 'open');
    assert.deepEqual(w.gas?.ways, []);
    assert.match(w.gas?.why ?? '', /does not work at the moment/);
    assert.match(w.model.funds?.missing ?? '', /network fee/);
  });
}

for (const [name, change, check] of [
  ['another payee', (w: GaslessWorld) => (w.kitCalls = (c) => [...c.slice(0, -1), { ...(c.at(-1) ?? assert.fail()), data: (c.at(-1)?.data.replace(/f17f52/i, 'f17f53') ?? '0x') as Hex }]), 'op_calls'],
  ['an extra call', (w: GaslessWorld) => (w.kitCalls = (c) => [...c, { to: stranger, data: '0x', value: 0n }]), 'op_calls'],
  ['coins', (w: GaslessWorld) => (w.kitCalls = (c) => c.map((x) => ({ ...x, value: 1n }))), 'op_value'],
  ['no permit', (w: GaslessWorld) => (w.kitCalls = (c) => c.slice(1)), 'op_permit'],
  ['another sender', (w: GaslessWorld) => (w.kitOp = (o) => ({ ...o, sender: stranger })), 'op_sender'],
  ['a call that it puts into the list it was given', (w: GaslessWorld) => (w.kitCalls = (c) => ((c as KitCall[]).push({ to: stranger, data: '0x', value: 0n }), c)), 'op_calls'],
  ['a call that it changes where it was given', (w: GaslessWorld) => (w.kitCalls = (c) => (Object.assign(c.at(-1) ?? {}, { to: stranger }), c)), 'op_calls'],
  ['another nonce', (w: GaslessWorld) => (w.kitOp = (o) => ({ ...o, nonce: '0x1' })), 'op_nonce'],
  ['no factory', (w: GaslessWorld) => (w.kitOp = ({ factory, factoryData, ...o }) => o), 'op_factory'],
  ['gas beyond bounds', (w: GaslessWorld) => (w.kitOp = (o) => ({ ...o, callGasLimit: '0x5f5e100' })), 'op_gas'],
  ['a price beyond bounds', (w: GaslessWorld) => (w.kitOp = (o) => ({ ...o, maxFeePerGas: '0x174876e801' })), 'op_fees'],
  ['another paymaster', (w: GaslessWorld) => (w.kitOp = (o) => ({ ...o, paymaster: stranger })), 'op_paymaster'],
  ['other data for the paymaster', (w: GaslessWorld) => (w.kitOp = (o) => ({ ...o, paymasterData: '0x' })), 'op_paymaster'],
  ['nobody to pay', (w: GaslessWorld) => (w.kitOp = ({ paymaster, paymasterData, ...o }) => o), 'op_paymaster'],
  ['something else in what is sent', (w: GaslessWorld) => (w.kitSends = (o) => ({ ...o, nonce: '0x9' })), 'op_calls'],
  ['a member that no hash covers in what is sent', (w: GaslessWorld) => (w.kitSends = (o) => ({ ...o, eip7702Auth: '0x' }) as UserOp), 'op_calls'],
  ['another account', (w: GaslessWorld) => (w.kitAddress = stranger), 'op_sender'],
] as const) {
  test(`a kit with ${name} is refused, and nothing is sent`, async () => {
    const w = await broke((x) => void change(x));
    await w.go();
    assert.equal(w.model.state, 'unsafe');
    assert.ok(w.model.checks.some((c) => c.name === check && c.outcome === 'failed'), check);
    assert.deepEqual(w.sentOps, []);
  });
}

test('a bundler that answers another hash is refused', async () => {
  const w = await broke((x) => (x.bundler['eth_sendUserOperation'] = () => `0x${'9'.repeat(64)}`));
  await w.go();
  assert.equal(w.model.state, 'unsafe');
});

for (const [code, title, again] of [
  ['sponsor_refused', 'The sponsor does not pay for this', false],
  ['gas_budget', 'The budget for free payments is used up', false],
  ['sponsor_unavailable', 'The sponsor does not answer', false],
  ['op_refused', 'The payment would not go through', false],
  ['op_nonce', 'Your smart account did something else meanwhile', true],
  ['op_calls', 'The server refused this payment', false],
  ['something_new', 'Paying without gas did not work', false],
] as const) {
  test(`${code}: said plainly, with the plain way at once`, async () => {
    const w = await broke((x) => {
      x.coins = true;
      x.bundler['alchemy_requestGasAndPaymasterAndData'] = () => refusal(code);
    }, { 'quittance:01KADEMO0000000000000000:gasless': '{"picked":"op_permit"}' });
    await w.go();
    assert.equal(w.model.notice?.title, title);
    assert.equal(w.model.go.text, again ? 'Pay 10.10 USDC without gas' : 'Approve 10.10 USDC');
    assert.equal(w.model.go.enabled, true);
    assert.equal(w.wallet.asked.some((a) => a.method === 'personal_sign'), false);
    // Tried again, it is offered again.
    delete w.bundler['alchemy_requestGasAndPaymasterAndData'];
    w.flow.retry();
    await w.settle();
    assert.equal(w.model.go.text, 'Pay 10.10 USDC without gas');
    await w.go();
    assert.equal(w.sentOps.length, 1);
  });
}

test('the payer may decline, and goes on', async () => {
  for (const method of ['eth_signTypedData_v4', 'personal_sign']) {
    const w = await broke();
    w.wallet.on_[method] = () => { throw { code: 4001, message: 'User rejected the request.' }; };
    await w.go();
    assert.equal(w.model.notice?.title, 'You declined in your wallet. Nothing was paid.');
    assert.equal(w.model.go.enabled, true);
    assert.deepEqual(w.sentOps, []);
    w.wallet.on_[method] = () => signature;
    w.flow.retry();
    await w.settle();
    assert.equal(w.sentOps.length, 1);
  }
});

test('wallets without typed data, kits that do not come, and signatures of contracts leave the plain way', async () => {
  for (const change of [
    (w: GaslessWorld) => (w.wallet.on_['eth_signTypedData_v4'] = () => { throw { code: 4200 }; }),
    (w: GaslessWorld) => (w.wallet.on_['eth_signTypedData_v4'] = () => '0x1234'),
    (w: GaslessWorld) => (w.kitFails = true),
  ]) {
    const w = await broke((x) => void (x.coins = true), { 'quittance:01KADEMO0000000000000000:gasless': '{"picked":"op_permit"}' });
    change(w);
    await w.go();
    assert.match(w.model.notice?.title ?? '', /cannot sign this|could not be loaded/);
    assert.equal(w.model.go.text, 'Approve 10.10 USDC');
    assert.deepEqual(w.sentOps, []);
  }
});

test('an account that is changed while the payer reads signs nothing', async () => {
  const w = await broke();
  w.wallet.on_['eth_signTypedData_v4'] = () => {
    w.wallet.accounts = [stranger];
    return signature;
  };
  await w.go();
  assert.equal(w.wallet.asked.some((a) => a.method === 'personal_sign'), false);
  assert.deepEqual(w.sentOps, []);
});

test('a wallet that keeps silent is given up, and what it signs late is not used', async () => {
  const w = await broke();
  let sign: (s: string) => void = () => undefined;
  w.wallet.on_['personal_sign'] = () => new Promise((resolve) => (sign = resolve));
  await w.go();
  await w.pass(121_000);
  assert.equal(w.model.notice?.title, 'Your wallet has not answered yet');
  w.flow.retry();
  await w.settle();
  sign(signature);
  await w.settle();
  assert.deepEqual(w.sentOps, []);
  assert.equal(w.model.state, 'open');
});

test('what was prepared long ago is prepared anew before it is signed', async () => {
  const w = await broke();
  await w.pass(61_000);
  w.nonce = 4n;
  await w.go();
  assert.equal(w.sentOps[0]?.nonce, '0x4');
});

test('a bundler that is down gets the same operation again, over a reload too', async () => {
  const w = await broke();
  w.bundler['eth_sendUserOperation'] = () => refusal('bundler_unavailable');
  await w.go();
  assert.equal(w.model.state, 'seen');
  assert.match(w.model.progress?.text ?? '', /tries again by itself/);
  const kept = w.storage.get(`quittance:${w.payment.token}:gasless`) ?? assert.fail();
  const v = new GaslessWorld({}, { [`quittance:${w.payment.token}:gasless`]: kept });
  v.flow.start();
  await v.settle();
  assert.equal(v.model.state, 'seen');
  await v.pass(2_100);
  assert.equal(v.sentOps.length, 1);
  assert.deepEqual(JSON.parse(kept).op.hash, hashOp(keccak, v.payment.chain.id, v.sentOps[0] ?? assert.fail()));
  assert.doesNotMatch(v.storage.get(`quittance:${w.payment.token}:gasless`) ?? '', /"params":\[/);
});

test('a server that was cut off while it was told may have announced it', async () => {
  const w = await broke((x) => (x.bundler['eth_sendUserOperation'] = () => new ApiError(0, 'unreachable', '', '')));
  await w.go();
  assert.equal(w.model.state, 'seen');
  delete w.bundler['eth_sendUserOperation'];
  await w.pass(2_100);
  assert.equal(w.sentOps.length, 1);
});

test('an operation that the server never heard of is let go after a while', async () => {
  const w = await broke();
  await w.go();
  w.say({});
  assert.equal(w.model.state, 'seen');
  await w.pass(16_000);
  w.say({});
  await w.settle();
  assert.equal(w.model.state, 'open');
  assert.equal(w.model.notice?.title, 'The payment without gas was not sent');
});

for (const [stage, title] of [
  ['failed', 'The payment without gas did not go through'],
  ['replaced', 'Your smart account did something else instead'],
  ['expired', 'The payment without gas was not carried out in time'],
  ['refused', 'The payment without gas could not be sent'],
] as const) {
  test(`${stage}: it locks until the server lets go, and is told after that`, async () => {
    const w = await broke();
    await w.go();
    w.say({ payable: false, op: w.news('waiting') });
    await w.settle();
    assert.equal(w.model.state, 'seen');
    assert.equal(w.model.go.enabled, false);
    w.say({ payable: false, op: w.news(stage, { why: 'ERC20: transfer amount exceeds balance' }) });
    assert.equal(w.model.progress?.title, 'The payment did not go through');
    w.say({ payable: true, op: w.news(stage, { why: 'ERC20: transfer amount exceeds balance' }) });
    await w.settle();
    assert.equal(w.model.state, 'open');
    assert.equal(w.gas?.told?.title, title);
    assert.equal(w.gas?.told?.why !== '', stage === 'failed');
    assert.equal(w.model.notice, null);
    assert.equal(w.model.go.text, 'Pay 10.10 USDC without gas');
    assert.equal(w.model.go.enabled, true);
  });
}

test('a stream that does not know whose operation it is is not believed about that', async () => {
  const w = await broke();
  await w.go();
  w.say({ payable: false, op: w.news('waiting', { own: false }) });
  await w.settle();
  assert.equal(w.gas?.op?.own, true);
  // It ends, and the stream shows nothing of it.
  const { status } = w;
  w.status = { ...status, payable: true, op: w.news('failed') };
  w.flow.onStatus({ ...status, payable: true, op: null });
  await w.settle();
  assert.equal(w.gas?.told?.title, 'The payment without gas did not go through');
  w.flow.onStatus({ ...status, payable: true, op: null });
  await w.settle();
  assert.equal(w.gas?.told?.title, 'The payment without gas did not go through');
});

test('somebody else’s operation locks the page, whoever has coins', async () => {
  const w = await broke((x) => (x.coins = true));
  w.say({ payable: false, op: w.news('waiting', { own: false }) });
  await w.settle();
  assert.equal(w.model.state, 'seen');
  assert.equal(w.model.progress?.title, 'A payment without gas is on its way');
  await w.go();
  assert.deepEqual(w.wallet.sends(), []);
});

test('it has paid: nothing is remembered, and what the payer gave for gas is told', async () => {
  const w = await broke();
  await w.go();
  w.say({ payable: false, state: 'paid', payer: mine.address, op: w.news('executed') });
  await w.settle();
  assert.equal(w.model.state, 'paid');
  assert.equal(w.gas?.paid, '0 ETH, paid by a sponsor');
  assert.doesNotMatch(w.storage.get(`quittance:${w.payment.token}:gasless`) ?? '', /"op":\{/);
});

test('an old allowance is taken back before the wallet pays by itself', async () => {
  const w = await broke((x) => {
    x.coins = true;
    x.revokes = [[mine.address, usdc().assets[0].address]];
  });
  assert.equal(w.model.go.text, 'Take back what your smart account may take');
  assert.equal(w.stepped, 'revoke:active approve:todo pay:todo');
  await w.go();
  assert.equal(w.wallet.sends()[0]?.['data'], `0x095ea7b3${mine.address.slice(2).padStart(64, '0')}${'0'.repeat(64)}`);
  w.revokes = [];
  await w.pass(3_000);
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
});

test('several are taken back one after the other, of whatever token of the chain', async () => {
  const both = [[mine.address, usdt().assets[0].address], [mine.address, usdc().assets[0].address]] as const;
  const w = await broke((x) => {
    x.coins = true;
    x.revokes = both;
  });
  assert.equal(w.stepped, 'revoke:active revoke:todo approve:todo pay:todo');
  w.revokes = both.slice(1);
  await w.go();
  await w.pass(3_000);
  assert.equal(w.wallet.sends()[0]?.['to']?.toLowerCase(), both[0][1].toLowerCase());
  assert.equal(w.stepped, 'revoke:done revoke:active approve:todo pay:todo');
  w.revokes = [];
  await w.go();
  await w.pass(3_000);
  assert.equal(w.wallet.sends()[1]?.['to']?.toLowerCase(), both[1][1].toLowerCase());
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
});

test('an approval of nothing of a stranger’s token is not such a step', async () => {
  const w = await broke((x) => {
    x.coins = true;
    x.revokes = [[mine.address, stranger]];
  });
  assert.equal(w.model.state, 'unsafe');
});

test('an approval of nothing for a stranger is not such a step', async () => {
  const w = await broke((x) => {
    x.coins = true;
    x.revokes = [[stranger, usdc().assets[0].address]];
  });
  assert.equal(w.model.state, 'unsafe');
});

test('nobody pays: nothing of all this is asked or shown', async () => {
  const w = await broke((x) => {
    x.coins = true;
    x.sponsored = false;
    x.endpoint = (path) => assert.fail(path);
  });
  assert.deepEqual(w.gas?.ways, []);
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
});

test('the account’s own refusals leave the plain way without a word, unless it was picked', async () => {
  const w = await broke((x) => {
    x.coins = true;
    x.offerFails = new ApiError(400, 'owner_has_code', 'wallet', 'A contract.');
  });
  assert.equal(w.gas?.why, '');
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
});

test('the server’s services down: said, with the plain way', async () => {
  const w = await broke((x) => {
    x.coins = true;
    x.offerFails = new ApiError(503, 'gasless_unavailable', '', '');
  });
  assert.match(w.gas?.why ?? '', /does not work at the moment/);
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
  assert.equal(w.payment.token, usdc().token);
});

test('a payer who gives up while the operation is handed in may have paid', async () => {
  const w = await broke((x) => (x.bundler['eth_sendUserOperation'] = () => new Promise(() => undefined)));
  await w.go();
  await w.pass(121_000);
  assert.equal(w.model.notice?.title, 'Your wallet has not answered yet');
  w.flow.retry();
  await w.settle();
  assert.equal(w.model.state, 'seen');
  assert.match(w.storage.get(`quittance:${w.payment.token}:gasless`) ?? '', /"op":\{"hash"/);
});
