// Each entry of the table of ways that concerns smart accounts, what the payer picks
// in it, how much the account may take, reloads, and paying from another chain.
import { allowanceOf, balanceOf } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { Gateways, accountOf } from '../fixtures/gasless.ts';
import { batchOrder, order } from '../fixtures/order.ts';
import { expectAccessibleInBothSchemes, photograph } from '../fixtures/page.ts';
import { dollars, ether, payerAcross, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Checkout } from '../pages/checkout.ts';
import { Gasless } from '../pages/gasless.ts';
import { Ways, usdcFromArbitrum } from '../pages/ways.ts';

test('whoever has coins pays as ever, and finds the other way beside', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base);
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await gas.expectWays('plain', 'op_permit', 'plain');
  await expect(checkout.id('gasless-plan')).toBeHidden();
  expect(await checkout.steps()).toEqual(['approve', 'pay']);
  // What was picked is picked after a reload, too.
  await gas.pick('op_permit');
  await checkout.expectGo('Pay 10.00 USDC without gas');
  await page.reload();
  await gas.expectWays('op_permit', 'op_permit', 'plain');
  await gas.pick('plain');
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(payer.wallet);
  await expect(checkout.id('payer-gasless')).toBeHidden();
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
});

test('a token without permits: one approval with gas, and then free', async ({ context, page, demo }) => {
  test.setTimeout(240_000);
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base, { native: ether / 100n, tokens: { USDT: dollars(25) } });
  const account = await accountOf(base, payer.address);
  const made = await order(demo, '10.00', 'USDT-base');
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await gas.expectWays('plain', 'op_approval', 'plain');
  await expect(gas.id('gasless-ways')).toContainText('USDT asks for an approval once, and that costs a network fee.');
  await gas.pick('op_approval');
  await checkout.expectGo('Approve 10.00 USDT for your smart account');
  expect(await gas.stepLine()).toBe('allow:active pay:todo');
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'gasless-approval');
  await checkout.go.click();
  await checkout.press('Pay 10.00 USDT without gas');
  await checkout.expectPaid();
  // One transaction of the wallet's own: the approval, of exactly what was needed.
  expect(payer.wallet.sent).toHaveLength(1);
  expect(payer.wallet.asked('eth_signTypedData_v4')).toBe(0);
  expect(await balanceOf(base, made.payee, 'USDT')).toBe(dollars(10));
  expect(await allowanceOf(base, payer.address, account, 'USDT')).toBe(0n);
});

test('more is allowed only by the payer\'s own choice, used the next time, and taken back', async ({ context, page, demo }) => {
  test.setTimeout(240_000);
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base, { native: ether / 100n, tokens: { USDC: dollars(60) } });
  const account = await accountOf(base, payer.address);
  const first = await order(demo, '10.00');
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(first.securePaymentUrl);
  await checkout.connect(payer.address);
  await gas.pick('op_permit');
  await gas.id('gasless-cap').locator('summary').click();
  await gas.id('gasless-cap-larger').check();
  await gas.id('gasless-cap-amount').fill('5');
  await gas.id('gasless-cap-amount').blur();
  await expect(gas.id('gasless-cap-error')).toHaveText('It must be at least 10.00 USDC, or this payment cannot be made.');
  await expect(gas.id('gasless-may')).toHaveText('exactly 10.00 USDC');
  await expectAccessibleInBothSchemes(page);
  await gas.id('gasless-cap-amount').fill('40');
  await gas.id('gasless-cap-amount').blur();
  await expect(gas.id('gasless-may')).toHaveText('at most 40.00 USDC');
  await photograph(page, 'gasless-cap');
  await checkout.press('Pay 10.00 USDC without gas');
  await checkout.expectPaid();
  expect(await allowanceOf(base, payer.address, account, 'USDC')).toBe(dollars(30));
  await expect(gas.id('success-revoke-title')).toHaveText('Your smart account may still take 30.00 USDC');
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'gasless-left');

  // The next payment needs one signature, and no more is allowed by it.
  const second = await order(demo, '12.00');
  await checkout.open(second.securePaymentUrl);
  // The page finds the wallet again by itself.
  await expect(checkout.id('account-address')).toHaveText(payer.address);
  await gas.expectWays('plain', 'op_approved', 'plain');
  await gas.pick('op_approved');
  await checkout.press('Pay 12.00 USDC without gas');
  await checkout.expectPaid();
  expect(payer.wallet.asked('eth_signTypedData_v4')).toBe(1);
  expect(payer.wallet.sent).toEqual([]);

  await expect(gas.id('success-revoke-title')).toHaveText('Your smart account may still take 18.00 USDC');
  payer.wallet.rejectNext('eth_sendTransaction');
  await gas.id('success-revoke-go').click();
  await expect(gas.id('success-revoke-text')).toHaveText('You declined in your wallet. Nothing has changed.');
  await gas.id('success-revoke-go').click();
  await expect(gas.id('success-revoke-text')).toHaveText('Taken back. Your smart account may take nothing any more.');
  await expectAccessibleInBothSchemes(page);
  expect(await allowanceOf(base, payer.address, account, 'USDC')).toBe(0n);
});

