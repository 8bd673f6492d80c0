// Payments without gas by the kits that the page loads, Account Kit and permissionless,
// through a running demo: its server, its sponsor, its bundler, its chains.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { start, until } from '../safe/demo.mjs';
import { kinds } from './kits.mjs';
import { Payer, allowance, balance, reader, withAnotherPayee } from './payer.mjs';

const ten = 10_000_000n;
const someone = () => privateKeyToAccount(generatePrivateKey()).address;
const direct = { USDC: 'evmref:base:USDC-base', USDT: 'evmref:base:USDT-base' };

function from(kind) {
  describe(`from ${kind}`, { concurrency: 1 }, () => {
    let demo;
    let base;
    let rich;

    before(async () => {
      demo = await start('--account', kind);
      base = demo.chain('base');
      rich = new Payer(demo.payer.privateKey);
    });
    after(() => demo?.stop());

    // A payer who has just this of a token, and nothing else.
    async function payerWith(chain, symbol, amount) {
      const payer = new Payer();
      await rich.give(chain, payer.address, symbol, amount);
      return payer;
    }

    async function order(currency = 'USDC-base') {
      const payee = someone();
      return { payee, ...(await demo.order(payee, '10', currency)) };
    }

    async function assertPaid({ token, payee }, payer, offer, symbol = 'USDC') {
      await demo.untilStatus(token, 409);
      const told = await demo.untilHeard(token, 'payment.confirmed');
      assert.equal(told.payerAddress.toLowerCase(), offer.account.toLowerCase());
      assert.equal(told.payerEoaAddress.toLowerCase(), payer.address.toLowerCase());
      assert.equal(await balance(base, payee, symbol), ten);
      assert.equal(await balance(base, offer.account, symbol), 0n);
      return told;
    }

    test('takes a permit, deploys the account, pays, and pays again', async () => {
      const payer = await payerWith(base, 'USDC', 2n * ten);
      const first = await order();
      const offer = await payer.offer(demo, first.token, direct.USDC);
      assert.equal(offer.kind, kind);
      assert.equal(offer.deployed, false);
      assert.equal(offer.amount, ten.toString());
      assert.equal(offer.allowance, '0');
      const calls = await payer.calls(base, offer);
      assert.equal(calls.length, 4);
      const { op, seen, hash } = await payer.pay(demo, base, offer, calls);
      assert.match(hash, /^0x[0-9a-f]{64}$/);
      assert.deepEqual(seen.server, ['alchemy_requestGasAndPaymasterAndData', 'eth_sendUserOperation']);
      assert.equal(seen.wallet.filter((m) => m.startsWith('personal_') || m.startsWith('eth_sign')).length, 1);
      assert.ok(op.factory && op.paymaster);
      await assertPaid(first, payer, offer);
      assert.ok((await reader(base).getCode({ address: offer.account }))?.length > 2);
      assert.equal(await balance(base, payer.address, 'USDC'), ten);

      const second = await order();
      const again = await payer.offer(demo, second.token, direct.USDC);
      assert.equal(again.deployed, true);
      assert.equal(BigInt(again.nonce), 1n);
      const next = await payer.pay(demo, base, again, await payer.calls(base, again));
      assert.ok(!('factory' in next.op));
      await assertPaid(second, payer, again);
      // All of it without a single native coin, and with nothing left allowed.
      assert.deepEqual([await balance(base, payer.address), await balance(base, offer.account), await balance(base, payer.address, 'USDC')], [0n, 0n, 0n]);
      assert.equal(await allowance(base, payer.address, offer.account, 'USDC'), 0n);
      assert.equal(await reader(base).getTransactionCount({ address: payer.address }), 0);
    });

    test('takes what was approved before from a token without permits', async () => {
      const payer = await payerWith(base, 'USDT', ten);
      await rich.give(base, payer.address, '', 10n ** 16n);
      const p = await order('USDT-base');
      const before = await payer.offer(demo, p.token, direct.USDT);
      assert.equal(before.permit, null);
      await payer.approve(base, 'USDT', before.account, BigInt(before.amount));
      const offer = await payer.offer(demo, p.token, direct.USDT);
      assert.equal(offer.allowance, offer.amount);
      const native = await balance(base, payer.address);
      const calls = await payer.calls(base, offer);
      await payer.pay(demo, base, offer, calls);
      await assertPaid(p, payer, offer, 'USDT');
      assert.equal(await balance(base, payer.address), native);
    });

    test('pays from another chain', async () => {
      const away = demo.chain('arbitrum-one');
      const payer = await payerWith(away, 'USDC', 2n * ten);
      const p = await order();
      const offer = await payer.offer(demo, p.token, 'crosschain:arbitrum-one:USDC-arbitrum-one');
      assert.equal(offer.chainId, away.chainId);
      await payer.pay(demo, away, offer, await payer.calls(away, offer));
      await demo.untilStatus(p.token, 409);
      await until('the money has arrived', async () => (await balance(base, p.payee, 'USDC')) === ten);
      const told = await demo.untilHeard(p.token, 'payment.confirmed');
      assert.equal(told.payerEoaAddress.toLowerCase(), payer.address.toLowerCase());
      assert.equal(await balance(away, payer.address), 0n);
      assert.equal(await balance(away, payer.address, 'USDC'), 2n * ten - BigInt(offer.amount));
    });

    test('has nothing else paid for', async () => {
      const payer = await payerWith(base, 'USDC', 2n * ten);
      const p = await order();
      const offer = await payer.offer(demo, p.token, direct.USDC);
      const calls = await payer.calls(base, offer);
      const elsewhere = [...calls.slice(0, -1), withAnotherPayee(calls.at(-1), someone())];
      const longer = [...calls, { to: someone(), value: 0n, data: '0x' }];
      for (const wrong of [elsewhere, longer, calls.slice(0, -1)]) {
        const refused = await payer.pay(demo, base, offer, wrong).then(() => assert.fail('it was paid for'), (err) => err);
        assert.deepEqual([refused.code, refused.data], [-32602, { code: 'op_calls' }], refused.message);
      }
      // The right one still is, by the same permit.
      await payer.pay(demo, base, offer, calls);
      await assertPaid(p, payer, offer);
    });

    test('says what a bundler says', async () => {
      const payer = await payerWith(base, 'USDC', ten);
      const p = await order();
      const offer = await payer.offer(demo, p.token, direct.USDC);
      const no = { code: -32000, message: 'no more for today' };
      await demo.ask('PUT', '/sandbox/bundler/base', { refuse: { alchemy_requestGasAndPaymasterAndData: no, pm_getPaymasterData: no } });
      try {
        const refused = await payer.pay(demo, base, offer, await payer.calls(base, offer)).then(() => assert.fail('it was paid for'), (err) => err);
        assert.equal(refused.code, -32000, refused.message);
        assert.match(refused.data.code, /^sponsor_/);
      } finally {
        await demo.ask('PUT', '/sandbox/bundler/base', {});
      }
      assert.equal((await demo.payment(p.token)).status, 200);
      await payer.pay(demo, base, offer, await payer.calls(base, offer));
      await assertPaid(p, payer, offer);
    });
  });
}

describe('paying without gas', { concurrency: true }, () => {
  for (const kind of kinds) from(kind);
});
