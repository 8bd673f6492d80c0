// Less, more and twice: what arrives is what counts, and both sides are told.
import { approve, payByHand } from '../fixtures/byhand.ts';
import { balanceOf } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { freshAddress, order, referenceOf } from '../fixtures/order.ts';
import { dollars, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook, webhooksOf } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';

test('a part arrives: the open page asks for the rest by itself, and is paid with it', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, privateKey, wallet } = await payerWith(context, demo, chain);
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC', dollars(4));
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Approve 10.00 USDC');
  await payByHand({ chain, privateKey, payee: made.payee, amount: dollars(4), reference: await referenceOf(demo, made.token), symbol: 'USDC' });

  await expect(checkout.id('partial')).toHaveText('4.00 of 10.00 USDC has arrived. 6.00 USDC is still to pay.', { useInnerText: true });
  await expect(checkout.id('amount')).toHaveText('6.00 USDC');
  await checkout.press('Approve 6.00 USDC');
  await checkout.press('Pay 6.00 USDC');
  await checkout.expectPaid(wallet);
  expect(await balanceOf(chain, made.payee, 'USDC')).toBe(dollars(10));
  expect((await webhook(demo, made.token, 'payment.partial')).body).toMatchObject({ amount: '4', totalAmountPaid: '4', expectedAmount: '10' });
  expect((await webhook(demo, made.token, 'payment.confirmed')).body).toMatchObject({ amount: '6', totalAmountPaid: '10', expectedAmount: '10' });
});

test('a part arrives while an approval for all of it waits: the rest is paid, not all', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const other = await payerWith(context, demo, chain, undefined, { announce: false });
  await approve(chain, other.privateKey, chain.contracts.erc20FeeProxy, 'USDC');
  const made = await order(demo, '10.00');
  const reference = await referenceOf(demo, made.token);
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Approve 10.00 USDC');
  await checkout.expectGo('Pay 10.00 USDC');
  await payByHand({ chain, privateKey: other.privateKey, payee: made.payee, amount: dollars(4), reference, symbol: 'USDC' });
  await checkout.press('Pay 6.00 USDC');
  await checkout.expectPaid(wallet);
  expect(await balanceOf(chain, made.payee, 'USDC')).toBe(dollars(10));
});

test('a part with all of the fee arrives: the rest has no fee again', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, privateKey, wallet } = await payerWith(context, demo, chain);
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC', dollars(4.1));
  const feeAddress = freshAddress();
  const made = await order(demo, '10.00', 'USDC-base', { feePercentage: '1', feeAddress });
  await payByHand({
    chain, privateKey, payee: made.payee, amount: dollars(4), reference: await referenceOf(demo, made.token), symbol: 'USDC',
    fee: { amount: dollars(0.1), payee: feeAddress },
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  // A page opened before the part is seen reloads for it, and a click in that moment is lost.
  await expect(checkout.id('amount')).toHaveText('6.00 USDC');
  await checkout.connect(address);
  await checkout.press('Approve 6.00 USDC');
  await checkout.press('Pay 6.00 USDC');
  await checkout.expectPaid(wallet);
  expect(await balanceOf(chain, made.payee, 'USDC')).toBe(dollars(10));
  expect(await balanceOf(chain, feeAddress, 'USDC')).toBe(dollars(0.1));
});

test('too much arrives at once, and then once more', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { privateKey } = await payerWith(context, demo, chain);
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC');
  const made = await order(demo, '10.00');
  const reference = await referenceOf(demo, made.token);
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  const hash = await payByHand({ chain, privateKey, payee: made.payee, amount: dollars(12), reference, symbol: 'USDC' });
  await checkout.expectPaid(hash);
  await expect(checkout.id('success-text')).toContainText('2.00 USDC more than asked for has arrived.');
  expect((await webhook(demo, made.token, 'payment.confirmed')).body).toMatchObject({ amount: '12', totalAmountPaid: '12', expectedAmount: '10', excessAmount: '2' });

  await payByHand({ chain, privateKey, payee: made.payee, amount: dollars(1), reference, symbol: 'USDC' });
  expect((await webhook(demo, made.token, 'payment.overpaid')).body).toMatchObject({ amount: '1', totalAmountPaid: '13', excessAmount: '3' });
  await page.reload();
  await expect(checkout.id('surplus')).toContainText('3.00 USDC more than asked for has arrived.');
  expect((await webhooksOf(demo, made.token)).filter((w) => w.event === 'payment.confirmed').length, 'confirmed once').toBe(1);
});

test('money with the right reference in another asset does not pay', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, privateKey } = await payerWith(context, demo, chain, { native: 10n ** 16n, tokens: { USDC: dollars(20), USDT: dollars(20) } });
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDT');
  const made = await order(demo, '10.00');
  const reference = await referenceOf(demo, made.token);
  await payByHand({ chain, privateKey, payee: made.payee, amount: dollars(10), reference, symbol: 'USDT' });
  // A second order, paid after it, proves that the first payment has been looked at.
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC');
  const later = await order(demo, '1.00');
  await payByHand({ chain, privateKey, payee: later.payee, amount: dollars(1), reference: await referenceOf(demo, later.token), symbol: 'USDC' });
  await webhook(demo, later.token, 'payment.confirmed');
  const checkout = new Checkout(page);
  expect((await checkout.open(made.securePaymentUrl)).status()).toBe(200);
  await checkout.connect(address);
  await checkout.expectGo('Pay 10.00 USDC');
  expect((await webhooksOf(demo, made.token)).filter((w) => w.event.startsWith('payment.'))).toEqual([]);
});
