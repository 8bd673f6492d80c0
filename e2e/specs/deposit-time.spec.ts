// What time does to payments in dollars: prices that run out, money that comes too
// late, reloads and second tabs in between.
import { depositOrder, getDeposit, readPaymentUri, send, untilTooLate } from '../fixtures/deposit.ts';
import { chainOf, startDemo } from '../fixtures/demo.ts';
import { expectAccessibleInBothSchemes, photograph } from '../fixtures/page.ts';
import { ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Deposit } from '../pages/deposit.ts';

// Short enough to wait for, and long enough to open a page in on a busy machine.
const life = 20_000;
const shortLife = ['--deposit-life', `${life}ms`];

test('comes too late, and is told where the money is', async ({ page }, info) => {
  test.setTimeout(240_000);
  const demo = await startDemo(`late-${info.testId}`, shortLife);
  try {
    const made = await depositOrder(demo, 25);
    const deposit = new Deposit(page);
    await deposit.open(made.url);
    await deposit.expectQuote('ETH on Base (sandbox)');
    await deposit.runsOut(life, 'expired');
    await deposit.expectNoQuote();
    await expect(deposit.id('ending-expired')).toBeVisible();
    await untilTooLate(made, chainOf(demo, 'base'));
    await send(demo, made.address, made.units);
    await expect(deposit.id('late')).toContainText('25.00 USD came after the end and does not count any more.', { timeout: 60_000 });
    await expect(deposit.transfer(0)).toContainText('25.00 USD, too late');
    await deposit.expectState('expired');
    await expectAccessibleInBothSchemes(page);
    await photograph(page, 'deposit-late');
    expect((await getDeposit(demo, made.id)).status).toBe('expired');
    await page.reload();
    await expect(deposit.id('late')).toContainText('25.00 USD');
  } finally {
    await demo.stop();
  }
});

test('sends too little and runs out of time', async ({ page }, info) => {
  test.setTimeout(240_000);
  const demo = await startDemo(`short-${info.testId}`, shortLife);
  try {
    const made = await depositOrder(demo, 25);
    const deposit = new Deposit(page);
    await deposit.open(made.url);
    await send(demo, made.address, made.units / 5n + 1n);
    await expect(deposit.id('partial-text')).toHaveText('You have sent 5.00 of 25.00 USD.');
    await deposit.runsOut(life, 'failed');
    await expect(deposit.id('ending-failed')).toContainText('5.00 of 25.00 USD arrived before the time ran out');
    await deposit.expectNoQuote();
    await photograph(page, 'deposit-failed');
    expect((await getDeposit(demo, made.id)).status).toBe('failed');
  } finally {
    await demo.stop();
  }
});

test('comes back after the price has run out: one click gets a new one', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await page.clock.install();
  await deposit.open(made.url);
  await deposit.expectQuote('ETH on Base (sandbox)');
  // The tab is in the background meanwhile, as on a phone whose owner is in another app.
  await page.evaluate(() => Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true }));
  await page.clock.fastForward('11:00');
  await expect(deposit.id('quote-lapsed')).toBeVisible();
  await deposit.expectNoQuote();
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'deposit-lapsed');
  await page.evaluate(() => Object.defineProperty(document, 'visibilityState', { value: 'visible', configurable: true }));
  // Nothing is asked for by itself: somebody may be sending the old amount just now.
  await page.clock.runFor(3_000);
  await expect(deposit.id('quote-lapsed')).toBeVisible();
  await deposit.id('refresh-go').click();
  const { uri } = await deposit.expectQuote('ETH on Base (sandbox)');
  await expect(deposit.id('quote-lapsed')).toBeHidden();
  await send(demo, made.address, readPaymentUri(uri).units);
  await deposit.expectState('paid');
});

