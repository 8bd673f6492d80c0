// Several payments at once: the payer sees who gets what, approves each token,
// pays everyone in one transaction, and the merchant hears of each payment.
import { allowanceOf, balanceOf } from '../fixtures/chain.ts';
import { approve, payByHand } from '../fixtures/byhand.ts';
import { chainOf } from '../fixtures/demo.ts';
import { type Part, batchOrder } from '../fixtures/order.ts';
import { expectFits, phone } from '../fixtures/page.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhooksOf } from '../fixtures/webhooks.ts';
import { Checkout, sandboxWallet } from '../pages/checkout.ts';

const three: Part[] = [['10.00', 'USDC-base'], ['7.50', 'USDT-base'], ['2.25', 'USDC-base']];

test('two tokens, three payees, one payment, with the sandbox’s own wallet', async ({ page, demo }) => {
  const chain = chainOf(demo, 'base');
  const made = await batchOrder(demo, three, { reference: 'PAYROLL-1' });
  const checkout = new Checkout(page);
  expect((await checkout.open(made.securePaymentUrl)).status()).toBe(200);
  await expect(page).toHaveTitle('Pay 12.25 USDC and 7.50 USDT: Harbour Coffee Roasters');
  await expect(checkout.id('amounts').locator('li')).toHaveText(['12.25 USDC', '7.50 USDT']);
  await expect(checkout.id('count')).toHaveText('3 payments to 3 accounts, all in one transaction');
  await expect(checkout.id('safety-title')).toHaveText('This is a safe smart contract');
  for (const [i, payee] of made.payees.entries()) {
    await expect(checkout.item(i).locator('.item-payee')).toHaveText(payee);
    await expect(checkout.item(i).locator('.item-amount')).toHaveText(`${three[i]![0]} ${three[i]![1].split('-')[0]}`);
  }

  await checkout.wallet(sandboxWallet).click();
  await checkout.id('sandbox-confirm').click();
  await checkout.expectGo('Allow 12.25 USDC');
  expect(await checkout.steps()).toEqual(['approve', 'approve', 'pay']);
  await expect(checkout.id('safety-checks').locator('[data-outcome="passed"]')).toHaveCount(7);
  await expect(checkout.id('safety-checks').locator('[data-check="page_calldata"]')).toContainText('batch contract makes exactly the 3 payments shown');
  await checkout.go.click();
  await checkout.id('sandbox-confirm').click();
  await checkout.press('Allow 7.50 USDT');
  await checkout.id('sandbox-confirm').click();
  await checkout.press('Pay 12.25 USDC + 7.50 USDT');
  await checkout.id('sandbox-confirm').click();
  await checkout.expectUnderway();
  await checkout.expectPaid();
  await expect(checkout.id('items-progress')).toHaveText('3 of 3 paid');
  for (const i of [0, 1, 2]) await expect(checkout.item(i)).toHaveAttribute('data-state', 'paid');

  expect(await balanceOf(chain, made.payees[0]!, 'USDC')).toBe(dollars(10));
  expect(await balanceOf(chain, made.payees[1]!, 'USDT')).toBe(dollars(7.5));
  expect(await balanceOf(chain, made.payees[2]!, 'USDC')).toBe(dollars(2.25));
  for (const token of ['USDC', 'USDT']) expect(await allowanceOf(chain, demo.payer.address, chain.contracts.batchPayments, token), 'nothing stays approved').toBe(0n);
  const hash = await checkout.id('success-tx').textContent();
  await expect
    .poll(async () => (await webhooksOf(demo, made.token)).filter((w) => w.event === 'payment.confirmed').map((w) => w.body['requestId']).sort(), { timeout: 60_000 })
    .toEqual([...made.requestIds].sort());
  const told = (await webhooksOf(demo, made.token)).filter((w) => w.event === 'payment.confirmed');
  expect(new Set(told.map((w) => w.body['txHash']))).toEqual(new Set([hash]));

  expect((await page.reload())?.status()).toBe(409);
  await checkout.expectPaid(hash!);
  await expect(checkout.id('items-progress')).toHaveText('3 of 3 paid');
});

test('tokens and ether together, with a fee, and an old allowance in the way', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, privateKey, wallet } = await payerWith(context, demo, chain, { native: ether / 10n, tokens: { USDC: dollars(50), USDT: dollars(50) } });
  await approve(chain, privateKey, chain.contracts.batchPayments, 'USDT', dollars(1));
  const feeAddress = demo.payer.address;
  const made = await batchOrder(demo, [['20.00', 'USDT-base'], ['0.01', 'ETH-base'], ['5.00', 'USDC-base']], { feePercentage: '1', feeAddress });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await expect(checkout.id('in-total')).toHaveText('20.20 USDT and 0.0101 ETH and 5.05 USDC in total, with the fees');
  await checkout.connect(address);
  expect(await checkout.steps()).toEqual(['reset', 'approve', 'approve', 'pay']);
  await checkout.press('Clear the old approval of USDT');
  await checkout.press('Allow 20.20 USDT');
  await checkout.press('Allow 5.05 USDC');
  await checkout.press('Pay 3 recipients');
  await checkout.expectPaid(wallet);
  expect(wallet.sent.at(-1)).toMatchObject({ to: chain.contracts.batchPayments, value: ether / 100n + ether / 10_000n });
  expect(await balanceOf(chain, made.payees[0]!, 'USDT')).toBe(dollars(20));
  expect(await balanceOf(chain, made.payees[1]!)).toBe(ether / 100n);
  expect(await balanceOf(chain, made.payees[2]!, 'USDC')).toBe(dollars(5));
  expect(await balanceOf(chain, address, 'USDT')).toBe(dollars(50 - 20.2));
});

