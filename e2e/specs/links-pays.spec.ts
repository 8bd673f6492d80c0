// Payers of links in euros, on a phone: with the wallet in the page, from elsewhere on
// another chain, the rest by bank, and without script.
import { balanceOf } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { readPaymentUri, send } from '../fixtures/deposit.ts';
import { Shop, createLink, standing, transferred } from '../fixtures/link.ts';
import { expectAccessibleInBothSchemes, expectFits, photograph } from '../fixtures/page.ts';
import { ether, payerWith } from '../fixtures/payer.ts';
import { scan } from '../fixtures/scan.ts';
import { expect, test } from '../fixtures/test.ts';
import { LinkPage } from '../pages/link.ts';

test.use({ viewport: { width: 375, height: 812 } });

/** A shop for one test. */
const shop = test.extend<{ shop: Shop; back: string }>({
  shop: async ({}, use) => {
    const made = new Shop();
    await use(made);
    await made.stop();
  },
  back: async ({ shop: made }, use) => use(await made.start()),
});

shop('chooses coins, pays with the wallet in the page, and is taken back to the shop', async ({ context, page, demo, shop, back }) => {
  test.setTimeout(240_000);
  const base = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, base, { native: ether / 10n });
  const made = await createLink(demo, 25, { callback_url: back });
  const link = new LinkPage(page);
  expect((await link.open(made.url)).status()).toBe(200);
  await expect(link.id('amount')).toHaveText('25.00 EUR');
  await expect(link.id('order-note')).toHaveText('Invoice #1234');
  await expect(page).toHaveTitle('Pay 25.00 EUR to Harbour Coffee Roasters');
  await link.expectNoQuote();
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'link-choose');

  await link.choose('ETH-base');
  const quote = await link.expectQuote('ETH on Base (sandbox)');
  expect([...new URL(page.url()).searchParams]).toEqual([['link_id', Buffer.from(made.id).toString('base64')], ['asset', 'ETH-base']]);
  await expect(link.id('send-worth')).toHaveText(/^25\.00 EUR at 34\d\d\.\d+ EUR for 1 ETH$/);
  expect(await scan(page, link.id('qr'))).toBe(quote.uri);
  await expectFits(page);
  await page.reload();
  expect(await link.expectQuote('ETH on Base (sandbox)')).toEqual(quote);
  await link.connect(address);
  await link.expectGo(`Pay ${quote.amount} ETH`);
  await photograph(page, 'link-quote');

  // The way back takes as long as it takes to look at what is said before.
  let leave = (): void => undefined;
  const looked = new Promise<void>((resolve) => (leave = resolve));
  await page.route(/\/link\/\d+\/return$/, (route) => looked.then(() => route.continue()));
  const leaving = expect(link.id('return-text')).toHaveText(/Taking you back in [0-5] s\./, { timeout: 45_000 });
  await link.go.click();
  await leaving;
  await link.expectState('paid');
  await expect(link.id('cancel')).toBeHidden();
  await expect(link.transfer(0)).toContainText('counts as 25.00 EUR');
  leave();
  await shop.expectVisit(made, 'success');
  await expect(page).toHaveTitle('Shop');
  expect(wallet.asked('eth_sendTransaction')).toBe(1);
  expect(await balanceOf(base, quote.address as `0x${string}`)).toBe(readPaymentUri(quote.uri).units);

  // Who comes back is told that the link is used, and stays.
  expect((await page.goto(made.url))?.status()).toBe(409);
  await link.expectState('paid');
  await expect(link.id('used')).toHaveText('This link is paid and cannot be paid again.');
  await expect(link.id('return')).toBeHidden();
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'link-used');
  expect(shop.visits).toHaveLength(1);
});

