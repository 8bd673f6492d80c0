// Payments without gas with a bundler that is not ours: the page's kits, our server, and
// behind it @pimlico/alto, which estimates what operations need and hands them in. The
// sponsor is the demo's.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { start } from '../safe/demo.mjs';
import { kinds } from '../userop/kits.mjs';
import { Payer, balance } from '../userop/payer.mjs';
import { ask, startAlto } from './alto.mjs';

const ten = 10_000_000n;
const ether = 10n ** 18n;
const someone = () => privateKeyToAccount(generatePrivateKey()).address;

for (const kind of kinds) {
  describe(`alto carries operations of ${kind}`, { concurrency: 1 }, () => {
    let demo;
    let base;
    let rich;
    let alto;

    before(async () => {
      demo = await start('--account', kind);
      base = demo.chain('base');
      rich = new Payer(demo.payer.privateKey);
      alto = await startAlto(base, (address) => rich.give(base, address, '', ether));
      const { status } = await demo.ask('PUT', '/sandbox/bundler/base', { forward: alto.url });
      assert.equal(status, 204);
    });
    after(async () => {
      await alto?.stop();
      await demo?.stop();
    });

    async function pay(payer) {
      const payee = someone();
      const { token } = await demo.order(payee, '10', 'USDC-base');
      const offer = await payer.offer(demo, token, 'evmref:base:USDC-base');
      const paid = await payer.pay(demo, base, offer, await payer.calls(base, offer));
      await demo.untilStatus(token, 409);
      assert.equal(await balance(base, payee, 'USDC'), ten);
      const told = await demo.untilHeard(token, 'payment.confirmed');
      assert.equal(told.payerEoaAddress.toLowerCase(), payer.address.toLowerCase());
      return { ...paid, told };
    }

    test('with the account deployed by the first, and by permits', async () => {
      const payer = new Payer();
      await rich.give(base, payer.address, 'USDC', 2n * ten);
      for (const deployed of [false, true]) {
        const { hash, op, told } = await pay(payer);
        assert.equal('factory' in op, !deployed);
        // It was alto that estimated and sent it: no other bundler knows it.
        const receipt = await ask(alto.url, 'eth_getUserOperationReceipt', [hash]);
        assert.equal(receipt.success, true);
        assert.equal(receipt.receipt.transactionHash, told.txHash.toLowerCase());
        assert.notEqual(BigInt(op.callGasLimit), 800_000n);
      }
      assert.equal(await balance(base, payer.address), 0n);
      assert.equal(await balance(base, payer.address, 'USDC'), 0n);
    });

    test('and refuses those that would fail', async () => {
      const payer = new Payer();
      await rich.give(base, payer.address, 'USDC', ten);
      const { token } = await demo.order(someone(), '10', 'USDC-base');
      const offer = await payer.offer(demo, token, 'evmref:base:USDC-base');
      const calls = await payer.calls(base, offer);
      // Meanwhile the money goes elsewhere: what was right would fail now.
      await rich.give(base, payer.address, '', ether);
      await payer.give(base, someone(), 'USDC', ten);
      const refused = await payer.pay(demo, base, offer, calls).then(() => assert.fail('it was sent'), (err) => err);
      assert.equal(refused.code, -32000, refused.message);
      assert.match(refused.data.code, /^(op_refused|sponsor_refused)$/);
    });
  });
}
