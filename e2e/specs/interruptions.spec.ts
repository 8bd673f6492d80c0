// What happens around a payment: reloads, other tabs, another account. Nobody
// pays twice, nobody is left not knowing.
import { balanceOf, freshPayer } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { order } from '../fixtures/order.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Wallet } from '../fixtures/wallet.ts';
import { Checkout } from '../pages/checkout.ts';

test.describe('a reload', () => {
  test('after the approval goes on with the payment', async ({ context, page, demo }) => {
    const chain = chainOf(demo, 'base');
    const { address, wallet } = await payerWith(context, demo, chain);
    const made = await order(demo, '10.00');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(address);
    await checkout.press('Approve 10.00 USDC');
    await checkout.expectGo('Pay 10.00 USDC');
    await page.reload();
    await checkout.expectGo('Pay 10.00 USDC');
    expect(await checkout.steps()).toEqual(['pay']);
    await checkout.go.click();
    await checkout.expectPaid(wallet);
    expect(wallet.sent.length).toBe(2);
  });

  test('while the approval is on its way waits for it instead of asking again', async ({ context, page, demo }) => {
    const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'));
    const made = await order(demo, '10.00');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(address);
    wallet.stuckNext();
    await checkout.press('Approve 10.00 USDC');
    await checkout.expectStep('approve', 'pending');
    await page.reload();
    await checkout.expectStep('approve', 'pending');
    await checkout.expectNothingToSign();
    await wallet.lookedUp();
    await wallet.speedUp();
    await checkout.press('Pay 10.00 USDC');
    await checkout.expectPaid(wallet);
  });

  test('after the payment was sent, before anybody has seen it, does not let it be sent again', async ({ context, page, demo }) => {
    const chain = chainOf(demo, 'base');
    const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 10n });
    const made = await order(demo, '0.05', 'ETH-base');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(address);
    wallet.stuckNext();
    await checkout.press('Pay 0.05 ETH');
    await checkout.expectState('seen');
    await expect(checkout.id('progress-title')).toHaveText('Payment sent');
    await page.reload();
    await checkout.expectState('seen');
    await expect(checkout.id('progress-title')).toHaveText('You already sent this payment');
    await expect(checkout.id('progress-text')).toContainText('Do not pay again.');
    await checkout.expectNothingToSign();
    await wallet.speedUp();
    await checkout.expectPaid(wallet);
    expect(await balanceOf(chain, made.payee)).toBe(ether / 20n);
    expect(wallet.asked('eth_sendTransaction')).toBe(1);
  });

  test('while the wallet asks makes the payer look there first', async ({ context, page, demo }) => {
    const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
    const made = await order(demo, '0.05', 'ETH-base');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(address);
    wallet.hold();
    await checkout.press('Pay 0.05 ETH');
    const question = await wallet.question('eth_sendTransaction');
    await page.reload();
    await checkout.expectNotice('Look into your wallet first', 'warn');
    await checkout.expectNothingToSign();
    question.reject();
    wallet.release();
    await checkout.retry.click();
    await checkout.press('Pay 0.05 ETH');
    await checkout.expectPaid(wallet);
    expect(wallet.sent.length).toBe(1);
  });

  test('while confirmations come follows on', async ({ context, page, demo }) => {
    const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
    const made = await order(demo, '0.05', 'ETH-base');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(address);
    await checkout.press('Pay 0.05 ETH');
    await checkout.expectUnderway();
    await page.reload();
    await checkout.expectPaid(wallet);
  });
});

test.describe('two tabs', () => {
  test('of one browser: only one may sign, the other follows to the end', async ({ context, page, demo }) => {
    const chain = chainOf(demo, 'base');
    const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 10n });
    const made = await order(demo, '0.05', 'ETH-base');
    const first = new Checkout(page);
    const second = new Checkout(await context.newPage());
    for (const tab of [first, second]) {
      await tab.open(made.securePaymentUrl);
      await tab.connect(address);
      await tab.expectGo('Pay 0.05 ETH');
    }
    wallet.hold();
    await first.go.click();
    const question = await wallet.question('eth_sendTransaction');
    await second.expectNotice('You are paying in another tab', 'info');
    await second.expectNothingToSign();
    // A tab that is opened only now knows as well.
    const third = new Checkout(await context.newPage());
    await third.open(made.securePaymentUrl);
    await third.expectNotice('You are paying in another tab', 'info');

    question.approve();
    for (const tab of [first, second, third]) await tab.expectPaid(wallet);
    expect(wallet.asked('eth_sendTransaction')).toBe(1);
    expect(await balanceOf(chain, made.payee)).toBe(ether / 20n);
  });

  test('of one browser: after a no in one the other may pay', async ({ context, page, demo }) => {
    const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
    const made = await order(demo, '0.05', 'ETH-base');
    const first = new Checkout(page);
    const second = new Checkout(await context.newPage());
    for (const tab of [first, second]) {
      await tab.open(made.securePaymentUrl);
      await tab.connect(address);
      await tab.expectGo('Pay 0.05 ETH');
    }
    wallet.hold();
    await first.go.click();
    const question = await wallet.question('eth_sendTransaction');
    await second.expectNotice('You are paying in another tab', 'info');
    question.reject();
    wallet.release();
    await second.press('Pay 0.05 ETH');
    await first.expectPaid(wallet);
    await second.expectPaid(wallet);
    expect(wallet.sent.length).toBe(1);
  });

  test('that closes while its wallet asks leaves the other free to pay', async ({ context, page, demo }) => {
    const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
    const made = await order(demo, '0.05', 'ETH-base');
    const gone = new Checkout(await context.newPage());
    const left = new Checkout(page);
    for (const tab of [gone, left]) {
      await tab.open(made.securePaymentUrl);
      await tab.connect(address);
      await tab.expectGo('Pay 0.05 ETH');
    }
    wallet.hold();
    await gone.go.click();
    const question = await wallet.question('eth_sendTransaction');
    await left.expectNotice('You are paying in another tab');
    await gone.page.close();
    question.reject();
    wallet.release();
    await left.press('Pay 0.05 ETH');
    await left.expectPaid(wallet);
  });
});