test('watches the price run out: a new one comes by itself, and a changed amount is said', async ({ page, ownDemo, guard }) => {
  expect(guard.found()).toEqual([]);
  const made = await depositOrder(ownDemo, 25);
  const deposit = new Deposit(page);
  await page.clock.install();
  // The page's clock runs ahead in this test: the server's word on the time would set it right.
  await page.route(/\/(events|status)/, (route) => route.abort());
  await deposit.open(made.url);
  const { amount } = await deposit.expectQuote('ETH on Base (sandbox)');
  // The market moves by less than what sources may differ by.
  await Promise.all(
    ['base', 'arbitrum-one'].map((n) => fetch(`${ownDemo.sandbox.feedsUrl}/${n}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jump: 1 }) })),
  );
  // A quote younger than a quarter of a minute is given out again: only the page's clock runs ahead.
  await new Promise((resolve) => setTimeout(resolve, 15_500));
  // The page gives a question twenty seconds of this clock: it must not run on once it has asked.
  await page.clock.runFor('08:00');
  for (let second = 0; second < 240 && (await deposit.id('quote').isVisible()); second++) await page.clock.runFor(1_000);
  await expect(deposit.id('news')).toBeVisible();
  const renewed = await deposit.expectQuote('ETH on Base (sandbox)');
  expect(renewed.amount).not.toBe(amount);
  await expect(deposit.id('news-title')).toHaveText(`The price was renewed: send exactly ${renewed.amount} ETH`);
  await photograph(page, 'deposit-renewed');
  await page.unroute(/\/(events|status)/);
  await page.reload();
  await deposit.awake();
  await send(ownDemo, made.address, readPaymentUri(renewed.uri).units);
  await deposit.expectState('paid');
});

test('asks for a new price by hand while the old one holds', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.expectQuote('ETH on Base (sandbox)');
  const asked = page.waitForResponse((r) => r.url().endsWith('/quote'));
  await deposit.id('refresh-go').click();
  expect((await asked).status()).toBe(200);
  await deposit.expectQuote('ETH on Base (sandbox)');
});

test('reloads while the wallet has sent it and the network has not shown it', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, base, { native: ether / 10n });
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  const { amount } = await deposit.expectQuote('ETH on Base (sandbox)');
  await deposit.connect(address);
  wallet.stuckNext();
  await deposit.press(`Pay ${amount} ETH`);
  await deposit.expectState('seen');
  await expect(deposit.id('arrived-text')).toContainText('Do not pay again');
  await deposit.expectNoQuote();
  await page.reload();
  await deposit.expectState('seen');
  await deposit.expectNoQuote();
  await photograph(page, 'deposit-sent');
  const second = new Deposit(await context.newPage());
  await second.open(made.url);
  await second.expectState('seen');
  await wallet.speedUp();
  await deposit.expectState('paid');
  await second.expectState('paid');
  expect(wallet.asked('eth_sendTransaction')).toBe(1);
});

test('has two tabs open: one wallet question at a time, and both follow', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, base, { native: ether / 10n });
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  const { amount } = await deposit.expectQuote('ETH on Base (sandbox)');
  await deposit.connect(address);
  const second = new Deposit(await context.newPage());
  await second.open(made.url);
  await second.connect(address);
  await second.expectGo(`Pay ${amount} ETH`);
  await page.bringToFront();
  wallet.hold();
  await deposit.press(`Pay ${amount} ETH`);
  const question = await wallet.question('eth_sendTransaction');
  await expect(second.noticeTitle).toHaveText('You are paying in another tab');
  await expect(second.go).toBeDisabled();
  question.reject();
  await expect(deposit.noticeTitle).toHaveText('You declined in your wallet. Nothing was paid.');
  await second.expectGo(`Pay ${amount} ETH`);
  wallet.release();
  await deposit.retry.click();
  await deposit.press(`Pay ${amount} ETH`).catch(() => undefined);
  await deposit.expectState('paid');
  await second.expectState('paid');
});

test('reloads at every step', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.choose('USDC-base');
  const before = await deposit.expectQuote('USDC on Base (sandbox)');
  await page.reload();
  await deposit.awake();
  expect(await deposit.expectQuote('USDC on Base (sandbox)')).toEqual(before);
  await send(demo, made.address, readPaymentUri(before.uri).units, 'USDC');
  await deposit.expectState('paid');
  await page.reload();
  await deposit.expectState('paid');
  await page.goto(`${demo.baseUrl}/storybook`);
  await page.goBack();
  await deposit.expectState('paid');
});