test('what is allowed can be taken back before paying', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base, { native: ether / 100n, tokens: { USDT: dollars(25) } });
  const account = await accountOf(base, payer.address);
  const made = await order(demo, '10.00', 'USDT-base');
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await gas.pick('op_approval');
  await checkout.press('Approve 10.00 USDT for your smart account');
  await checkout.expectGo('Pay 10.00 USDT without gas');
  expect(await allowanceOf(base, payer.address, account, 'USDT')).toBe(dollars(10));
  await expect(gas.id('gasless-revoke-title')).toHaveText('Your smart account may still take 10.00 USDT');
  await photograph(page, 'gasless-revoke');
  await gas.id('gasless-revoke-go').click();
  await expect(gas.id('gasless-revoke-text')).toHaveText('Taken back. Your smart account may take nothing any more.');
  await checkout.expectGo('Approve 10.00 USDT for your smart account');
  expect(await allowanceOf(base, payer.address, account, 'USDT')).toBe(0n);
});

test('a reload while the wallet asks loses nothing and pays once', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base, { tokens: { USDC: dollars(25) } });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  for (const method of ['eth_signTypedData_v4', 'personal_sign']) {
    await checkout.expectGo('Pay 10.00 USDC without gas');
    payer.wallet.hold();
    await checkout.go.click();
    if (method === 'personal_sign') (await payer.wallet.question('eth_signTypedData_v4')).approve();
    const question = await payer.wallet.question(method);
    await page.reload();
    question.approve();
    payer.wallet.release();
    // What was signed for a page that is gone is good for nothing.
    await checkout.expectState('open');
  }
  await checkout.press('Pay 10.00 USDC without gas');
  await checkout.expectPaid();
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
  expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(15));
});

test('an operation that waits is waited for: after a reload, and by everybody else', async ({ context, page, demo, browser }) => {
  test.setTimeout(240_000);
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base, { native: ether / 100n, tokens: { USDC: dollars(25) } });
  const account = await accountOf(base, payer.address);
  const made = await order(demo, '10.00');
  const gateways = new Gateways(demo);
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await gas.pick('op_permit');
  await gateways.behave('base', { hold: true });
  try {
    const handed = page.waitForRequest((r) => r.url().includes('/bundler?') && (r.postData() ?? '').includes('eth_sendUserOperation'));
    await checkout.press('Pay 10.00 USDC without gas');
    const request = await handed;
    await checkout.expectState('seen');
    await expect(checkout.id('progress-title')).toHaveText('Your payment without gas is on its way');
    await expect(gas.id('op-account')).toHaveAttribute('title', new RegExp(account, 'i'));
    await expect(gas.id('op-until')).toBeVisible();
    await expect(gas.id('op-gas')).toHaveText('0 ETH');
    await checkout.expectNothingToSign();
    await expectAccessibleInBothSchemes(page);
    await photograph(page, 'gasless-4-waiting');

    const elsewhere = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const other = new Checkout(await elsewhere.newPage());
    await other.open(made.securePaymentUrl);
    await other.expectState('seen');
    await expect(other.id('progress-title')).toHaveText('A payment without gas is on its way');
    await other.expectNothingToSign();
    await expectAccessibleInBothSchemes(other.page);
    await photograph(other.page, 'gasless-other-browser');

    await page.reload();
    await checkout.expectState('seen');
    await expect(checkout.id('progress-title')).toHaveText('Your payment without gas is on its way');

    await gateways.behave('base');
    // Somebody hands it in again; it is one payment still.
    const status = await page.evaluate(
      async ([url, body]) => (await fetch(url!, { method: 'POST', headers: { 'content-type': 'application/json' }, body: body! })).status,
      [request.url(), request.postData() ?? ''],
    );
    expect(status).toBe(200);
    await checkout.expectPaid();
    await other.expectPaid();
    await elsewhere.close();
  } finally {
    await gateways.reset();
  }
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
  expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(15));
});

test('pays from another chain without a coin on either', async ({ context, page, demo, sandbox }) => {
  test.setTimeout(240_000);
  await sandbox.bridge({ delay: '4s' });
  const [base, arbitrum] = [chainOf(demo, 'base'), chainOf(demo, 'arbitrum-one')];
  const payer = await payerAcross(context, demo, { 'arbitrum-one': { tokens: { USDC: dollars(25) } } });
  const account = await accountOf(arbitrum, payer.address);
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await new Ways(checkout).expectChosen(usdcFromArbitrum);
  await gas.expectWays('op_permit', 'op_permit', 'plain');
  await checkout.expectGo(/^Pay 10\.\d+ USDC without gas$/);
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'gasless-cross-1-chosen');
  await checkout.go.click();
  await checkout.expectUnderway();
  await checkout.expectPaid();
  await photograph(page, 'gasless-cross-2-paid');
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
  expect(await balanceOf(arbitrum, payer.address)).toBe(0n);
  expect(await balanceOf(arbitrum, account, 'USDC')).toBe(0n);
  expect(await allowanceOf(arbitrum, payer.address, account, 'USDC')).toBe(0n);
  expect(payer.wallet.sent).toEqual([]);
});

test('pays several recipients at once without a coin', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base, { tokens: { USDC: dollars(25) } });
  const made = await batchOrder(demo, [['3.00', 'USDC-base'], ['4.00', 'USDC-base']]);
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await gas.expectWays('op_permit', 'op_permit', 'plain');
  await checkout.press('Pay 7.00 USDC without gas');
  await checkout.expectPaid();
  expect(await balanceOf(base, made.payees[0]!, 'USDC')).toBe(dollars(3));
  expect(await balanceOf(base, made.payees[1]!, 'USDC')).toBe(dollars(4));
  expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(18));
  expect(payer.wallet.sent).toEqual([]);
});

test('nothing is offered for coins themselves', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base);
  const made = await order(demo, '0.001', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await checkout.expectGo('Pay 0.001 ETH');
  await expect(checkout.id('gasless')).toBeHidden();
  await expect(checkout.id('gasless-plan')).toBeHidden();
});