test('sends a part on another chain from elsewhere, and pays the rest by bank while the page is open', async ({ page, demo }) => {
  test.setTimeout(240_000);
  const made = await createLink(demo, 49.99, { bank_statement_description: 'Harbour Coffee' });
  const link = new LinkPage(page);
  await link.open(made.url);
  await link.choose('USDC-arbitrum-one');
  const quote = await link.expectQuote('USDC on Arbitrum One (sandbox)');
  const { to, units, chainId } = readPaymentUri(quote.uri);
  expect(chainId).toBe(chainOf(demo, 'arbitrum-one').chainId);
  // A second tab has the bank's details open meanwhile.
  const second = new LinkPage(await page.context().newPage());
  await second.open(made.url);
  await second.chooseBank();
  await expect(second.id('bank-amount')).toHaveText('49.99');
  await second.page.waitForFunction(() => document.getElementById('cancel')?.getAttribute('aria-haspopup') === 'dialog');

  await send(demo, to, units / 2n, 'USDC', chainOf(demo, 'arbitrum-one'));
  await expect(link.id('partial-text')).toHaveText(/^You have sent (24\.99|25\.00) of 49\.99 EUR\.$/, { timeout: 60_000 });
  await expect(link.id('partial-more')).toHaveText(/^Send 2[67]\.\d+ USDC more\.$/);
  await expect(link.id('cancel')).toBeHidden();
  await expect(second.id('bank-amount')).toHaveText(/^(24\.99|25\.00)$/, { timeout: 60_000 });
  const { bank, missing } = await standing(made);
  await expect(second.id('bank-amount')).toHaveText(bank.amount);
  expect(bank.amount).toBe(missing);
  expect(await scan(second.page, second.id('bank-qr'))).toContain(`\nEUR${bank.amount}\n\n\n${bank.text}`);
  await photograph(second.page, 'link-bank-rest');
  await second.page.close();

  await link.chooseBank();
  await expect(link.id('bank-amount')).toHaveText(bank.amount);
  await photograph(page, 'link-partial');
  expect(await transferred(demo, made)).toMatchObject({ outcome: 'exact', counts: true });
  await expect(link.id('qt')).toHaveAttribute('data-state', 'paid', { timeout: 60_000 });
  await link.expectState('paid');
  await link.expectNoBank();
  await expect(link.id('transfers').locator('[data-transfer]')).toHaveCount(2);
  await expect(link.transfer(1)).toContainText(`${bank.amount} EUR`);
  await expect(link.transfer(1)).toContainText('Bank transfer');
  // The shop has named no place to go to: this is the end.
  await expect(link.id('merchant-link')).toBeHidden();
  await expect(link.id('return')).toBeHidden();
  await expect(link.id('surplus')).toBeHidden();
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'link-paid');
});

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false });

  shop('chooses, sends, and is led back to the shop by a button', async ({ page, demo, shop, back }) => {
    test.setTimeout(240_000);
    const made = await createLink(demo, 25, { callback_url: back });
    const link = new LinkPage(page);
    await page.goto(made.url);
    await expect(link.id('bank-choose')).toBeVisible();
    await link.choice('USDC-base').click();
    await link.id('choose-go').click();
    await page.waitForURL(/[?&]asset=USDC-base/);
    const quote = await link.expectQuote('USDC on Base (sandbox)');
    await expect(link.id('amount-copy')).toBeHidden();
    await photograph(page, 'link-no-script');
    await send(demo, readPaymentUri(quote.uri).to, readPaymentUri(quote.uri).units, 'USDC');
    await expect(async () => {
      await page.goto(made.url);
      await expect(link.id('qt')).toHaveAttribute('data-state', 'paid', { timeout: 500 });
    }).toPass({ timeout: 45_000 });
    await link.id('merchant-link').click();
    await shop.expectVisit(made, 'success');
  });

  shop('reads the bank’s details, then calls it off after all', async ({ page, demo, shop, back }) => {
    const made = await createLink(demo, 49.99, { callback_url: back });
    const link = new LinkPage(page);
    await page.goto(made.url);
    await link.id('bank-choose').click();
    await expect(link.id('bank')).toBeVisible();
    const { bank } = await standing(made);
    expect(await link.bankDetails()).toEqual({ holder: bank.holder, iban: bank.iban, bic: bank.bic, amount: '49.99', text: bank.text });
    expect(await scan(page, link.id('bank-qr'))).toContain(bank.iban);
    await expect(link.id('bank-iban-copy')).toBeHidden();
    await expect(link.id('cancel-ask')).toBeHidden();
    await photograph(page, 'link-bank-no-script');
    await link.id('cancel').click();
    await expect(link.id('cancel-text')).toContainText('49.99 EUR to Harbour Coffee Roasters');
    await photograph(page, 'link-cancel');
    await link.id('cancel-no').click();
    await expect(link.id('choose')).toBeVisible();
    await link.id('cancel').click();
    await link.id('cancel-yes').click();
    await shop.expectVisit(made, 'cancel');
    await expect(page).toHaveTitle('Shop');
  });
});
