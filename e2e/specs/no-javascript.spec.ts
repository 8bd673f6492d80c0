// A browser that runs no script: everything can be read and compared, nothing
// is promised that cannot be done, and a refresh tells how it went.
import { approve, payByHand } from '../fixtures/byhand.ts';
import { chainOf } from '../fixtures/demo.ts';
import { order, referenceOf } from '../fixtures/order.ts';
import { expectFits, phone } from '../fixtures/page.ts';
import { dollars, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Checkout } from '../pages/checkout.ts';

test.use({ javaScriptEnabled: false, viewport: phone });

test('shows the whole payment, and why it cannot be paid from here', async ({ page, demo }) => {
  const made = await order(demo, '10.00', 'USDC-base', {
    reference: 'ORDER-9', feePercentage: '1', feeAddress: demo.payer.address, redirectUrl: 'https://shop.example/orders/9', redirectLabel: 'Back',
  });
  const checkout = new Checkout(page);
  expect((await checkout.open(made.securePaymentUrl)).status()).toBe(200);
  const shown = {
    'payee-name': 'Harbour Coffee Roasters', 'amount': '10.00 USDC', 'network': 'Base (sandbox)', 'payee': made.payee, 'order-note': 'ORDER-9',
    'reference': await referenceOf(demo, made.token), 'fee': '0.10 USDC', 'total': '10.10 USDC',
    'safety-title': 'This is a safe smart contract',
    'safety-text': 'The smart contract you are interacting with is an official Request Network smart contract, it is audited and valid.',
  };
  for (const [id, text] of Object.entries(shown)) {
    await expect(checkout.id(id)).toBeVisible();
    await expect(checkout.id(id)).toHaveText(text);
  }
  await expect(checkout.id('expires-at')).toBeVisible();
  await expect(checkout.id('expires-at')).toHaveText(/UTC/);
  await expect(checkout.id('noscript')).toBeVisible();
  await expect(checkout.id('noscript')).toContainText('Turn on JavaScript for this site');
  // Nothing that only a script could make work is offered.
  await expect(page.locator('button').filter({ visible: true })).toHaveCount(0);
  await expectFits(page);
});

test('tells after a refresh that the payment is on its way, then that it is made', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { privateKey } = await payerWith(context, demo, chain);
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC');
  const made = await order(demo, '10.00', 'USDC-base', { redirectUrl: 'https://shop.example/orders/9' });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  const hash = await payByHand({ chain, privateKey, payee: made.payee, amount: dollars(10), reference: await referenceOf(demo, made.token), symbol: 'USDC' });
  let answer = 0;
  await expect(async () => {
    answer = (await page.reload())!.status();
    await expect(checkout.id('qt')).toHaveAttribute('data-state', 'paid', { timeout: 500 });
  }).toPass({ timeout: 60_000, intervals: [300] });
  expect(answer).toBe(409);
  await expect(checkout.id('success-tx')).toHaveText(hash);
  await expect(checkout.id('merchant-link')).toHaveText('Go Back and Close');
  await expect(checkout.id('merchant-link')).toHaveAttribute('href', 'https://shop.example/orders/9');
});

test('a page that is waiting for confirmations refreshes itself', async ({ page, demo }) => {
  const response = await page.goto(`${demo.baseUrl}/storybook/seen`);
  expect(await response?.text()).toContain('<noscript><meta http-equiv="refresh" content="5"');
});
