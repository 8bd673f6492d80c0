// Wallets that make all steps at once (EIP-5792): with somebody who pays for gas
// (ERC-7677) or without. What the wallet can is asked of it, and what pays is a batch
// on chain, atomic in fact: by an account that delegates to code, or a smart wallet.
import { approve } from '../fixtures/byhand.ts';
import type { Batch } from '../fixtures/batching.ts';
import { allowanceOf, balanceOf, publicClient } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { batchOrder, order } from '../fixtures/order.ts';
import { expectAccessibleInBothSchemes } from '../fixtures/page.ts';
import { type BatchingPayer, batchingPayer, dollars, ether } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';
import { Gasless } from '../pages/gasless.ts';

/** The one batch that the wallet was given, once it was executed. */
async function executed(payer: BatchingPayer): Promise<Batch> {
  await expect.poll(() => [payer.batching.batches.length, ...payer.batching.paymasterSaid.map((s) => s.error)].filter((s) => s !== undefined)).toEqual([1]);
  await payer.batching.settled();
  const [batch] = payer.batching.batches;
  expect([batch!.status, batch!.failure]).toEqual([200, undefined]);
  return batch!;
}

/** What the page says the wallet's paymaster service is, and that it was this payment's. */
function expectSponsored(batch: Batch, token: string, baseUrl: string): void {
  expect(batch.sponsored).toBe(true);
  expect(batch.request.capabilities?.['paymasterService']?.url).toMatch(new RegExp(`^${baseUrl}/checkout/${token}/paymaster\\?`));
}

for (const account of ['delegated', 'contract'] as const) {
  test.describe(account === 'delegated' ? 'an account that delegates to code' : 'a smart wallet', () => {
    test('pays without gas in one confirmation, by itself', async ({ context, page, demo }) => {
      const base = chainOf(demo, 'base');
      const payer = await batchingPayer(context, demo, base, { tokens: { USDC: dollars(25) } }, { account });
      const made = await order(demo, '10.00');
      const checkout = new Checkout(page);
      const gas = new Gasless(checkout);
      await checkout.open(made.securePaymentUrl);
      await checkout.connect(payer.address);
      await gas.expectWays('batch_sponsored', 'batch_sponsored', 'batch', 'plain');
      await checkout.expectGo('Pay 10.00 USDC without gas');
      await expect(checkout.id('funds-gas')).toHaveText(/^none: paid by /);
      await expect(checkout.id('funds-missing')).toHaveText('');
      await expectAccessibleInBothSchemes(page);
      await checkout.go.click();
      const batch = await executed(payer);
      await checkout.expectPaid(batch.receipts[0]!.transactionHash);
      expectSponsored(batch, made.token, demo.baseUrl);
      expect(batch.request).toMatchObject({ version: '2.0.0', atomicRequired: true });
      expect(batch.request.calls.map((c) => c.to)).toEqual([base.tokens['USDC']!.address, base.contracts.erc20FeeProxy]);
      expect(payer.batching.paymasterSaid.map((s) => s.method)).toEqual(['pm_getPaymasterStubData', 'pm_getPaymasterData']);

      expect(payer.wallet.asked('wallet_sendCalls')).toBe(1);
      expect(payer.wallet.asked('eth_sendTransaction')).toBe(0);
      expect(payer.wallet.asked('eth_signTypedData_v4') + payer.wallet.asked('personal_sign')).toBe(0);
      expect(await balanceOf(base, payer.address)).toBe(0n);
      expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(15));
      expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
      expect(await allowanceOf(base, payer.address, base.contracts.erc20FeeProxy, 'USDC')).toBe(0n);
      const told = await webhook(demo, made.token, 'payment.confirmed');
      expect(String(told.body['payerAddress']).toLowerCase()).toBe(payer.address.toLowerCase());
      expect(told.body['txHash']).toBe(batch.receipts[0]!.transactionHash);
    });

    test('pays for its own gas where its wallet has nobody else do it', async ({ context, page, demo }) => {
      const base = chainOf(demo, 'base');
      const payer = await batchingPayer(context, demo, base, { native: ether / 100n, tokens: { USDC: dollars(25) } }, { account, paymaster: false });
      const made = await order(demo, '10.00');
      const checkout = new Checkout(page);
      await checkout.open(made.securePaymentUrl);
      await checkout.connect(payer.address);
      await expect(new Gasless(checkout).way('batch')).toBeChecked();
      await checkout.press('Pay 10.00 USDC');
      const batch = await executed(payer);
      await checkout.expectPaid(batch.receipts[0]!.transactionHash);
      expect(batch.sponsored).toBe(false);
      expect(batch.request.capabilities).toBeUndefined();
      expect(payer.wallet.asked('eth_sendTransaction')).toBe(0);
      expect(await balanceOf(base, payer.address)).toBeLessThan(ether / 100n);
      expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
    });
  });
}

