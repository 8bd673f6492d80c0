// The line between page and server breaks: the page finds its way back by
// itself.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chainOf, startDemo } from '../fixtures/demo.ts';
import { order } from '../fixtures/order.ts';
import { ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';

test('the server restarts between connecting and paying, and again before the payment is final', async ({ context, page }, info) => {
  test.setTimeout(240_000);
  const dir = await mkdtemp(join(tmpdir(), 'quittance-e2e-'));
  let demo = await startDemo(`restart-${info.workerIndex}`, ['--data', dir]);
  const restart = async (): Promise<void> => {
    await demo.stop();
    demo = await startDemo(`restart-${info.workerIndex}`, ['--data', dir, '--listen', new URL(demo.baseUrl).host]);
  };
  try {
    const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
    const made = await order(demo, '0.05', 'ETH-base');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(address);
    await checkout.expectGo('Pay 0.05 ETH');
    await restart();
    await checkout.press('Pay 0.05 ETH');
    // The server itself has seen it: what is only waiting dies with the demo's own chain.
    await expect(checkout.id('confirmations-text')).toHaveText(/^[1-3] of 3 confirmations$/);
    await restart();
    await checkout.expectPaid(wallet);
    await webhook(demo, made.token, 'payment.confirmed');
    expect(wallet.sent.length).toBe(1);
  } finally {
    await demo.stop();
    await rm(dir, { recursive: true });
  }
});

test('events are refused on the way: the page asks by itself', async ({ context, page, demo }) => {
  await page.route('**/checkout/*/events', (route) => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }));
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
  const made = await order(demo, '0.05', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Pay 0.05 ETH');
  await checkout.expectPaid(wallet);
});

test('events are held back on the way: the page asks by itself', async ({ context, page, demo }) => {
  await page.clock.install();
  // Never answered: a proxy that waits for the end of a stream that has none.
  await page.route('**/checkout/*/events', () => undefined);
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
  const made = await order(demo, '0.05', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Pay 0.05 ETH');
  await page.clock.fastForward(9_000);
  await checkout.expectPaid(wallet);
});

test('the calldata cannot be fetched: said so, and tried again', async ({ context, page, demo }) => {
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
  const made = await order(demo, '0.05', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  for (const answer of ['abort', 'half', 'unavailable'] as const) {
    await page.unroute('**/checkout/*/pay?*');
    await page.route('**/checkout/*/pay?*', (route) => {
      if (answer === 'abort') return route.abort('connectionreset');
      if (answer === 'half') return route.fulfill({ contentType: 'application/json', body: '{"transactions":[{"to"' });
      return route.fulfill({ status: 503, json: { statusCode: 503, message: 'The network does not answer at the moment. Please try again.', error: 'Service Unavailable', code: 'chain_unavailable' } });
    });
    if (answer === 'abort') await checkout.connect(address);
    else await checkout.retry.click();
    await checkout.expectNotice('The payment service could not be reached', 'error');
    await checkout.expectNothingToSign();
  }
  await page.unroute('**/checkout/*/pay?*');
  await checkout.retry.click();
  await checkout.press('Pay 0.05 ETH');
  await checkout.expectPaid(wallet);
});

test('the hint about the transaction does not get through: the payment is found all the same', async ({ context, page, demo }) => {
  await page.route('**/checkout/*/intent', (route) => route.abort());
  await page.route('**/checkout/*/{telemetry,event}', (route) => route.abort());
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
  const made = await order(demo, '0.05', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Pay 0.05 ETH');
  await checkout.expectPaid(wallet);
});
