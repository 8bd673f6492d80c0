// What merchants are told of payers on the way, and payouts, which turn the
// page's words round.
import { createPayout } from '../fixtures/api.ts';
import { balanceOf } from '../fixtures/chain.ts';
import { chainOf, startDemo } from '../fixtures/demo.ts';
import { freshAddress, order } from '../fixtures/order.ts';
import { dollars, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Receiver, requestSignatureFits, webhook, webhooksOf } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';

const told = 'secure_payment.user_event';

test('the merchant’s own server hears what the payer did, once each, and never which wallet', async ({ context, page }, info) => {
  const receiver = new Receiver();
  const demo = await startDemo(`events-${info.workerIndex}`, ['--webhook-url', await receiver.start()]);
  try {
    const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'));
    const made = await order(demo, '10.00');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(address);
    await checkout.expectGo('Approve 10.00 USDC');
    // Connected again by the page itself: that is the same wallet.
    await page.reload();
    await checkout.press('Approve 10.00 USDC');
    await checkout.press('Pay 10.00 USDC');
    await checkout.expectPaid(wallet);
    const events = () => receiver.received.map((r) => ({ r, body: JSON.parse(r.body.toString()) as Record<string, any> }))
      .filter(({ body }) => body['event'] === told && body['securePaymentToken'] === made.token);
    await expect.poll(() => events().map(({ body }) => body['userEvent']).sort(), { timeout: 20_000 })
      .toEqual(['payment_approved_in_wallet', 'payment_sent_to_wallet', 'wallet_connected']);
    for (const { r, body } of events()) {
      expect(requestSignatureFits(r, demo.merchant.webhookSecret, r.body)).toBe(true);
      expect(JSON.stringify(body).toLowerCase()).not.toContain(address.slice(2).toLowerCase());
      expect(JSON.stringify(body)).toMatch(/"wallet_address_hashed":"[0-9a-f]{64}"/);
      expect(body['requestIds']).toEqual(made.requestIds);
      expect(Math.abs(Date.parse(body['occurredAt']) - Date.now())).toBeLessThan(120_000);
    }
    expect(new Set(events().map(({ body }) => JSON.stringify(body['properties']['wallet_address_hashed']))).size, 'one wallet').toBe(1);
  } finally {
    await receiver.stop();
    await demo.stop();
  }
});

test('events that do not get through disturb nobody', async ({ context, page, demo }) => {
  await page.route('**/checkout/*/event', (route) => route.abort());
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'));
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  await webhook(demo, made.token, 'payment.confirmed');
  expect((await webhooksOf(demo, made.token)).filter((w) => w.event === told)).toEqual([]);
});

test('a payout says who is paid and for whom', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const recipient = freshAddress();
  const made = await createPayout(demo, {
    recipient, creatorWalletAddress: address, network: 'base', currency: 'USDC-base', amount: '12.50', recipientIdentifier: 'Freelancer 4711',
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await expect(page).toHaveTitle('Pay out 12.50 USDC to Freelancer 4711');
  await expect(checkout.id('details').locator('h1')).toHaveText('You are paying out to Freelancer 4711', { useInnerText: true });
  await expect(checkout.id('payout-for')).toHaveText('Harbour Coffee Roasters');
  await expect(checkout.id('payee')).toHaveText(recipient);
  await checkout.connect(address);
  await checkout.press('Approve 12.50 USDC');
  await checkout.press('Pay 12.50 USDC');
  await checkout.expectPaid(wallet);
  await expect(checkout.id('success-text')).toContainText('The money has reached Freelancer 4711');
  expect(await balanceOf(chain, recipient, 'USDC')).toBe(dollars(12.5));
});
