// Bank transfers for links in euros: what is typed, copied and scanned is one and the
// same, and the page tells the money's arrival, whatever euros cost.
import { createLink, readTransfer, standing, transferred } from '../fixtures/link.ts';
import { expectAccessibleInBothSchemes, expectFits, photograph } from '../fixtures/page.ts';
import { scan } from '../fixtures/scan.ts';
import { expect, test } from '../fixtures/test.ts';
import { LinkPage } from '../pages/link.ts';

test.use({ viewport: { width: 375, height: 812 } });

test('copies or scans a bank transfer, and sees it arrive', async ({ context, page, demo }) => {
  test.setTimeout(240_000);
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const made = await createLink(demo, 1234.5, { bank_statement_description: 'Invoice 1234' });
  const link = new LinkPage(page);
  await link.open(made.url);
  await expect(link.id('amount')).toHaveText('1,234.50 EUR');
  await link.chooseBank();
  await page.waitForFunction(() => document.getElementById('cancel')?.getAttribute('aria-haspopup') === 'dialog');
  const { iban, bic, holder } = demo.merchant.bank;
  const details = await link.bankDetails();
  expect(details).toEqual({ holder, iban, bic, amount: '1234.50', text: expect.stringMatching(/^Invoice 1234 RF\d\d[0-9A-Z]{12}$/) });
  await expectFits(page);
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'link-bank');
  expect(readTransfer(await scan(page, link.id('bank-qr')))).toEqual({ version: '002', ...details });
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(readTransfer(await scan(page, link.id('bank-qr')))).toEqual({ version: '002', ...details });
  await page.emulateMedia({ colorScheme: null });

  const names = { holder: 'Recipient', iban: 'IBAN', bic: 'BIC', amount: 'Amount', text: 'Text' };
  for (const [row, name] of Object.entries(names)) {
    await link.id(`bank-${row}-copy`).click();
    await expect(link.id('live')).toHaveText(`${name} copied`);
    expect(await page.evaluate(() => navigator.clipboard.readText()), name).toBe(details[row as keyof typeof details]);
  }

  // What people get wrong: the text. It is nobody's, and the page goes on waiting.
  expect(await transferred(demo, made, { text: 'for the coffee' })).toMatchObject({ counts: false });
  expect((await standing(made)).state).toBe('open');
  expect(await transferred(demo, made, { amount: '1000.00', version: 'camt.053.001.02' })).toMatchObject({ outcome: 'less', counts: true });
  await expect(link.id('bank-amount')).toHaveText('234.50', { timeout: 60_000 });
  expect(readTransfer(await scan(page, link.id('bank-qr')))).toEqual({ version: '002', ...details, amount: '234.50' });
  await expect(link.id('cancel')).toBeHidden();
  expect(await transferred(demo, made)).toMatchObject({ outcome: 'exact' });
  await expect(link.id('qt')).toHaveAttribute('data-state', 'paid', { timeout: 60_000 });
  await link.expectState('paid');
  await link.expectNoBank();
  expect((await page.reload())?.status()).toBe(409);
  await expect(link.id('used')).toBeVisible();
});

test('without a price of the euro there is still the bank', async ({ page, demo, sandbox }) => {
  test.setTimeout(300_000);
  const made = await createLink(demo, 49.99);
  const quoted = async (): Promise<number> => {
    const response = await fetch(`${(await createLink(demo, 5)).path}/quote`, { method: 'POST', headers: { accept: 'application/json' }, body: new URLSearchParams({ asset: 'ETH-base' }), signal: AbortSignal.timeout(60_000) });
    return response.status;
  };
  await Promise.all([sandbox.feeds('base', { asset: 'EUR', down: true }), sandbox.feeds('arbitrum-one', { asset: 'EUR', down: true }), sandbox.prices({ status: 503 })]);
  // What was told a moment before may still count.
  await expect.poll(quoted, { message: 'a price of the euro', timeout: 60_000 }).toBe(503);
  const link = new LinkPage(page);
  await link.open(made.url);
  await link.choose('ETH-base');
  await expect(link.id('quote-missing')).toContainText('There is no reliable price for ETH on Base (sandbox) at the moment');
  await link.expectNoQuote();
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'link-no-price');
  await link.chooseBank();
  expect(readTransfer(await scan(page, link.id('bank-qr')))).toMatchObject({ amount: '49.99', iban: demo.merchant.bank.iban });
  await transferred(demo, made);
  await expect(link.id('qt')).toHaveAttribute('data-state', 'paid', { timeout: 60_000 });
  await sandbox.reset();
  await expect.poll(quoted, { message: 'a price of the euro', timeout: 60_000 }).toBe(200);
});
