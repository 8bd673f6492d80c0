// Payments by Safes of every version, made, signed and executed by the official
// protocol-kit against a running demo.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { versions } from './artifacts.mjs';
import { start } from './demo.mjs';
import { Multisig, Payer, balance, transfer } from './multisig.mjs';

const ten = 10_000_000n;
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;
const someone = () => privateKeyToAccount(generatePrivateKey()).address;

let demo;

before(async () => {
  demo = await start();
});
after(() => demo?.stop());

// A payment, and the calls that make it from a Safe with just that much money.
async function due(safe, { symbol = 'USDC', currency = 'USDC-base', amount = ten, text = '10', more = '' } = {}) {
  await safe.payer.give(safe.chain, safe.address, symbol, amount);
  const payee = someone();
  const { token, requestIds } = await demo.order(payee, text, currency);
  const { status, body } = await demo.calldata(token, safe.address, more);
  assert.equal(status, 200, JSON.stringify(body));
  return { token, request: requestIds[0], payee, calls: body.transactions, metadata: body.metadata };
}

// What the seed's second example says while a Safe's owners sign.
async function assertLocked({ token, request }, hash, chain, deadline) {
  for (const { status, body } of [await demo.payment(token), await demo.ask('GET', `/v2/secure-payments/${token}/pay?wallet=${demo.payer.address}`)]) {
    assert.equal(status, 423, JSON.stringify(body));
    assert.equal(body.message, 'Secure payment is in progress');
  }
  const { body } = await demo.payment(token);
  assert.equal(body.status, 'pending');
  assert.deepEqual(body.requestStatuses, [
    { requestId: request, hasBeenPaid: false, safeTxHash: hash, chainId: chain.chainId, ...(deadline && { safePaymentDeadline: deadline }) },
  ]);
}

async function announce({ token }, hash, body) {
  const answer = await demo.intent(token, { safeTxHash: hash, chain: 'BASE', token: 'USDC', ...body });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.equal(answer.body.safeTxHash, hash);
  assert.equal(answer.body.isListening, true);
  assert.match(answer.body.paymentReference, /^0x[0-9a-f]{16}$/);
  return answer.body;
}

async function assertPaidBy(p, safe) {
  await demo.untilStatus(p.token, 409);
  const told = await demo.untilHeard(p.token, 'payment.confirmed');
  assert.equal(told.payerAddress.toLowerCase(), safe.address.toLowerCase());
  return told;
}

// Each suite has a payer of its own: accounts send one transaction after the other, and suites run side by side.
let funded = Promise.resolve();
function newPayer() {
  funded = funded.then(() => Payer.funded(demo));
  return funded;
}

