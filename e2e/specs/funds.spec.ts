// A payer who does not hold enough is told what is missing and how much, and
// can go on once it has come.
import { approve } from '../fixtures/byhand.ts';
import { freshPayer, fund } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { order } from '../fixtures/order.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Wallet } from '../fixtures/wallet.ts';
import { Checkout } from '../pages/checkout.ts';
import { Gasless } from '../pages/gasless.ts';

test('too few tokens: how many are missing, and on with it once they have come', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 100n, tokens: { USDC: dollars(7.25) } });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await expect(checkout.id('funds-balance')).toHaveText('7.25 USDC');
  await expect(checkout.id('funds-missing')).toHaveText(
    'You have 7.25 USDC, and this payment takes 10.00 USDC: 2.75 USDC is missing. Add it to this account or choose another one, then check again.');
  await checkout.expectNothingToSign();
  // What is known of the contract is not taken back by an empty purse.
  await expect(checkout.id('safety')).toHaveAttribute('data-outcome', 'passed');

  await checkout.id('funds-refresh').click();
  await expect(checkout.id('funds-missing')).toContainText('2.75 USDC is missing');
  await fund(demo, chain, address, { tokens: { USDC: dollars(2.75) } });
  await checkout.id('funds-refresh').click();
  await expect(checkout.id('funds-missing')).toBeEmpty();
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
});

test('none at all, with a fee on top', async ({ context, page, demo }) => {
  const { address } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 100n });
  const made = await order(demo, '10.00', 'USDC-base', { feePercentage: '1', feeAddress: demo.payer.address });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await expect(checkout.id('funds-missing')).toContainText('You have 0.00 USDC, and this payment takes 10.10 USDC: 10.10 USDC is missing.');
  await checkout.expectNothingToSign();
});

test('no ether for the network fee', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address } = await payerWith(context, demo, chain, { tokens: { USDC: dollars(50) } });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  // Somebody would pay for gas here: that is gone without by choice.
  await new Gasless(checkout).pick('plain');
  await expect(checkout.id('funds-missing')).toHaveText(
    /^You need about 0\.\d+ ETH more on Base \(sandbox\) for the network fee\. Add some ETH to this account, then check again\.$/);
  await checkout.expectNothingToSign();
  await fund(demo, chain, address, { native: ether / 100n });
  await checkout.id('funds-refresh').click();
  await checkout.expectGo('Approve 10.00 USDC');
});

test('ether for the payment but not for the fee as well', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 100n });
  const made = await order(demo, '0.01', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await expect(checkout.id('funds-missing')).toHaveText(/for the network fee/);
  await checkout.expectNothingToSign();
  await fund(demo, chain, address, { native: ether / 100n });
  await checkout.id('funds-refresh').click();
  await checkout.press('Pay 0.01 ETH');
  await checkout.expectPaid(wallet);
});

test('spent elsewhere after the page had looked: the wallet does not lose anything', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, privateKey, wallet } = await payerWith(context, demo, chain);
  // Enough allowance, so that paying is the only step.
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC', dollars(10));
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Pay 10.00 USDC');
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC', 0n);
  await checkout.go.click();
  await checkout.expectNotice('Your wallet reported a problem', 'error');
  expect(wallet.sent).toEqual([]);
  // What is to be done now is the chain's to say.
  await checkout.retry.click();
  await checkout.expectGo('Approve 10.00 USDC');
});

test('another account of the same wallet has enough', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const poor = await freshPayer(demo, chain, { native: ether / 100n });
  const wallet = await Wallet.install(context, { privateKeys: [poor.privateKey, demo.payer.privateKey], chains: demo.chains });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(poor.address);
  await expect(checkout.id('funds-missing')).toContainText('10.00 USDC is missing');
  await wallet.useAccount(demo.payer.address);
  await expect(checkout.id('account-address')).toHaveText(demo.payer.address);
  await checkout.expectGo('Approve 10.00 USDC');
});
