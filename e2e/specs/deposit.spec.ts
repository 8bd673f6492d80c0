// Payers who owe dollars and send coins or tokens to an address that was made for
// this payment alone: from another wallet, from an exchange, from a wallet in the page.
import { cancelDeposit, depositOrder, getDeposit, readPaymentUri, send } from '../fixtures/deposit.ts';
import { balanceOf, tokenOf } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { sandboxWallet } from '../pages/checkout.ts';
import { Deposit } from '../pages/deposit.ts';

test('sends the exact amount from a wallet outside of the page, and is taken back to the shop', async ({ page, demo }) => {
  const back = `${demo.baseUrl}/sandbox/webhooks?shop=1`;
  const made = await depositOrder(demo, 25, { redirectUrl: back, customMetadata: '{"cartId":"abc 123","promo":"SUMMER&24","items":[1]}' });
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  const quote = await deposit.expectQuote('ETH on Base (sandbox)');
  expect(quote.address.toLowerCase()).toBe(made.address.toLowerCase());
  const asked = readPaymentUri(quote.uri);
  expect(asked).toEqual({ chainId: chainOf(demo, 'base').chainId, to: quote.address, units: 6_680_830_000_000_000n });
  expect(made.units).toBe(6_680_823_708_011_624n); // people are asked for what exchanges let them type
  expect(quote.amount).toBe('0.00668083');
  await expect(deposit.id('send-worth')).toHaveText('25.00 USD at 3742.053539 USD for 1 ETH');
  await expect(deposit.id('quote-left')).toHaveText(/^(9:\d\d|10:00)$/);

  // The way back takes as long as it takes to look at what is said before.
  let leave = (): void => undefined;
  const looked = new Promise<void>((resolve) => (leave = resolve));
  await page.route(/\/sandbox\/webhooks\?shop=1&/, (route) => looked.then(() => route.continue()));
  const leaving = expect(deposit.id('return-text')).toHaveText(/Taking you back in [0-5] s\./, { timeout: 60_000 });
  await send(demo, asked.to, asked.units);
  await leaving;
  await expect(deposit.transfer(0)).toContainText('0.00668083 ETH');
  await expect(deposit.transfer(0)).toContainText('counts as 25.00 USD');
  await deposit.expectState('paid');
  await expect(deposit.transfer(0)).toContainText('Confirmed');
  await expect(deposit.id('surplus')).toBeHidden();
  await expect(deposit.id('merchant-link')).toHaveAttribute('href', /paymentId=/);
  leave();
  await page.waitForURL(/\/sandbox\/webhooks/);
  const there = new URL(page.url()).searchParams;
  expect(Object.fromEntries(there)).toEqual({ shop: '1', paymentId: made.id, status: 'completed', cartId: 'abc 123', promo: 'SUMMER&24' });

  // Who comes back is not sent away again.
  await page.goto(made.url);
  await deposit.expectState('paid');
  await expect(deposit.id('merchant-link')).toBeVisible();
  await expect(deposit.id('return')).toBeHidden();
  expect((await getDeposit(demo, made.id)).receipt?.settledAmountUsd).toBe('25.00');
});

test('stays on the receipt', async ({ page, demo }) => {
  const made = await depositOrder(demo, 5, { redirectUrl: `${demo.baseUrl}/sandbox/webhooks` });
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  // There are five seconds for it, which a busy machine may need for a look: pressed as soon as it is there.
  const pressed = deposit.id('stay').evaluate((stay) => new Promise<void>((done) => {
    const each = setInterval(() => {
      if (!stay.checkVisibility()) return;
      clearInterval(each);
      (stay as HTMLElement).click();
      done();
    }, 50);
  }));
  await send(demo, made.address, made.units);
  await pressed;
  await deposit.expectState('paid');
  await expect(deposit.id('return')).toBeHidden();
  await page.waitForTimeout(6_000);
  await deposit.expectState('paid');
  await page.reload();
  await deposit.expectState('paid');
  await expect(deposit.id('return')).toBeHidden();
  await deposit.id('merchant-link').click();
  await page.waitForURL(/\/sandbox\/webhooks/);
});

test('chooses a token in place, and pays it with the wallet in the page', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, base);
  const made = await depositOrder(demo, 12.34);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.expectQuote('ETH on Base (sandbox)');
  await deposit.choose('USDC-base');
  const quote = await deposit.expectQuote('USDC on Base (sandbox)');
  expect(new URL(page.url()).searchParams.get('asset')).toBe('USDC-base');
  const asked = readPaymentUri(quote.uri);
  expect(asked.token?.toLowerCase()).toBe(tokenOf(base, 'USDC').toLowerCase());
  await page.goBack();
  await deposit.expectQuote('ETH on Base (sandbox)');
  await page.goForward();
  await deposit.expectQuote('USDC on Base (sandbox)');

  await deposit.connect(address);
  await expect(deposit.id('funds-balance')).toHaveText('100.00 USDC');
  await deposit.press(`Pay ${quote.amount} USDC`);
  await deposit.expectState('paid');
  expect(await balanceOf(base, quote.address as `0x${string}`, 'USDC')).toBe(asked.units);
  expect(wallet.asked('eth_sendTransaction')).toBe(1);
  const [sent] = wallet.sent;
  expect([sent?.to?.toLowerCase(), sent?.value]).toEqual([tokenOf(base, 'USDC').toLowerCase(), 0n]);
  await expect(deposit.transfer(0)).toContainText('counts as 12.34 USD');
});