test('clears an old approval, approves and pays at once', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await batchingPayer(context, demo, base, { native: ether / 100n, tokens: { USDT: dollars(50) } }, { account: 'delegated' });
  await approve(base, payer.privateKey, base.contracts.erc20FeeProxy, 'USDT', dollars(1));
  const made = await order(demo, '20.00', 'USDT-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await checkout.press('Pay 20.00 USDT without gas');
  const batch = await executed(payer);
  await checkout.expectPaid(batch.receipts[0]!.transactionHash);
  expect(batch.request.calls).toHaveLength(3);
  expect(await balanceOf(base, made.payee, 'USDT')).toBe(dollars(20));
  expect(await allowanceOf(base, payer.address, base.contracts.erc20FeeProxy, 'USDT')).toBe(0n);
});

test('pays several requests at once', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await batchingPayer(context, demo, base, { tokens: { USDC: dollars(50) } }, { account: 'delegated' });
  const made = await batchOrder(demo, [['3.00', 'USDC-base'], ['4.50', 'USDC-base']]);
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await expect(new Gasless(checkout).way('batch_sponsored')).toBeChecked();
  await checkout.go.click();
  const batch = await executed(payer);
  await checkout.expectPaid(batch.receipts[0]!.transactionHash);
  expectSponsored(batch, made.token, demo.baseUrl);
  expect(await Promise.all(made.payees.map((p) => balanceOf(base, p, 'USDC')))).toEqual([dollars(3), dollars(4.5)]);
  expect(await balanceOf(base, payer.address)).toBe(0n);
});

test('understands wallets that speak as EIP-5792 was first', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await batchingPayer(context, demo, base, { tokens: { USDC: dollars(25) } }, { account: 'contract', first: true });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await checkout.press('Pay 10.00 USDC without gas');
  const batch = await executed(payer);
  await checkout.expectPaid(batch.receipts[0]!.transactionHash);
  expect(batch.request.version).toBe('1.0');
  expectSponsored(batch, made.token, demo.baseUrl);
});

test('goes step by step if the payer wants that', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await batchingPayer(context, demo, base, { native: ether / 100n, tokens: { USDC: dollars(25) } }, { account: 'delegated' });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await gas.expectWays('batch_sponsored', 'batch_sponsored', 'batch', 'plain');
  await gas.pick('plain');
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(payer.wallet);
  expect(payer.wallet.sent).toHaveLength(2);
  expect(payer.wallet.asked('wallet_sendCalls')).toBe(0);
  expect(payer.batching.paymasterSaid).toEqual([]);
});

test('pays for its own gas in one confirmation if the payer wants that', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await batchingPayer(context, demo, base, { native: ether / 100n, tokens: { USDC: dollars(25) } }, { account: 'delegated' });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await gas.pick('batch');
  await checkout.press('Pay 10.00 USDC');
  const batch = await executed(payer);
  await checkout.expectPaid(batch.receipts[0]!.transactionHash);
  expect(batch.sponsored).toBe(false);
  // It was a transaction of the account to itself.
  expect((await publicClient(base).getTransaction({ hash: batch.receipts[0]!.transactionHash })).to).toBe(payer.address.toLowerCase());
});

test('makes no batch of a single call that nobody sponsors', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await batchingPayer(context, demo, base, { native: ether }, { account: 'delegated' });
  const made = await order(demo, '0.01', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await checkout.press(/^Pay 0.01/);
  await checkout.expectPaid(payer.wallet);
  expect(payer.wallet.asked('wallet_sendCalls')).toBe(0);
  expect(await balanceOf(base, made.payee)).toBe(ether / 100n);
});
