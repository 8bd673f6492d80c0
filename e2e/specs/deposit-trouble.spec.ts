// Prices that nobody can rely on, servers out of reach, no script at all: said
// clearly, and whatever still works does. The prices are everybody's, so each test
// that lies about them has a demo of its own.
import { depositOrder, readPaymentUri, send, untilPriced } from '../fixtures/deposit.ts';
import { chainOf } from '../fixtures/demo.ts';
import { expectAccessibleInBothSchemes, photograph } from '../fixtures/page.ts';
import { ether, payerWith } from '../fixtures/payer.ts';
import { type Feeds, type Prices, Sandbox } from '../fixtures/sandbox.ts';
import { expect, test } from '../fixtures/test.ts';
import { Deposit } from '../pages/deposit.ts';

/** Of ether only, and on its chain only: everything else keeps its price. */
const troubles: { name: string; feeds?: Feeds; }[] = [
  { name: 'is of yesterday', feeds: { asset: 'ETH', stale: '24h' } },
  { name: 'is silent', feeds: { asset: 'ETH', down: true } },
  { name: 'has jumped away from the other source', feeds: { asset: 'ETH', jump: 30 } },
];

test('a price that nobody can rely on is none; another asset still has one, and it comes back', async ({ page, ownDemo: demo }) => {
  test.setTimeout(240_000);
  const sandbox = new Sandbox(demo);
  for (const { name, feeds } of troubles) {
    await test.step(name, async () => {
      const made = await depositOrder(demo, 25);
      const deposit = new Deposit(page);
      await deposit.open(made.url);
      await sandbox.feeds('arbitrum-one', feeds);
      await untilPriced(demo, 'ETH-arbitrum-one', false);
      await deposit.choose('USDC-arbitrum-one');
      await deposit.tryAgain();
      await deposit.expectQuote('USDC on Arbitrum One (sandbox)');
      await deposit.choose('ETH-arbitrum-one');
      await expect(deposit.id('quote-missing')).toBeVisible();
      await expect(deposit.id('quote-missing')).toContainText('There is no reliable price for ETH on Arbitrum One (sandbox) at the moment');
      await deposit.expectNoQuote();
      if (feeds?.down) {
        await expectAccessibleInBothSchemes(page);
        await photograph(page, 'deposit-no-price');
      }
      await sandbox.feeds('arbitrum-one', { asset: 'ETH' });
      await untilPriced(demo, 'ETH-arbitrum-one', true);
      await deposit.tryAgain();
      await deposit.expectQuote('ETH on Arbitrum One (sandbox)');
      await expect(deposit.id('quote-missing')).toBeHidden();
    });
  }
});

test('without any price nothing is quoted, what comes is kept, and it counts once there is one', async ({ page, ownDemo: demo }) => {
  test.setTimeout(240_000);
  const sandbox = new Sandbox(demo);
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.expectQuote('ETH on Base (sandbox)');
  const down: Prices = { status: 503 };
  await Promise.all([sandbox.prices(down), sandbox.feeds('base', { down: true }), sandbox.feeds('arbitrum-one', { down: true })]);
  await untilPriced(demo, 'USDC-base', false);
  await deposit.choose('USDC-base');
  await expect(deposit.id('quote-missing')).toBeVisible();
  // Nobody has a quote of this one.
  await send(demo, made.address, 10_000_000n, 'USDT');
  await expect(deposit.id('unpriced-what')).toHaveText('10 USDT');
  await expect(deposit.transfer(0)).toContainText('no price yet');
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'deposit-unpriced');
  await Promise.all([sandbox.prices(), sandbox.feeds('base'), sandbox.feeds('arbitrum-one')]);
  await expect(deposit.transfer(0)).toContainText(/counts as (9\.99|10\.00) USD/, { timeout: 60_000 });
  await expect(deposit.id('unpriced')).toBeHidden();
});

test('a server out of reach: what is shown still holds, a new price is not made up', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.expectQuote('ETH on Base (sandbox)');
  await page.route(/\/payment\/[^/]+\/(quote|status)/, (route) => route.abort());
  await deposit.choose('USDC-base');
  await expect(deposit.id('news-title')).toHaveText('No price could be asked for');
  await deposit.expectNoQuote();
  await page.unroute(/\/payment\/[^/]+\/(quote|status)/);
  await deposit.id('refresh-go').click();
  await deposit.expectQuote('USDC on Base (sandbox)');
  await expect(deposit.id('news')).toBeHidden();
});

test('a stream that is held back: the page polls', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  await page.route(/\/events/, (route) => route.abort());
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await send(demo, made.address, made.units);
  await deposit.expectState('paid');
});

test('a wallet with too little says so before it is asked', async ({ context, page, demo }) => {
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 1000n });
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.expectQuote('ETH on Base (sandbox)');
  await deposit.connect(address);
  await expect(deposit.id('funds-missing')).toContainText('is missing');
  await expect(deposit.go).toBeDisabled();
  await photograph(page, 'deposit-funds');
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
});

test('too many prices were asked for: said, and what was sent is safe', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await page.route(/\/quote$/, (route) => route.fulfill({ status: 429, json: { statusCode: 429, message: 'Too many prices.', error: 'Too Many Requests', code: 'too_many_quotes' } }));
  await deposit.choose('USDT-base');
  await expect(deposit.id('quote-limited')).toBeVisible();
  await deposit.expectNoQuote();
});

test.describe('without script', () => {
  test.use({ javaScriptEnabled: false });

  test('chooses, sees amount, address and code, sends, and sees what became of it', async ({ page, demo }) => {
    const made = await depositOrder(demo, 25);
    await page.goto(made.url);
    const deposit = new Deposit(page);
    await expect(deposit.id('send-title')).toHaveText('Send ETH on Base (sandbox)');
    await expect(deposit.id('qr').locator('svg')).toBeVisible();
    await deposit.id('choose-more').locator('summary').click();
    await deposit.choice('USDC-base').click();
    await deposit.id('choose-go').click();
    await page.waitForURL(/asset=USDC-base/);
    const quote = await deposit.expectQuote('USDC on Base (sandbox)');
    await expect(deposit.id('amount-copy')).toBeHidden();
    await expect(deposit.id('wallet')).toBeHidden();
    await expect(deposit.id('quote-left')).toHaveText(/^\d\d:\d\d UTC$/);
    await photograph(page, 'deposit-no-script');
    await deposit.id('refresh-go').click();
    await deposit.expectQuote('USDC on Base (sandbox)');
    const { units, to } = readPaymentUri(quote.uri);
    await send(demo, to, units / 2n, 'USDC');
    await expect(async () => {
      await page.reload();
      await expect(deposit.id('partial-text')).toHaveText(/You have sent 12\.(49|50) of 25\.00 USD\./, { timeout: 500 });
    }).toPass();
    const rest = await deposit.expectQuote('USDC on Base (sandbox)');
    await send(demo, to, readPaymentUri(rest.uri).units, 'USDC');
    await expect(async () => {
      await page.goto(made.url);
      await expect(deposit.id('qt')).toHaveAttribute('data-state', 'paid', { timeout: 500 });
    }).toPass();
    await expect(deposit.id('transfers').locator('[data-transfer]')).toHaveCount(2);
  });
});