test('one of them is paid by itself meanwhile: the page asks for the rest only', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, privateKey, wallet } = await payerWith(context, demo, chain, { native: ether / 100n, tokens: { USDC: dollars(100), USDT: dollars(20) } });
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC', dollars(10));
  const made = await batchOrder(demo, three);
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Allow 12.25 USDC');
  const reference = (await checkout.item(0).locator('.item-reference').textContent()) as `0x${string}`;
  await payByHand({ chain, privateKey, payee: made.payees[0]!, amount: dollars(10), reference, symbol: 'USDC' });
  await expect(checkout.id('partial')).toHaveText('10.00 USDC has arrived. 7.50 USDT and 2.25 USDC are still to pay.', { useInnerText: true });
  await checkout.press('Allow 7.50 USDT');
  await checkout.press('Allow 2.25 USDC');
  await checkout.press('Pay 7.50 USDT + 2.25 USDC');
  await checkout.expectPaid(wallet);
  await expect(checkout.id('items-progress')).toHaveText('3 of 3 paid');
  expect(await balanceOf(chain, made.payees[0]!, 'USDC'), 'the first was paid once').toBe(dollars(10));
  expect(await balanceOf(chain, made.payees[2]!, 'USDC')).toBe(dollars(2.25));
});

test('too little of one of two tokens is said by its name', async ({ context, page, demo }) => {
  const { address } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 100n, tokens: { USDC: dollars(50), USDT: dollars(3) } });
  const checkout = new Checkout(page);
  await checkout.open((await batchOrder(demo, three)).securePaymentUrl);
  await checkout.connect(address);
  await expect(checkout.id('funds-balance')).toHaveText('50.00 USDC, 3.00 USDT');
  await expect(checkout.id('funds-missing')).toHaveText('You have 3.00 USDT, and this payment takes 7.50 USDT: 4.50 USDT is missing. Add it to this account or choose another one, then check again.');
  await checkout.expectNothingToSign();
});

test.describe('two hundred payments on a phone', () => {
  test.use({ viewport: phone });

  const parts = Array.from({ length: 200 }, (_, i): Part => [`0.${String(i + 1).padStart(3, '0')}`, i % 2 ? 'USDT-base' : 'USDC-base']);

  test('are listed on request, and paid at once', async ({ context, page, demo }) => {
    test.setTimeout(240_000);
    const chain = chainOf(demo, 'base');
    const { address, wallet } = await payerWith(context, demo, chain, { native: ether, tokens: { USDC: dollars(100), USDT: dollars(100) } });
    const made = await batchOrder(demo, parts);
    const checkout = new Checkout(page);
    const response = await checkout.open(made.securePaymentUrl);
    const { responseStart, responseEnd } = response.request().timing();
    expect(responseEnd - responseStart, 'ms to load the page').toBeLessThan(1_000);
    await expect(checkout.id('amounts').locator('li')).toHaveText(['10.00 USDC', '10.10 USDT']);
    await expect(checkout.item(199)).toBeHidden();
    await expectFits(page);
    await checkout.id('items-more').locator('summary').click();
    await checkout.item(199).scrollIntoViewIfNeeded();
    await expect(checkout.item(199).locator('.item-payee')).toHaveText(made.payees[199]!);
    await expectFits(page);
    await checkout.id('items-more').locator('summary').click();

    await checkout.connect(address);
    await checkout.press('Allow 10.00 USDC');
    await checkout.press('Allow 10.10 USDT');
    await checkout.expectGo('Pay 10.00 USDC + 10.10 USDT');
    await checkout.id('advanced').locator('summary').click();
    await expect(checkout.id('advanced-calls').locator('.call-row').filter({ hasText: /^Payment \d+/ })).toHaveCount(200);
    await checkout.go.click();
    await checkout.expectPaid(wallet);
    await expect(checkout.id('items-progress')).toHaveText('200 of 200 paid');
    for (const i of [0, 99, 199]) {
      const [amount, currency] = parts[i]!;
      expect(await balanceOf(chain, made.payees[i]!, currency.split('-')[0])).toBe(dollars(Number(amount)));
    }
  });
});

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false, viewport: phone });

  test('a long list can be opened and read', async ({ page, demo }) => {
    const made = await batchOrder(demo, Array.from({ length: 7 }, (): Part => ['1.00', 'USDC-base']));
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await expect(checkout.item(6)).toBeHidden();
    await checkout.id('items-more').locator('summary').click();
    await expect(checkout.item(6).locator('.item-payee')).toHaveText(made.payees[6]!);
    await expect(checkout.id('totals').locator('.total-sum')).toHaveText('7.00 USDC');
    await expectFits(page);
  });
});
