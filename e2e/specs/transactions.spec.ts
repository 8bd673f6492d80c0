// Transactions that do not end as they began: refused by the chain, forgotten,
// cancelled or sent again with a higher fee in the wallet.
import { balanceOf } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { order } from '../fixtures/order.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Checkout } from '../pages/checkout.ts';

// Enough to begin with, too little to end with.
const tooLittleGas = 40_000n;

test('an approval that the chain refuses is done again', async ({ context, page, demo }) => {
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'));
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  wallet.gasLimitNext(25_000n);
  await checkout.press('Approve 10.00 USDC');
  await checkout.expectNotice('The approval did not go through', 'error');
  await checkout.expectStep('approve', 'failed');
  await checkout.retry.click();
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
});

test('a payment that the chain refuses costs only its fee, and is done again', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Approve 10.00 USDC');
  await checkout.expectGo('Pay 10.00 USDC');
  wallet.gasLimitNext(tooLittleGas);
  await checkout.go.click();
  await checkout.expectNotice('The payment did not go through', 'error');
  await expect(checkout.id('notice-text')).toContainText('Nothing was paid, only a network fee was spent.');
  await checkout.expectState('open');
  await checkout.expectStep('pay', 'failed');
  expect(await balanceOf(chain, address, 'USDC')).toBe(dollars(100));
  await checkout.retry.click();
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  expect(await balanceOf(chain, made.payee, 'USDC')).toBe(dollars(10));
});

test('a payment that no node ever knew is given up only after long', async ({ context, page, demo }) => {
  await page.clock.install();
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
  const made = await order(demo, '0.05', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Pay 0.05 ETH');
  wallet.dropNext();
  await checkout.go.click();
  await checkout.expectState('seen');
  await checkout.expectNothingToSign();
  await page.clock.fastForward(120_000);
  await checkout.expectState('seen');
  await page.clock.fastForward(65_000);
  await checkout.expectNotice('The network does not know the transaction any more', 'warn');
  await checkout.retry.click();
  await checkout.press('Pay 0.05 ETH');
  await checkout.expectPaid(wallet);
});

test('a payment that is cancelled in the wallet can be made again', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 10n });
  const made = await order(demo, '0.05', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Pay 0.05 ETH');
  wallet.stuckNext();
  await checkout.go.click();
  await checkout.expectState('seen');
  await wallet.lookedUp();
  await wallet.cancelLast();
  await checkout.expectNotice('The transaction was replaced in your wallet', 'warn');
  await checkout.retry.click();
  await checkout.press('Pay 0.05 ETH');
  await checkout.expectPaid(wallet);
  expect(await balanceOf(chain, made.payee)).toBe(ether / 20n);
});

test('a payment that is sped up in the wallet is followed under its new hash', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 10n });
  const made = await order(demo, '0.05', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Pay 0.05 ETH');
  wallet.stuckNext();
  await checkout.go.click();
  await checkout.expectState('seen');
  await wallet.lookedUp();
  const hash = await wallet.speedUp();
  await checkout.expectPaid(hash);
  expect(await balanceOf(chain, made.payee)).toBe(ether / 20n);
});
