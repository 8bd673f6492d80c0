// Paying without gas: by a payer who has the money and not a single native coin.
import { allowanceOf, balanceOf } from '../fixtures/chain.ts';
import { chainOf, startDemo } from '../fixtures/demo.ts';
import { accountOf, approveWithLastCoins } from '../fixtures/gasless.ts';
import { order } from '../fixtures/order.ts';
import { expectAccessibleInBothSchemes, photograph } from '../fixtures/page.ts';
import { dollars, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';
import { Gasless } from '../pages/gasless.ts';

test('pays USDC by permit, with nothing but USDC', async ({ context, page, demo }) => {
  test.setTimeout(240_000); // most of it goes into pictures
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base, { tokens: { USDC: dollars(25) } });
  const account = await accountOf(base, payer.address);
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  expect(await balanceOf(base, payer.address)).toBe(0n);

  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await gas.expectWays('op_permit', 'op_permit', 'plain');
  await checkout.expectGo('Pay 10.00 USDC without gas');
  await expect(gas.id('gasless-account')).toHaveAttribute('title', account);
  await expect(gas.id('gasless-may')).toHaveText('exactly 10.00 USDC');
  await expect(checkout.id('funds-gas')).toHaveText('none: paid by the sandbox');
  await expect(checkout.id('funds-missing')).toHaveText('');
  expect(await gas.stepLine()).toBe('permit:active pay:todo');
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'gasless-1-offered');

  payer.wallet.hold();
  await checkout.go.click();
  const permit = await payer.wallet.question('eth_signTypedData_v4');
  const typed = JSON.parse((permit.params as string[])[1]!);
  expect(typed.primaryType).toBe('Permit');
  expect(typed.message).toMatchObject({ spender: expect.stringMatching(new RegExp(account, 'i')), value: String(dollars(10)) });
  await expect(checkout.go).toHaveText('Sign in your wallet (1 of 2)…');
  expect(await gas.stepLine()).toBe('permit:signing pay:todo');
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'gasless-2-permit');
  permit.approve();
  const op = await payer.wallet.question('personal_sign');
  await expect(checkout.go).toHaveText('Sign in your wallet (2 of 2)…');
  await gas.expectChecked();
  await photograph(page, 'gasless-3-operation');
  op.approve();
  payer.wallet.release();

  await checkout.expectPaid();
  await expect(checkout.id('payer')).toHaveText(account);
  await expect(checkout.id('payer-gasless')).toBeVisible();
  await expect(checkout.id('success-gas')).toContainText('0 ETH');
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'gasless-5-paid');

  // The wallet has sent nothing and paid nothing but the amount.
  expect(payer.wallet.sent).toEqual([]);
  expect(await balanceOf(base, payer.address)).toBe(0n);
  expect(await balanceOf(base, account)).toBe(0n);
  expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(15));
  expect(await balanceOf(base, account, 'USDC')).toBe(0n);
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
  expect(await allowanceOf(base, payer.address, account, 'USDC')).toBe(0n);
  const told = await webhook(demo, made.token, 'payment.confirmed');
  expect(String(told.body['payerAddress']).toLowerCase()).toBe(account.toLowerCase());
  expect(String(told.body['payerEoaAddress']).toLowerCase()).toBe(payer.address.toLowerCase());
});

test('pays USDT, which was approved before', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  // What the approval costs, and then not a coin more.
  const payer = await payerWith(context, demo, base, { native: 10n ** 15n, tokens: { USDT: dollars(25) } });
  const account = await accountOf(base, payer.address);
  await approveWithLastCoins(base, payer.privateKey, 'USDT', account, dollars(10));
  expect(await balanceOf(base, payer.address)).toBe(0n);
  const made = await order(demo, '10.00', 'USDT-base');
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await gas.expectWays('op_approved', 'op_approved', 'plain');
  await expect(gas.id('gasless-may')).toHaveText('10.00 USDT, as you allowed before');
  expect(await gas.stepLine()).toBe('pay:active');
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'gasless-approved');
  await checkout.press('Pay 10.00 USDT without gas');
  await checkout.expectPaid();
  expect(payer.wallet.asked('eth_signTypedData_v4')).toBe(0);
  expect(await balanceOf(base, payer.address)).toBe(0n);
  expect(await balanceOf(base, payer.address, 'USDT')).toBe(dollars(15));
  expect(await balanceOf(base, made.payee, 'USDT')).toBe(dollars(10));
  expect(await allowanceOf(base, payer.address, account, 'USDT')).toBe(0n);
});

test('pays with a Safe as the smart account, twice', async ({ context, page }, info) => {
  test.setTimeout(300_000);
  const demo = await startDemo(`safe-${info.testId}`, ['--account', 'safe-4337-0.3.0']);
  try {
    const base = chainOf(demo, 'base');
    const payer = await payerWith(context, demo, base, { tokens: { USDC: dollars(25) } });
    const checkout = new Checkout(page);
    const gas = new Gasless(checkout);
    for (const [n, left] of [[0, 15], [1, 5]] as const) {
      const made = await order(demo, '10.00');
      await checkout.open(made.securePaymentUrl);
      if (n === 0) await checkout.connect(payer.address);
      await gas.expectWays('op_permit', 'op_permit', 'plain');
      payer.wallet.hold();
      await checkout.press('Pay 10.00 USDC without gas');
      (await payer.wallet.question('eth_signTypedData_v4')).approve();
      await expect(checkout.go).toHaveText('Sign in your wallet (2 of 2)…');
      // A Safe's owner signs the operation as typed data, too.
      const signs = await payer.wallet.question('eth_signTypedData_v4');
      expect(JSON.parse((signs.params as string[])[1]!).primaryType).toBe('SafeOp');
      await gas.expectChecked();
      signs.approve();
      payer.wallet.release();
      await checkout.expectPaid();
      await expect(checkout.id('payer-gasless')).toBeVisible();
      expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
      expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(left));
    }
    expect(await balanceOf(base, payer.address)).toBe(0n);
    expect(payer.wallet.sent).toEqual([]);
  } finally {
    await demo.stop();
  }
});