test('pays with the sandbox wallet, which switches the network on the way', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.choose('USDT-arbitrum-one');
  const { amount } = await deposit.expectQuote('USDT on Arbitrum One (sandbox)');
  await deposit.wallet(sandboxWallet).click();
  await deposit.id('sandbox-confirm').click();
  await expect(deposit.id('account')).toBeVisible();
  await expect(deposit.id('go-text')).toContainText('switch to Arbitrum One (sandbox)');
  await deposit.press(`Pay ${amount} USDT`);
  await expect(deposit.id('sandbox-dialog')).toContainText('Switch the network?');
  await deposit.id('sandbox-confirm').click();
  await expect(deposit.id('sandbox-dialog')).toContainText('Sign and send');
  await deposit.id('sandbox-confirm').click();
  await deposit.expectState('paid');
});

test('teaches the wallet a network that it does not know', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const arbitrum = chainOf(demo, 'arbitrum-one');
  const { address, wallet } = await payerWith(context, demo, base, { native: ether / 10n }, { knows: [arbitrum.chainId], startOn: arbitrum.chainId });
  const made = await depositOrder(demo, 10);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  const { amount, uri } = await deposit.expectQuote('ETH on Base (sandbox)');
  await deposit.connect(address);
  await deposit.press(`Pay ${amount} ETH`);
  await deposit.expectState('paid');
  expect(wallet.asked('wallet_addEthereumChain')).toBe(1);
  expect(await balanceOf(base, made.address)).toBe(readPaymentUri(uri).units);
});

test('sends too little, is told how much is missing, and sends the rest', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.expectQuote('ETH on Base (sandbox)');
  await send(demo, made.address, made.units / 2n);
  await expect(deposit.id('partial-text')).toHaveText('You have sent 12.50 of 25.00 USD.');
  await expect(deposit.id('partial-more')).toHaveText('Send 0.00334042 ETH more.');
  await deposit.expectState('open');
  await expect(deposit.id('missing')).toHaveText('12.50');
  const { uri } = await deposit.expectQuote('ETH on Base (sandbox)');
  expect(readPaymentUri(uri).units).toBe(3_340_420_000_000_000n);
  await page.reload();
  await deposit.awake();
  await expect(deposit.id('partial-more')).toHaveText('Send 0.00334042 ETH more.');
  await send(demo, made.address, readPaymentUri(uri).units);
  await deposit.expectState('paid');
  await expect(deposit.id('transfers').locator('[data-transfer]')).toHaveCount(2);
  await expect(deposit.id('surplus')).toBeHidden();
});

test('sends too much, and is told', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await send(demo, made.address, made.units * 2n);
  await deposit.expectState('paid');
  await expect(deposit.id('surplus')).toContainText('You sent 25.00 USD more than needed.');
});

test('sends another token than was chosen: it counts, and the rest is said', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.expectQuote('ETH on Base (sandbox)');
  await send(demo, made.address, dollars(10), 'USDC', chainOf(demo, 'arbitrum-one'));
  await expect(deposit.transfer(0)).toContainText('10 USDC');
  await expect(deposit.transfer(0)).toContainText('Arbitrum One (sandbox)');
  await expect(deposit.transfer(0)).toContainText(/counts as (9\.99|10\.00) USD/);
  await expect(deposit.id('partial-more')).toHaveText(/^Send 0\.004\d+ ETH more\.$/);
  const { uri } = await deposit.expectQuote('ETH on Base (sandbox)');
  await send(demo, made.address, readPaymentUri(uri).units);
  await deposit.expectState('paid');
});

for (const how of ['contract', 'batch', 'stored'] as const) {
  test(`has an exchange send the coins by its contract: ${how}`, async ({ page, demo, sandbox }) => {
    const made = await depositOrder(demo, 25);
    const deposit = new Deposit(page);
    await deposit.open(made.url);
    const { amount, address } = await deposit.expectQuote('ETH on Base (sandbox)');
    await sandbox.withdraw('base', { to: address, asset: 'ETH', amount, how });
    await deposit.expectState('paid');
    await expect(deposit.transfer(0)).toContainText(`${amount} ETH`);
  });
}

test('is told at once that the shop has called the payment off', async ({ page, demo }) => {
  const made = await depositOrder(demo, 25);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.expectQuote('ETH on Base (sandbox)');
  await cancelDeposit(demo, made.id);
  await deposit.expectState('canceled');
  await deposit.expectNoQuote();
});

test('copies exactly what has to be typed elsewhere', async ({ context, page, demo }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const made = await depositOrder(demo, 1234.56);
  const deposit = new Deposit(page);
  await deposit.open(made.url);
  await deposit.choose('USDC-base');
  const { amount, address } = await deposit.expectQuote('USDC on Base (sandbox)');
  expect(amount).toMatch(/^\d{4}\.\d+$/);
  const clipboard = (): Promise<string> => page.evaluate(() => navigator.clipboard.readText());
  await deposit.id('amount-copy').click();
  await expect(deposit.id('live')).toHaveText('Amount copied');
  expect(await clipboard()).toBe(amount);
  await deposit.id('address-copy').click();
  await expect(deposit.id('live')).toHaveText('Address copied');
  expect(await clipboard()).toBe(address);
});
