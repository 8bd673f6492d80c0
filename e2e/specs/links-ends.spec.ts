// Links that can no longer be paid, or never could: called off by their payers, by their
// shop, used, guessed at. And the picture of a link's code.
import { Shop, createLink, secpaid, standing, transferred } from '../fixtures/link.ts';
import { expectAccessibleInBothSchemes, photograph } from '../fixtures/page.ts';
import { readCode } from '../fixtures/scan.ts';
import { expect, test } from '../fixtures/test.ts';
import { LinkPage } from '../pages/link.ts';

test.use({ viewport: { width: 375, height: 812 } });

test('is asked before a payment is called off, and is taken back to the shop', async ({ context, page, demo }) => {
  test.setTimeout(240_000);
  const shop = new Shop();
  const back = await shop.start();
  try {
    const made = await createLink(demo, 49.99, { callback_url: back });
    const link = new LinkPage(page);
    await link.open(made.url);
    const second = new LinkPage(await context.newPage());
    await second.open(`${made.url}&method=bank`);
    await expect(second.id('bank')).toBeVisible();
    await page.bringToFront();

    const question = link.id('cancel-ask');
    await link.id('cancel').click();
    await expect(question).toBeVisible();
    await expect(link.id('cancel-text')).toContainText('49.99 EUR to Harbour Coffee Roasters');
    await expectAccessibleInBothSchemes(page);
    await photograph(page, 'link-cancel-ask');
    await link.id('cancel-back').click();
    await expect(question).toBeHidden();
    await link.id('cancel').click();
    await page.keyboard.press('Escape');
    await expect(question).toBeHidden();
    await link.expectState('open');
    await link.id('cancel').click();
    await link.id('cancel-yes').click();
    await shop.expectVisit(made, 'cancel');
    await expect(page).toHaveTitle('Shop');

    // Other tabs are told, show no bank any more, and stay where they are.
    await expect(second.id('qt')).toHaveAttribute('data-state', 'canceled', { timeout: 60_000 });
    await second.expectState('canceled');
    await second.expectNoBank();
    await expect(second.id('canceled-by-payer')).toBeVisible();
    await expect(second.id('canceled-by-merchant')).toBeHidden();
    await expect(second.id('canceled-link')).toHaveAttribute('href', `${made.path}/return`);
    await expectAccessibleInBothSchemes(second.page);
    await photograph(second.page, 'link-canceled');
    expect((await second.page.reload())?.status()).toBe(403);
    await second.expectState('canceled');
    expect(shop.visits).toHaveLength(1);

    // Money that comes after that does not count, and is told.
    expect(await transferred(demo, made)).toMatchObject({ outcome: 'not_open' });
    await expect(second.id('late')).toContainText('49.99 EUR came after the end', { timeout: 60_000 });
    await second.expectState('canceled');
  } finally {
    await shop.stop();
  }
});

