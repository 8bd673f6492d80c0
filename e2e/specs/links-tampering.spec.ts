// A server, or a network on the way, that lies about where euros are to go: the page
// refuses by itself, shows no account any more, and the merchant's server is told.
import type { Page } from '@playwright/test';
import { type Link, createLink } from '../fixtures/link.ts';
import { expectAccessibleInBothSchemes, photograph, tamper } from '../fixtures/page.ts';
import { expect, test } from '../fixtures/test.ts';
import { LinkPage } from '../pages/link.ts';

test.use({ viewport: { width: 375, height: 812 } });

/** An account of somebody else, with check digits that fit. */
const thief = 'GB82WEST12345698765432';

/** Changes the page itself on its way to the browser. */
async function rewrite(page: Page, change: (html: string) => string): Promise<void> {
  await page.route(/\/payment\?link_id=/, async (route) => {
    const response = await route.fetch();
    const html = await response.text();
    const changed = change(html);
    expect(changed).not.toBe(html);
    await route.fulfill({ response, body: changed });
  });
}

const shownIban = (html: string, iban: string): string => html.replace(/(<span id="bank-iban"[^>]*>).*?(<\/span>\s*<button)/s, `$1${iban}</span>$2`);

const lies: { name: string; field: string; page?: (html: string) => string; status?: (s: any) => unknown }[] = [
  { name: 'another account where people read', field: 'displayed iban', page: (html) => shownIban(html, thief) },
  { name: 'another account, but for the code', field: 'displayed code', page: (html) => shownIban(html, thief).replaceAll('"iban":"DE89370400440532013000"', `"iban":"${thief}"`) },
  { name: 'an account whose check digits do not fit', field: 'IBAN', page: (html) => html.replaceAll('"iban":"DE89370400440532013000"', '"iban":"DE88370400440532013000"') },
  { name: 'ten times the amount', field: 'amount', page: (html) => html.replaceAll('"amount":"49.99","text"', '"amount":"499.90","text"') },
  { name: 'another text', field: 'reference', page: (html) => html.replaceAll(/("reference":"RF)(\d\d)/g, (_, before: string, digits: string) => before + String((Number(digits) % 97) + 1).padStart(2, '0')) },
  { name: 'another account later', field: 'iban', status: (s) => ({ ...s, bank: { ...s.bank, iban: thief, qr: '' } }) },
  { name: 'another amount later', field: 'amount', status: (s) => ({ ...s, bank: { ...s.bank, amount: '9.99' } }) },
  { name: 'a code of something else later', field: 'code', status: (s) => ({ ...s, missing: '49.98', bank: { ...s.bank, amount: '49.98' } }) },
];

test('bank details that do not fit together are refused', async ({ context, demo }) => {
  test.setTimeout(300_000);
  const made: Link = await createLink(demo, 49.99);
  for (const { name, field, page: change, status } of lies) {
    await test.step(name, async () => {
      const page = await context.newPage();
      const told: unknown[][] = [];
      page.on('request', (r) => r.url().endsWith('/telemetry') && told.push([r.postDataJSON().event, r.postDataJSON().check]));
      // The page polls, as it does where streams are held back.
      await page.route(/\/events/, (route) => route.abort());
      if (change) await rewrite(page, change);
      // Nothing else is heard of where the page itself lies.
      await tamper(page, /\/link\/\d+\/status/, status ?? (() => ({})));
      await page.goto(`${made.url}&method=bank`);
      const link = new LinkPage(page);
      await link.expectState('unsafe');
      await expect(link.id('unsafe-check')).toContainText('Bank details checked again in your browser: ');
      await expect(link.id('unsafe-check')).toContainText(field);
      await expect(link.id('unsafe-check')).not.toContainText(thief);
      await link.expectNoBank();
      expect(Object.values(await link.bankDetails())).toEqual(['', '', '', '', '']);
      await expect(link.id('bank-qr').locator('svg')).toHaveCount(0);
      await expect(link.id('cancel-ask')).toBeHidden();
      await expect.poll(() => told, { message: 'what the server is told' }).toContainEqual(['unsafe_refused', 'page_bank']);
      if (name === 'another account later') {
        await expectAccessibleInBothSchemes(page);
        await photograph(page, 'link-unsafe');
      }
      await page.close();
    });
  }
});

test('the account of a link is one for ever, and an amount of coins is worth what is missing', async ({ page, demo }) => {
  const made = await createLink(demo, 49.99);
  const link = new LinkPage(page);
  await link.open(`${made.url}&method=bank`);
  await expect(link.id('bank-iban')).toHaveText(demo.merchant.bank.iban);
  await page.evaluate(() => {
    for (const [key, value] of Object.entries(sessionStorage)) if (String(value).startsWith('DE')) sessionStorage.setItem(key, 'FR1420041010050500013M02606');
  });
  await page.reload();
  await link.expectState('unsafe');
  await expect(link.id('unsafe-check')).toContainText('IBAN (expected FR14…2606, found DE89…3000)');

  const other = await createLink(demo, 25);
  const tampered = await tamper(page, /\/link\/\d+\/quote$/, ({ quote: q, ...body }) => {
    const units = `${q.units}0`;
    return { ...body, quote: { ...q, uri: q.uri.replace(q.units, units), units, amount: String(Number(q.amount) * 10) } };
  });
  await link.open(other.url);
  await link.choose('USDC-base');
  await link.expectState('unsafe');
  await expect(link.id('unsafe-check')).toContainText('amount (expected an amount worth 25.00');
  await link.expectNoQuote();
  expect(tampered()).toBe(1);
});
