// Links that cannot be paid (any more), and the one that runs out while it is
// being read: words for people, the right status for machines.
import { payByHand, approve } from '../fixtures/byhand.ts';
import { balanceOf } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { inSeconds, order, referenceOf } from '../fixtures/order.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Checkout } from '../pages/checkout.ts';

const tooLate = 'You are coming too late. Please contact the recipient to send you a new payment link.';

for (const [name, path] of [
  ['a token that names nothing', '/?token=01JZX7T6Q0V6WJ9N3B5H2R8C4D'],
  ['a token that is none', '/?token=%3Cscript%3Ealert(1)%3C/script%3E'],
  ['no token', '/'],
  ['an empty token', '/?token='],
  ['a token in the path', '/01JZX7T6Q0V6WJ9N3B5H2R8C4D'],
] as const) {
  test(`${name} is unknown: 404`, async ({ page, demo }) => {
    const checkout = new Checkout(page);
    expect((await checkout.open(demo.baseUrl + path)).status()).toBe(404);
    await expect(checkout.id('plain-text')).toHaveText(
      'This URL is invalid. Please check the link and try again, or contact the recipient of this payment.');
    await expect(page.locator('button, script')).toHaveCount(0);
  });
}

test('the same payment opens with its token in the path', async ({ page, demo }) => {
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  expect((await checkout.open(`${demo.baseUrl}/${made.token}`)).status()).toBe(200);
  await expect(checkout.id('payee')).toHaveText(made.payee);
});

test('runs out while it is being read: the page turns by itself, nothing can be signed, and the link stays so', async ({ page, demo, wallet }) => {
  const made = await order(demo, '10.00', 'USDC-base', { expiresAt: inSeconds(25) });
  const checkout = new Checkout(page);
  expect((await checkout.open(made.securePaymentUrl)).status()).toBe(200);
  await expect(checkout.id('time-left')).toHaveText(/^0:[0-2]\d left$/);
  await checkout.connect(wallet.address);
  await checkout.expectGo('Approve 10.00 USDC');
  await checkout.expectState('expired');
  await expect(checkout.id('ending-expired')).toContainText(tooLate);
  await expect(checkout.id('ending-canceled')).toBeHidden();
  await expect(checkout.id('live')).toHaveText('This payment link has expired.');
  await checkout.expectNothingToSign();
  await page.evaluate(() => document.getElementById('go')?.click());
  expect(wallet.asked('eth_sendTransaction')).toBe(0);

  // The page knows the end to the second, and turns up to one before the server.
  await expect(async () => expect((await page.reload())?.status()).toBe(403)).toPass();
  await expect(checkout.id('over')).toContainText(tooLate);
  await checkout.expectNothingToSign();
});

test('runs out while the wallet asks: what is confirmed just then still counts', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 10n });
  const made = await order(demo, '0.01', 'ETH-base', { expiresAt: inSeconds(25) });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  wallet.hold();
  await checkout.press('Pay 0.01 ETH');
  const question = await wallet.question('eth_sendTransaction');
  await expect(checkout.id('qt')).toHaveAttribute('data-state', 'expired');
  question.approve();
  await checkout.expectPaid(wallet);
  expect(await balanceOf(chain, made.payee)).toBe(ether / 100n);
});

test('expired, and paid all the same within the time that blocks are given: the open page says so', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { privateKey } = await payerWith(context, demo, chain);
  const made = await order(demo, '10.00', 'USDC-base', { expiresAt: inSeconds(20) });
  const reference = await referenceOf(demo, made.token);
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.expectState('expired');
  const hash = await payByHand({ chain, privateKey, payee: made.payee, amount: dollars(10), reference, symbol: 'USDC' });
  await checkout.expectPaid(hash);
});

test('paid by somebody else: the open page says so and asks for nothing more', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, privateKey, wallet } = await payerWith(context, demo, chain);
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC');
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Pay 10.00 USDC');
  const hash = await payByHand({ chain, privateKey, payee: made.payee, amount: dollars(10), reference: await referenceOf(demo, made.token), symbol: 'USDC' });
  await checkout.expectPaid(hash);
  await checkout.expectNothingToSign();
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
  expect((await page.reload())?.status()).toBe(409);
  await expect(checkout.id('success-title')).toHaveText('This payment has already been made.');
  await expect(checkout.id('success-text')).toHaveText(
    'If that is not the case, please check the link and try again, or contact the recipient of this payment.');
  await expect(checkout.id('payer')).toHaveText(address);
});
