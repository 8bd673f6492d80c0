// Every state of every page, canned and alive: nothing in it keeps anybody out
// (axe, light and dark), nothing is wider than a phone, and pictures of it are
// left in out/screens/ to be looked at.
import { chainOf } from '../fixtures/demo.ts';
import { withWord } from '../fixtures/calldata.ts';
import { inSeconds, order } from '../fixtures/order.ts';
import { expectAccessibleInBothSchemes, photograph, tamper } from '../fixtures/page.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';
import type { Page } from '@playwright/test';

/** One state, as it is on the page now. */
async function look(page: Page, name: string): Promise<void> {
  await expectAccessibleInBothSchemes(page);
  await photograph(page, name);
}

const parts = 8;
for (let part = 0; part < parts; part++) {
  test(`the storybook, part ${part + 1} of ${parts}`, async ({ page, demo }) => {
    test.setTimeout(300_000);
    await page.goto(`${demo.baseUrl}/storybook`);
    const links = await page.locator('a[href^="/storybook/"]').evaluateAll((all) => all.map((a) => a.getAttribute('href')!));
    expect(links.length).toBeGreaterThan(30);
    for (const link of links.filter((_, i) => i % parts === part)) {
      await page.goto(demo.baseUrl + link);
      await look(page, `story-${link.split('/').at(-1)}`);
    }
  });
}

test('the pages of the demo itself', async ({ page, demo }) => {
  // So that there is something to list.
  const made = await order(demo, '1.00');
  await page.request.post(`${demo.baseUrl}/checkout/${made.token}/telemetry`, { data: { event: 'unsafe_refused', check: 'page_calldata', detail: 'payee' } });
  await webhook(demo, made.token, 'secure_payment.unsafe');
  for (const [name, path] of [['storybook', '/storybook'], ['webhooks', '/sandbox/webhooks'], ['unknown', '/?token=unknown']] as const) {
    await page.goto(demo.baseUrl + path);
    await look(page, `demo-${name}`);
  }
});

test('as a browser without script shows it', async ({ page, demo }) => {
  // axe is a script itself, so the page is only made to look as if there were none.
  await page.route(/\/\?token=/, async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replaceAll(/<script[^>]*src=[^>]*><\/script>/g, '').replaceAll('noscript>', 'div>');
    await route.fulfill({ response, body });
  });
  await page.goto((await order(demo, '10.00')).securePaymentUrl);
  await expect(new Checkout(page).id('noscript')).toBeVisible();
  await expectAccessibleInBothSchemes(page);
});

test('alive: from the wallets to the receipt', async ({ context, page, demo }) => {
  test.setTimeout(300_000);
  const { wallet } = await payerWith(context, demo, chainOf(demo, 'base'));
  const made = await order(demo, '10.00', 'USDC-base', { reference: 'ORDER-12', feePercentage: '1', feeAddress: demo.payer.address, redirectUrl: 'https://shop.example/' });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await expect(checkout.wallet()).toBeVisible();
  await look(page, 'live-01-wallets');
  wallet.hold();
  await checkout.wallet().click();
  await look(page, 'live-02-connecting');
  (await wallet.question()).approve();
  await checkout.expectGo('Approve 10.10 USDC');
  await checkout.id('advanced').locator('summary').click();
  await checkout.id('safety-more').locator('summary').click();
  await look(page, 'live-03-connected-everything-open');
  await checkout.id('advanced').locator('summary').click();
  await checkout.id('safety-more').locator('summary').click();
  await look(page, 'live-04-connected');
  await checkout.go.click();
  const asked = await wallet.question('eth_sendTransaction');
  await look(page, 'live-05-approving');
  asked.reject();
  await checkout.expectNotice(/declined/);
  await look(page, 'live-06-declined');
  wallet.stuckNext();
  wallet.release();
  await checkout.press('Approve 10.10 USDC');
  await checkout.expectStep('approve', 'pending');
  await look(page, 'live-07-approval-on-its-way');
  await wallet.speedUp();
  await checkout.expectGo('Pay 10.10 USDC');
  await look(page, 'live-08-approved');
  wallet.stuckNext();
  await checkout.go.click();
  await checkout.expectState('seen');
  await look(page, 'live-09-sent');
  await wallet.speedUp();
  await checkout.expectPaid();
  await look(page, 'live-10-paid');
  await page.reload();
  await look(page, 'live-11-paid-opened-again');
});

test('alive: trouble', async ({ context, page, demo }) => {
  test.setTimeout(300_000);
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 100n, tokens: { USDC: dollars(3) } });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await expect(checkout.id('funds-missing')).toContainText('7.00 USDC is missing');
  await look(page, 'trouble-too-little');
  await wallet.useChain(chainOf(demo, 'arbitrum-one').chainId);
  await expect(checkout.id('wrong-chain')).toBeVisible();
  await look(page, 'trouble-wrong-chain');
  await wallet.useChain(chain.chainId);

  await checkout.open((await order(demo, '1.00', 'USDC-base', { expiresAt: inSeconds(8) })).securePaymentUrl);
  await checkout.expectState('expired');
  await look(page, 'trouble-expired-while-reading');

  await checkout.open((await order(demo, '1.00')).securePaymentUrl);
  await checkout.expectGo('Approve 1.00 USDC');
  const second = new Checkout(await context.newPage());
  await second.open(page.url());
  await second.connect(address);
  wallet.hold();
  await checkout.go.click();
  const asked = await wallet.question('eth_sendTransaction');
  await second.expectNotice('You are paying in another tab');
  await look(second.page, 'trouble-other-tab');
  await second.page.close();
  asked.reject();
  wallet.release();
  await checkout.expectNotice(/declined/);

  wallet.gasLimitNext(25_000n);
  await checkout.go.click();
  await checkout.expectNotice('The approval did not go through');
  await look(page, 'trouble-refused-by-the-chain');

  await tamper(page, /\/checkout\/[^/]+\/pay\?/, (body) => {
    body.transactions[0].data = withWord(body.transactions[0].data, 0, '0x00000000000000000000000000000000DeaDBeef');
    return body;
  });
  await checkout.open((await order(demo, '1.00')).securePaymentUrl);
  await checkout.expectState('unsafe');
  await look(page, 'trouble-unsafe');
});

test('alive: no wallet', async ({ page, demo }) => {
  await page.route('**/static/sandbox-wallet-*.js', (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));
  const checkout = new Checkout(page);
  await checkout.open((await order(demo, '10.00')).securePaymentUrl);
  await expect(checkout.id('wallet-none')).toBeVisible();
  await look(page, 'trouble-no-wallet');
});

test('alive: the sandbox wallet’s dialog', async ({ page, demo }) => {
  const checkout = new Checkout(page);
  await checkout.open((await order(demo, '10.00')).securePaymentUrl);
  await checkout.wallet('dev.quittance.sandbox').click();
  await expect(checkout.id('sandbox-dialog')).toBeVisible();
  await look(page, 'live-sandbox-dialog');
  await checkout.id('sandbox-confirm').click();
  await checkout.press('Approve 10.00 USDC');
  await expect(checkout.id('sandbox-dialog')).toBeVisible();
  await look(page, 'live-sandbox-dialog-sign');
});