test('is not called off once money has come, by nobody who may not, and ends here without a shop to go to', async ({ page, demo }) => {
  test.setTimeout(240_000);
  const link = new LinkPage(page);
  const paying = await createLink(demo, 49.99);
  await link.open(paying.url);
  await link.id('cancel').click();
  await expect(link.id('cancel-ask')).toBeVisible();
  // The money comes while the question is open.
  await transferred(demo, paying, { amount: '10.00' });
  await expect(link.id('partial-text')).toHaveText('You have sent 10.00 of 49.99 EUR.', { timeout: 60_000 });
  await expect(link.id('cancel-ask')).toBeHidden();
  await expect(link.id('cancel')).toBeHidden();
  await page.goto(`${paying.path}/cancel`);
  await link.expectState('open');
  const asked = await page.request.post(`${paying.path}/cancel`, { headers: { origin: demo.baseUrl }, maxRedirects: 0 });
  expect([asked.status(), await asked.text()]).toEqual([409, expect.stringContaining('Money for it has arrived or is on its way.')]);
  expect((await standing(paying)).state).toBe('open');

  const fixed = await createLink(demo, 49.99, { cancellable: false });
  await page.goto(fixed.url);
  await expect(link.id('qt')).toHaveAttribute('data-state', 'open');
  await expect(link.id('cancel')).toBeHidden();
  const forbidden = await page.request.post(`${fixed.path}/cancel`, { headers: { origin: demo.baseUrl }, maxRedirects: 0 });
  expect(forbidden.status()).toBe(403);
  // Another site's form gets nowhere either.
  const free = await createLink(demo, 49.99);
  const foreign = await page.request.post(`${free.path}/cancel`, { headers: { origin: 'https://evil.example' }, maxRedirects: 0 });
  expect(foreign.status()).toBe(403);
  expect((await standing(free)).state).toBe('open');

  await page.goto(`${free.path}/cancel`);
  await expect(link.id('cancel-text')).toContainText('49.99 EUR to Harbour Coffee Roasters');
  await expectAccessibleInBothSchemes(page);
  await link.open(free.url);
  await link.id('cancel').click();
  await link.id('cancel-yes').click();
  await link.expectState('canceled');
  await expect(link.id('canceled-by-payer')).toBeVisible();
  await expect(link.id('canceled-link')).toBeHidden();
  await expect(link.id('cancel')).toBeHidden();
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'link-canceled-here');
});

test('links that were deleted, guessed or mistyped are alike; the shop’s own page is told of its deletion', async ({ page, demo }) => {
  test.setTimeout(240_000);
  const made = await createLink(demo, 49.99);
  const link = new LinkPage(page);
  await link.open(`${made.url}&method=bank`);
  expect(await secpaid(demo, 'deleteLink', { link_id: Number(made.id) })).toMatchObject({ ResponseCode: 1 });
  // Whoever has it open must not pay any more.
  await expect(link.id('bank')).toBeHidden({ timeout: 60_000 });
  await expect(link.id('qt')).not.toHaveAttribute('data-state', 'open');

  const of = (value: string): string => `${demo.baseUrl}/payment?link_id=${value}`;
  const other = Buffer.from('1234567890123456').toString('base64');
  const answers = [];
  for (const url of [made.url, of(other), of('x'), of(''), of(`${other}&link_id=${other}`), of('MTIz%00'), `${of(other)}&paymentId=4291f98b-d68c-4eb0-883e-6bc790a41c96`]) {
    const answer = await page.request.get(url);
    answers.push({ url, status: answer.status(), body: (await answer.text()).replace(/[0-9A-Z]{26}/, 'this request') });
    expect((await page.request.head(url)).status(), url).toBe(404);
  }
  for (const { url, status, body } of answers) expect([status, body === answers[0]!.body], url).toEqual([404, true]);
  for (const path of ['status', 'events', 'return', 'cancel']) expect((await page.request.get(`${made.path}/${path}`)).status(), path).toBe(404);
  await page.goto(made.url);
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'link-unknown');
});

test('the picture of a link’s code says where the link is', async ({ page, demo }) => {
  const made = await createLink(demo, 25, { is_qr_link: 'true' });
  for (const size of [300, 100, 1000]) {
    const url = new URL(made.picture);
    if (size !== 300) url.searchParams.set('size', String(size));
    const answer = await page.request.get(url.href);
    expect([answer.status(), answer.headers()['content-type'], answer.headers()['cache-control']]).toEqual([200, 'image/png', 'private, max-age=86400']);
    const picture = await answer.body();
    expect([picture.readUInt32BE(16), picture.readUInt32BE(20)]).toEqual([size, size]);
    expect(await readCode(page, picture)).toBe(made.url);
  }
  for (const wrong of ['99', '1001', '1e3', '0300', 'big']) expect((await page.request.get(made.picture.replace('&size=300', `&size=${wrong}`))).status(), wrong).toBe(404);
  expect((await page.request.get(made.picture.replace(/link_id=[^&]*/, 'link_id=MTIz'))).status()).toBe(404);
});
