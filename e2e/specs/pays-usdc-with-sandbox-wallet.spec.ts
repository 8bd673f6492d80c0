// The demo's own payment: from the link to paid, with nothing installed.
import { allowanceOf, balanceOf } from '../fixtures/chain.ts';
import { chainOf, startDemo } from '../fixtures/demo.ts';
import { order } from '../fixtures/order.ts';
import { desktop, phone } from '../fixtures/page.ts';
import { dollars } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Receiver, requestSignatureFits, standardSignatureFits, webhook, webhooksOf } from '../fixtures/webhooks.ts';
import { Checkout, sandboxWallet } from '../pages/checkout.ts';

for (const [name, viewport] of Object.entries({ phone, desktop })) {
  test.describe(`on a ${name}`, () => {
    test.use({ viewport });

    test('pays from the link to the merchant’s button', async ({ page, demo }) => {
      const chain = chainOf(demo, 'base');
      const back = `${demo.baseUrl}/storybook?order=7`;
      const made = await order(demo, '24.50', 'USDC-base', { reference: 'ORDER-7', redirectUrl: back, redirectLabel: 'Back to the shop' });
      const before = await balanceOf(chain, demo.payer.address, 'USDC');

      const checkout = new Checkout(page);
      expect((await checkout.open(made.securePaymentUrl)).status()).toBe(200);
      await expect(checkout.id('sandbox-banner')).toContainText('no real money');
      await expect(checkout.id('amount')).toHaveText('24.50 USDC');
      await expect(checkout.id('payee')).toHaveText(made.payee);
      await expect(checkout.id('order-note')).toHaveText('ORDER-7');
      await expect(checkout.id('safety-title')).toHaveText('This is a safe smart contract');
      await expect(checkout.id('safety-text')).toHaveText(
        'The smart contract you are interacting with is an official Request Network smart contract, it is audited and valid.');

      await checkout.wallet(sandboxWallet).click();
      await expect(checkout.id('sandbox-dialog')).toContainText(demo.payer.address);
      await checkout.id('sandbox-confirm').click();
      await expect(checkout.id('account-address')).toHaveText(demo.payer.address);

      await checkout.expectGo('Approve 24.50 USDC');
      await checkout.expectStep('approve', 'active');
      await checkout.expectStep('pay', 'todo');
      await expect(checkout.id('safety')).toHaveAttribute('data-outcome', 'passed');
      await expect(checkout.id('safety-checks').locator('[data-outcome="passed"]')).toHaveCount(7);
      await checkout.go.click();
      await expect(checkout.go).toHaveText('Confirm in your wallet…');
      await checkout.expectStep('approve', 'signing');
      await checkout.id('sandbox-confirm').click();
      await checkout.expectStep('approve', 'done');

      await checkout.press('Pay 24.50 USDC');
      await checkout.expectStep('pay', 'signing');
      const confirmations = await checkout.recordConfirmations();
      await checkout.id('sandbox-confirm').click();
      await checkout.expectUnderway();
      await checkout.expectPaid();
      const counted = await confirmations();
      // A busy machine may miss some of them.
      expect(counted.some((c) => /^[1-3] of 3 confirmations$/.test(c)), counted.join()).toBe(true);
      expect(counted, 'confirmations only ever grow').toEqual([...counted].sort());

      await expect(checkout.id('merchant-link')).toHaveText('Back to the shop');
      await expect(checkout.id('merchant-link')).toHaveAttribute('href', back);

      expect(await balanceOf(chain, made.payee, 'USDC')).toBe(dollars(24.5));
      expect(await balanceOf(chain, demo.payer.address, 'USDC')).toBe(before - dollars(24.5));
      expect(await allowanceOf(chain, demo.payer.address, chain.contracts.erc20FeeProxy, 'USDC'), 'nothing stays approved').toBe(0n);

      const hash = await checkout.id('success-tx').textContent();
      const confirmed = await webhook(demo, made.token, 'payment.confirmed');
      expect(confirmed.body).toMatchObject({
        event: 'payment.confirmed', requestId: made.requestIds[0], requestID: made.requestIds[0], txHash: hash, amount: '24.5',
        totalAmountPaid: '24.5', expectedAmount: '24.5', reference: 'ORDER-7', currency: 'USDC', network: 'base',
        payerAddress: demo.payer.address,
      });
      const again = await webhook(demo, made.token, 'payment.confirmed.checkout');
      expect({ ...again.body, event: '' }).toEqual({ ...confirmed.body, event: '' });
      expect((await webhooksOf(demo, made.token)).map((w) => w.event).filter((e) => e.startsWith('payment.')).sort()).toEqual(['payment.confirmed', 'payment.confirmed.checkout']);

      const reopened = await page.reload();
      expect(reopened?.status()).toBe(409);
      await checkout.expectPaid(hash!);
      await expect(checkout.id('success-title')).toHaveText('This payment has already been made.');
    });
  });
}

test('pays the link that the demo prints, and the merchant’s own server can trust what it is told', async ({ page }, info) => {
  const receiver = new Receiver();
  const demo = await startDemo(`webhooks-${info.workerIndex}`, ['--webhook-url', await receiver.start()]);
  try {
    const checkout = new Checkout(page);
    await checkout.open(demo.securePaymentUrl);
    await checkout.wallet(sandboxWallet).click();
    await checkout.id('sandbox-confirm').click();
    await checkout.press(/^Approve /);
    await checkout.id('sandbox-confirm').click();
    await checkout.press(/^Pay /);
    await checkout.id('sandbox-confirm').click();
    await checkout.expectPaid();

    const token = new URL(demo.securePaymentUrl).searchParams.get('token')!;
    const secret = demo.merchant.webhookSecret;
    for (const event of ['payment.confirmed', 'payment.confirmed.checkout']) {
      const got = await receiver.event(token, event);
      expect(requestSignatureFits(got, secret, got.body), 'over the bytes').toBe(true);
      const parsed: unknown = JSON.parse(got.body.toString());
      expect(requestSignatureFits(got, secret, JSON.stringify(parsed)), 'over the parsed body, as many receivers do').toBe(true);
      expect(standardSignatureFits(got, secret), 'Standard Webhooks').toBe(true);
      expect(requestSignatureFits(got, `${secret}x`, got.body), 'with another secret').toBe(false);
      expect(got.headers['content-type']).toBe('application/json');
      expect(got.headers['x-request-network-delivery']).toBe(got.headers['webhook-id']);
      expect(got.headers['x-request-network-retry-count']).toBe('0');
      expect(Math.abs(Number(got.headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(300);
    }

    await checkout.id('merchant-link').click();
    await expect(async () => {
      await page.reload();
      await expect(checkout.id('sent-webhook').and(page.locator('[data-event="payment.confirmed"]')).first()).toBeVisible({ timeout: 500 });
    }).toPass({ timeout: 60_000 });
  } finally {
    await receiver.stop();
    await demo.stop();
  }
});

test('closes the wallet’s dialog by keyboard without paying', async ({ page, demo }) => {
  const made = await order(demo, '1.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.wallet(sandboxWallet).click();
  await expect(checkout.id('sandbox-dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await checkout.expectNotice('You declined in your wallet. Nothing was paid.', 'info');
  await checkout.retry.click();
  await checkout.id('sandbox-confirm').click();
  await expect(checkout.id('account')).toBeVisible();
});