test('two people with the same link: the second cannot pay what the first has sent', async ({ browser, context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const one = await payerWith(context, demo, chain, { native: ether / 10n });
  const elsewhere = await browser.newContext();
  try {
    const two = await payerWith(elsewhere, demo, chain, { native: ether / 10n });
    const made = await order(demo, '0.05', 'ETH-base');
    const first = new Checkout(page);
    const second = new Checkout(await elsewhere.newPage());
    await first.open(made.securePaymentUrl);
    await first.connect(one.address);
    await second.open(made.securePaymentUrl);
    await second.connect(two.address);
    await second.expectGo('Pay 0.05 ETH');
    await first.press('Pay 0.05 ETH');
    await second.expectUnderway();
    await second.expectNothingToSign();
    await second.expectPaid(one.wallet);
    expect(two.wallet.asked('eth_sendTransaction')).toBe(0);
    expect(await balanceOf(chain, made.payee)).toBe(ether / 20n);
  } finally {
    await elsewhere.close();
  }
});

test.describe('the wallet', () => {
  test('changes its account after the approval: the other account approves for itself', async ({ context, page, demo }) => {
    const chain = chainOf(demo, 'base');
    const purse = { native: ether / 100n, tokens: { USDC: dollars(20) } };
    const [one, two] = [await freshPayer(demo, chain, purse), await freshPayer(demo, chain, purse)];
    const wallet = await Wallet.install(context, { privateKeys: [one.privateKey, two.privateKey], chains: demo.chains });
    const made = await order(demo, '10.00');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(one.address);
    await checkout.press('Approve 10.00 USDC');
    await checkout.expectGo('Pay 10.00 USDC');
    await wallet.useAccount(two.address);
    await expect(checkout.id('account-address')).toHaveText(two.address);
    await checkout.expectGo('Approve 10.00 USDC');
    await wallet.useAccount(one.address);
    await checkout.press('Pay 10.00 USDC');
    await checkout.expectPaid(wallet);
    expect(wallet.sent.map((t) => t.from)).toEqual([one.address, one.address]);
  });

  test('shuts the page out in the middle: back to choosing a wallet, then on', async ({ context, page, demo }) => {
    const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'));
    const made = await order(demo, '10.00');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(address);
    await checkout.press('Approve 10.00 USDC');
    await checkout.expectGo('Pay 10.00 USDC');
    await wallet.disconnect();
    await expect(checkout.id('account')).toBeHidden();
    await expect(checkout.wallet()).toBeVisible();
    await checkout.expectNothingToSign();
    await checkout.connect(address);
    await checkout.press('Pay 10.00 USDC');
    await checkout.expectPaid(wallet);
  });

  test('is changed on the page', async ({ context, page, demo }) => {
    const { address } = await payerWith(context, demo, chainOf(demo, 'base'));
    const made = await order(demo, '10.00');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(address);
    await checkout.expectGo('Approve 10.00 USDC');
    await checkout.id('account-change').click();
    await expect(checkout.id('account')).toBeHidden();
    await checkout.expectNothingToSign();
    await checkout.connect(address);
    await checkout.expectGo('Approve 10.00 USDC');
  });
});

test('an error of somebody else’s script does not stop the payment', async ({ context, page, demo, guard }) => {
  guard.allow(/a wallet of another maker broke/);
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), { native: ether / 10n });
  const made = await order(demo, '0.05', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Pay 0.05 ETH');
  const broke = page.waitForEvent('pageerror');
  await page.evaluate(() => setTimeout(() => Promise.reject(new Error('a wallet of another maker broke'))));
  await broke;
  await checkout.press('Pay 0.05 ETH');
  await checkout.expectPaid(wallet);
  await expect(checkout.notice).toBeHidden();
});