function bySafe(version) {
  describe(`a 2-of-3 Safe ${version}`, { concurrency: 1 }, () => {
    let base;
    let safe;

    before(async () => {
      const payer = await newPayer();
      base = demo.chain('base');
      safe = await Multisig.make(payer, base, version);
    });

    test('pays', async () => {
      const p = await due(safe);
      assert.equal(p.metadata.needsApproval, true);
      assert.equal(p.calls.length, 2);
      const tx = await safe.propose(p.calls);
      const hash = await safe.hash(tx);
      const deadline = inAnHour();
      // The seed's own request: nothing but the hash, where, and until when.
      const said = await announce(p, hash, { safePaymentDeadline: deadline });
      assert.equal(said.safePaymentDeadline, deadline);
      await assertLocked(p, hash, base, deadline);
      // The same again is the same; another hash is refused.
      assert.equal((await announce(p, hash, { safePaymentDeadline: deadline })).intentId, said.intentId);
      const other = await demo.intent(p.token, { safeTxHash: `0x${'ab'.repeat(32)}`, chain: 'BASE', token: 'USDC' });
      assert.equal(other.status, 409, JSON.stringify(other.body));
      const executed = await safe.execute(tx);
      const told = await assertPaidBy(p, safe);
      assert.equal(told.txHash.toLowerCase(), executed);
      assert.equal(await balance(base, p.payee, 'USDC'), ten);
    });

    test('fails, and its nonce is used up', async () => {
      const p = await due(safe);
      // Before its turn comes, the owners spend the money otherwise.
      const nonce = await safe.kit.getNonce();
      const otherwise = await safe.propose([transfer(base, 'USDC', someone(), ten)], { nonce });
      const tx = await safe.propose(p.calls, { nonce: nonce + 1, safeTxGas: '1' });
      const hash = await safe.hash(tx);
      await announce(p, hash, { payerAddress: safe.address, safeTx: tx.data });
      await assertLocked(p, hash, base);
      await safe.execute(otherwise);
      await safe.execute(tx, '2000000');
      const told = await demo.untilHeard(p.token, 'payment.failed');
      assert.equal(told.subStatus, 'safe_execution_failed');
      const { body } = await demo.untilStatus(p.token, 403);
      assert.equal(body.status, 'failed');
      assert.equal(await balance(base, p.payee, 'USDC'), 0n);
    });

    test('is replaced, and may pay again', async () => {
      const p = await due(safe);
      const tx = await safe.propose(p.calls);
      const hash = await safe.hash(tx);
      await announce(p, hash, { payerAddress: safe.address, safeTx: tx.data });
      await assertLocked(p, hash, base);
      await safe.execute(await safe.reject(tx.data.nonce));
      const told = await demo.untilHeard(p.token, 'payment.failed');
      assert.equal(told.subStatus, 'safe_transaction_replaced');
      await demo.untilStatus(p.token, 200);
      const { body } = await demo.calldata(p.token, safe.address);
      const again = await safe.propose(body.transactions);
      await announce(p, await safe.hash(again), { payerAddress: safe.address, safeTx: again.data });
      await safe.execute(again);
      await assertPaidBy(p, safe);
    });

    test('is too late, and what it pays then is late', async () => {
      const p = await due(safe);
      const tx = await safe.propose(p.calls);
      const hash = await safe.hash(tx);
      await announce(p, hash, { safePaymentDeadline: Math.floor(Date.now() / 1000) + 3, payerAddress: safe.address, safeTx: tx.data });
      const told = await demo.untilHeard(p.token, 'payment.failed');
      assert.equal(told.subStatus, 'safe_deadline_passed');
      assert.equal((await demo.untilStatus(p.token, 403)).body.status, 'failed');
      await safe.execute(tx);
      await demo.untilHeard(p.token, 'payment.late');
      assert.equal(await balance(base, p.payee, 'USDC'), ten);
    });

    test('pays from another chain', async () => {
      const [here, there] = [safe, demo.chain('arbitrum-one')];
      const away = await Multisig.make(here.payer, there, version, here.owners);
      assert.equal(away.address, here.address);
      await demo.ask('PUT', '/sandbox/bridge', { delay: '4s' });
      const p = await due(away, { amount: 2n * ten, more: '&chain=ARBITRUM&token=USDC' });
      assert.equal(p.metadata.routeType, 'crosschain');
      const deadline = p.metadata.safePaymentDeadline;
      assert.ok(deadline > Date.now() / 1000, `safePaymentDeadline is ${deadline}`);
      const tx = await away.propose(p.calls);
      const hash = await away.hash(tx);
      await announce(p, hash, { chain: 'ARBITRUM', payerAddress: away.address, safePaymentDeadline: deadline, safeTx: tx.data });
      await assertLocked(p, hash, there, deadline);
      await away.execute(tx);
      await assertPaidBy(p, away);
      assert.equal(await balance(base, p.payee, 'USDC'), ten);
    });
  });
}

describe('Safes', { concurrency: true }, () => {
  for (const version of versions) bySafe(version);

  describe('of any version', { concurrency: 1 }, () => {
    let safe;
    let base;

    before(async () => {
      base = demo.chain('base');
      safe = await Multisig.make(await newPayer(), base, '1.4.1');
    });

    test('pays in the chain\'s own currency with one plain call', async () => {
      const amount = 10n ** 15n;
      const p = await due(safe, { symbol: '', currency: 'ETH-base', amount, text: '0.001' });
      assert.equal(p.calls.length, 1);
      const tx = await safe.propose(p.calls);
      assert.equal(tx.data.operation, 0);
      await announce(p, await safe.hash(tx), { token: 'ETH', payerAddress: safe.address, safeTx: tx.data });
      await safe.execute(tx);
      await assertPaidBy(p, safe);
      assert.equal(await balance(base, p.payee), amount);
    });

    test('is refused with what is not this payment\'s', async () => {
      const p = await due(safe);
      const elsewhere = await safe.propose([transfer(base, 'USDC', someone(), ten)]);
      const foreign = await demo.intent(p.token, {
        safeTxHash: await safe.hash(elsewhere), chain: 'BASE', token: 'USDC', payerAddress: safe.address, safeTx: elsewhere.data,
      });
      assert.equal(foreign.status, 400, JSON.stringify(foreign.body));
      const mine = await safe.propose(p.calls);
      const wrong = await demo.intent(p.token, {
        safeTxHash: await safe.hash(elsewhere), chain: 'BASE', token: 'USDC', payerAddress: safe.address, safeTx: mine.data,
      });
      assert.equal(wrong.status, 400, JSON.stringify(wrong.body));
      // Neither holds the payment.
      assert.equal((await demo.payment(p.token)).status, 200);
    });
  });
});
