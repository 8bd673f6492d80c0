// Links that are shared: one transaction pays everybody, by the amounts of one price.
import { balanceOf, publicClient } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { Shop, createSplit, newRecipient, standing } from '../fixtures/link.ts';
import { expectAccessibleInBothSchemes, photograph, tamper } from '../fixtures/page.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Checkout } from '../pages/checkout.ts';
import { LinkPage } from '../pages/link.ts';

test.use({ viewport: { width: 375, height: 812 } });

/** Base units of an amount in whole units. */
const units = (text: string, decimals = 6): bigint => {
  const [whole = '', fraction = ''] = text.replaceAll(',', '').split('.');
  return BigInt(whole + fraction.padEnd(decimals, '0'));
};

test('lets a price end, chooses again, and pays three recipients in one transaction', async ({ context, page, demo }) => {
  test.setTimeout(300_000);
  const base = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, base, { native: ether / 100n, tokens: { USDC: dollars(100) } });
  const [first, second] = [await newRecipient(demo), await newRecipient(demo)];
  const shop = new Shop();
  const back = await shop.start();
  try {
    const made = await createSplit(demo, 30, [[first, 40], [second, 25]], { callback_url: back });
    const link = new LinkPage(page);
    await page.clock.install();
    await link.open(made.url);
    await expect(link.id('amount')).toHaveText('30.00 EUR');
    await expect(link.id('bank-choose')).toHaveCount(0);
    await expect(link.id('address')).toHaveCount(0);
    await expectAccessibleInBothSchemes(page);
    await photograph(page, 'link-split');
    const choose = async (): Promise<Checkout> => {
      await link.choice('USDC-base').click();
      await link.id('choose-go').click();
      await page.waitForURL(/\/\?token=[0-9A-Z]{26}(~|%7E)USDC-base$/);
      return new Checkout(page);
    };

    const checkout = await choose();
    await checkout.connect(address);
    await checkout.expectGo(/^Allow 32\.\d+ USDC$/);
    await expectAccessibleInBothSchemes(page);
    await photograph(page, 'link-split-pay');
    // Nobody pays for so long that the price ends.
    await page.clock.fastForward('14:00');
    await expect(checkout.id('qt')).toHaveAttribute('data-state', 'expired', { timeout: 60_000 });
    await checkout.expectNothingToSign();
    await photograph(page, 'link-split-ended');
    await checkout.id('quote-again').filter({ visible: true }).click();
    await page.waitForURL(/\/payment\?link_id=/);

    // The wallet is remembered.
    await choose();
    await expect(checkout.id('account-address')).toHaveText(address);
    const shown = await Promise.all([0, 1, 2].map(async (i) => ({
      payee: (await checkout.item(i).locator('.item-payee').textContent())!.trim() as `0x${string}`,
      amount: units(/[\d,.]+/.exec((await checkout.item(i).locator('.item-amount').textContent()) ?? '')![0]),
    })));
    expect(shown.slice(0, 2).map((s) => s.payee)).toEqual([first.wallet, second.wallet]);
    const before = await Promise.all(shown.map((s) => balanceOf(base, s.payee, 'USDC')));
    await checkout.press(/^Allow 32\.\d+ USDC$/);
    await checkout.press(/^Pay 32\.\d+ USDC$/);
    await checkout.expectPaid(wallet);
    const after = await Promise.all(shown.map((s) => balanceOf(base, s.payee, 'USDC')));
    expect(after.map((a, i) => a - before[i]!)).toEqual(shown.map((s) => s.amount));
    // 40, 25 and 35 per cent of 30 euros at one price, each rounded up to a unit of the token by itself.
    const [a, b, c] = shown.map((s) => Number(s.amount)) as [number, number, number];
    expect(Math.abs(a / 12 - b / 7.5)).toBeLessThan(1);
    expect(Math.abs(a / 12 - c / 10.5)).toBeLessThan(1);
    const paid = await publicClient(base).getTransactionReceipt({ hash: wallet.sent.at(-1)!.hash });
    expect(paid.to?.toLowerCase()).toBe(base.contracts.batchPayments.toLowerCase());
    await photograph(page, 'link-split-paid');
    expect(await standing(made)).toMatchObject({ state: 'paid', received: '30.00', missing: '0.00' });
    await checkout.id('merchant-link').click();
    await shop.expectVisit(made, 'success');
    expect((await page.goto(made.url))?.status()).toBe(409);
    await link.expectState('paid');
  } finally {
    await shop.stop();
  }
});

test('shares that were changed on the way are refused before the wallet is asked', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, base, { native: ether / 100n, tokens: { USDC: dollars(100) } });
  const made = await createSplit(demo, 30, [[{ token: demo.merchant.partner.secpaidToken, wallet: demo.merchant.partner.wallet }, 40]]);
  const told: unknown[] = [];
  page.on('request', (r) => r.url().endsWith('/telemetry') && told.push(r.postDataJSON().check));
  // The first share's amount is moved to the second: what leaves the wallet stays the same.
  const tampered = await tamper(page, /\/checkout\/[^/]+\/pay\?/, (body) => {
    for (const t of body.transactions) {
      const call = t.data as string;
      const amounts = [...call.matchAll(/0{56}[0-9a-f]{8}/g)].map((m) => m[0]).filter((w) => BigInt(`0x${w}`) > 1_000_000n && BigInt(`0x${w}`) < 100_000_000n);
      if (amounts.length >= 2) t.data = call.replace(amounts[0]!, 'A').replace(amounts[1]!, amounts[0]!).replace('A', amounts[1]!);
    }
    return body;
  });
  const link = new LinkPage(page);
  await link.open(made.url);
  await link.choice('USDC-base').click();
  await link.id('choose-go').click();
  const checkout = new Checkout(page);
  await checkout.connect();
  await checkout.expectState('unsafe');
  await checkout.expectNothingToSign();
  expect(tampered()).toBeGreaterThan(0);
  await expect.poll(() => told).toContain('page_calldata');
  expect([wallet.asked('eth_sendTransaction'), wallet.address]).toEqual([0, address]);
});
