// A deposit's page alive, as people, screen readers and cameras get it: pictures of
// every state are left in out/screens/ to be looked at.
import { depositOrder, readPaymentUri, send } from '../fixtures/deposit.ts';
import { chainOf } from '../fixtures/demo.ts';
import { desktop, expectAccessibleInBothSchemes, phone, photograph } from '../fixtures/page.ts';
import { ether, payerWith } from '../fixtures/payer.ts';
import { scan } from '../fixtures/scan.ts';
import { expect, test } from '../fixtures/test.ts';
import { Deposit } from '../pages/deposit.ts';

for (const colorScheme of ['light', 'dark'] as const) {
  test(`cameras read the codes on a phone and on a desk, ${colorScheme}`, async ({ page, demo }) => {
    await page.emulateMedia({ colorScheme });
    const made = await depositOrder(demo, 25);
    const deposit = new Deposit(page);
    await page.setViewportSize(phone);
    await deposit.open(made.url);
    // As the server drew it, then as the script did.
    const first = await deposit.expectQuote('ETH on Base (sandbox)');
    expect(await scan(page, deposit.id('qr'))).toBe(first.uri);
    await deposit.choose('USDT-arbitrum-one');
    const second = await deposit.expectQuote('USDT on Arbitrum One (sandbox)');
    expect(second.uri).not.toBe(first.uri);
    expect(await scan(page, deposit.id('qr'))).toBe(second.uri);
    await page.setViewportSize(desktop);
    expect(await scan(page, deposit.id('qr'))).toBe(second.uri);
    await deposit.id('address-scan').locator('summary').click();
    expect(await scan(page, deposit.id('address-qr'))).toBe(second.address);
  });
}

test('choosing, paying, partly paid, confirming and paid keep nobody out', async ({ context, page, demo }) => {
  test.setTimeout(240_000);
  const { address } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
  const made = await depositOrder(demo, 25, { redirectUrl: `${demo.baseUrl}/sandbox/webhooks` });
  const deposit = new Deposit(page);
  const look = async (name: string): Promise<void> => {
    await expectAccessibleInBothSchemes(page);
    await photograph(page, `deposit-${name}`);
  };
  await deposit.open(made.url);
  await deposit.expectQuote('ETH on Base (sandbox)');
  await look('quote');
  await deposit.id('choose-more').locator('summary').click();
  await look('choose');
  await deposit.choice('USDC-base').click();
  const { uri } = await deposit.expectQuote('USDC on Base (sandbox)');
  await deposit.connect(address);
  await look('wallet');
  await send(demo, made.address, readPaymentUri(uri).units / 2n, 'USDC');
  await expect(deposit.id('partial')).toBeVisible();
  await look('partial');
  const rest = await deposit.expectQuote('USDC on Base (sandbox)');
  await send(demo, made.address, readPaymentUri(rest.uri).units, 'USDC');
  await deposit.expectState('paid');
  await deposit.id('stay').click();
  await look('paid');
});
