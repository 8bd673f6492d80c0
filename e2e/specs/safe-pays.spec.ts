// Paying from a Safe, with the checkout in the frame of the Safe's app: proposed,
// signed by two owners, executed, and told to the merchant.
import { getPayment } from '../fixtures/api.ts';
import { balanceOf } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { Multisig } from '../fixtures/multisig.ts';
import { order } from '../fixtures/order.ts';
import { expectAccessibleInBothSchemes, photograph } from '../fixtures/page.ts';
import { dollars } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';
import { SafeApp } from '../pages/safeapp.ts';
import { Ways, usdcFromArbitrum } from '../pages/ways.ts';

test.beforeEach(async ({ demo }) => {
  await Promise.all(['base', 'arbitrum-one'].map((network) => new Multisig(demo, network).clear()));
});

test('pays: proposed in one batch, signed by two of three owners, executed', async ({ page, demo }) => {
  test.setTimeout(240_000); // most of it goes into pictures
  const made = await order(demo, '10.00');
  const app = new SafeApp(page, demo);
  const checkout = await app.open(made.securePaymentUrl);
  await expect(checkout.id('safe-account-title')).toHaveText('You pay from a Safe: 2 of 3 owners must sign');
  await expect(checkout.id('account-address')).toHaveText(demo.sandbox.safe.address);
  await checkout.expectGo('Propose to your Safe');
  await app.expectAccessible();
  await app.photograph('safe-1-recognised');

  await checkout.go.click();
  await expect(app.dialog).toBeVisible();
  await expect(app.id('safe-dialog-calls').locator('dt')).toHaveText(['Call 1', 'Call 2']);
  await app.expectAccessible();
  await app.photograph('safe-2-asked');
  const hash = await app.propose();

  await checkout.expectState('seen');
  await expect(checkout.id('progress-title')).toHaveText('Waiting for signatures');
  await expect(checkout.id('safe-signed-text')).toHaveText('1 of 2 signatures');
  await expect(checkout.id('safe-owners').locator('[data-signed="true"]')).toHaveCount(1);
  await expect(checkout.id('safe-owners').locator('li')).toHaveCount(3);
  await expect(checkout.id('safe-queue')).toContainText('the next one');
  expect((await getPayment(demo, made.token)).status).toBe(423);
  await app.expectAccessible();
  await app.photograph('safe-3-waiting');

  await app.signAs(hash, 3);
  await expect(checkout.id('progress-title')).toHaveText('Signed, and waiting to be executed');
  await expect(checkout.id('safe-signed-text')).toHaveText('2 of 2 signatures');
  await app.expectAccessible();
  await app.photograph('safe-4-signed');

  await app.execute(hash);
  // Its own event, or the payment's that comes with it: whichever is seen first.
  await expect(checkout.id('progress-title')).toHaveText(/^(The Safe has sent the payment|Your payment is on its way)$/);
  const { txHash } = await new Multisig(demo).transaction(hash);
  await checkout.expectPaid(txHash);
  await expect(checkout.id('payer')).toHaveText(demo.sandbox.safe.address);
  await expect(checkout.id('payer-safe')).toBeVisible();
  await app.expectAccessible();
  await app.photograph('safe-5-paid');

  const told = await webhook(demo, made.token, 'payment.confirmed');
  expect(String(told.body['payerAddress']).toLowerCase()).toBe(demo.sandbox.safe.address.toLowerCase());
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(dollars(10));
});

test('pays the chain\'s own currency with a single call', async ({ page, demo }) => {
  const made = await order(demo, '0.001', 'ETH-base');
  const app = new SafeApp(page, demo);
  const checkout = await app.open(made.securePaymentUrl);
  await checkout.press('Propose to your Safe');
  const hash = await app.propose({ owner: 2 });
  await expect(checkout.id('safe-signed-text')).toHaveText('1 of 2 signatures');
  await app.signAs(hash, 1);
  await app.execute(hash);
  await checkout.expectPaid();
  expect(await balanceOf(chainOf(demo, 'base'), made.payee)).toBe(10n ** 15n);
});

test('pays from the other chain', async ({ page, demo, sandbox }) => {
  await sandbox.bridge({ delay: '4s' });
  const made = await order(demo, '10.00');
  const app = new SafeApp(page, demo);
  const checkout = await app.open(made.securePaymentUrl, 'arbitrum-one');
  // What the Safe has there is chosen by itself: its app is on that network.
  const ways = new Ways(checkout);
  await ways.expectChosen(usdcFromArbitrum);
  await checkout.expectGo('Propose to your Safe');
  await app.expectAccessible();
  await app.photograph('safe-cross-1-chosen');
  await checkout.go.click();
  const hash = await app.propose();
  await expect(checkout.id('safe-signed-text')).toHaveText('1 of 2 signatures');
  await expect(checkout.id('safe-deadline')).toBeVisible();
  await expect(checkout.id('safe-chain')).toHaveText('Arbitrum One (sandbox)');
  await app.expectAccessible();
  await app.photograph('safe-cross-2-waiting');
  await app.signAs(hash, 2);
  await app.execute(hash);
  await checkout.expectPaid();
  await expect(checkout.id('payer')).toHaveText(demo.sandbox.safe.address);
  const told = await webhook(demo, made.token, 'payment.confirmed');
  expect(String(told.body['payerAddress']).toLowerCase()).toBe(demo.sandbox.safe.address.toLowerCase());
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(dollars(10));
});

test('waits through a reload, and in other browsers', async ({ page, demo, browser }) => {
  const made = await order(demo, '10.00');
  const app = new SafeApp(page, demo);
  let checkout = await app.open(made.securePaymentUrl);
  await checkout.press('Propose to your Safe');
  const hash = await app.propose();
  await expect(checkout.id('safe-signed-text')).toHaveText('1 of 2 signatures');

  // Somebody else with the link is told, and cannot pay a second time.
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const other = new Checkout(await context.newPage());
  await other.open(made.securePaymentUrl);
  await other.expectState('seen');
  await expect(other.id('progress-title')).toHaveText(/^(Waiting for signatures|A payment from a Safe is waiting)$/);
  await other.expectNothingToSign();
  await expectAccessibleInBothSchemes(other.page);
  await photograph(other.page, 'safe-other-browser');

  await page.reload();
  checkout = await app.checkout();
  await expect(checkout.id('progress-title')).toHaveText('Waiting for signatures');
  await expect(checkout.id('safe-signed-text')).toHaveText('1 of 2 signatures');
  await app.signAs(hash, 2);
  await expect(checkout.id('safe-signed-text')).toHaveText('2 of 2 signatures');
  await app.execute(hash);
  await checkout.expectPaid();
  await other.expectPaid();
  await context.close();
});
