// Payments that not everyone may pay, see or know whole.
import { createPayment } from '../fixtures/api.ts';
import { balanceOf, freshPayer } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { freshAddress, order } from '../fixtures/order.ts';
import { tamper } from '../fixtures/page.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Wallet } from '../fixtures/wallet.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout, sandboxWallet } from '../pages/checkout.ts';

const purse = { native: ether / 100n, tokens: { USDC: dollars(100) } };

test('the wrong wallet is told so and can do nothing, then the right one pays', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const right = await freshPayer(demo, chain, purse);
  const wrong = await freshPayer(demo, chain, purse);
  const wallet = await Wallet.install(context, { privateKeys: [wrong.privateKey, right.privateKey], chains: demo.chains, startOn: chain.chainId });
  const made = await order(demo, '10.00', 'USDC-base', { accessPolicy: { allowedPayerAddresses: [right.address.toLowerCase()] } });
  const asked: string[] = [];
  page.on('request', (r) => asked.push(new URL(r.url()).pathname.split('/').at(-1)!));

  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await expect(checkout.id('access')).toContainText('Only certain wallets can pay this.');
  await checkout.connect(wrong.address);
  await checkout.expectNotice('This payment is for another wallet', 'warn');
  await expect(checkout.id('access')).toBeHidden();
  await checkout.expectNothingToSign();
  await expect(checkout.id('steps')).toBeHidden();
  expect(asked).toContain('access');
  expect(asked, 'nothing is built for it').not.toContain('pay');
  const told = await webhook(demo, made.token, 'secure_payment.access_rejected');
  expect(JSON.stringify(told.body).toLowerCase()).toContain(wrong.address.toLowerCase());

  await checkout.retry.click();
  await expect(checkout.wallet()).toBeVisible();
  await wallet.useAccount(right.address);
  await checkout.connect(right.address);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  expect(await balanceOf(chain, made.payee, 'USDC')).toBe(dollars(10));
});

test('an account that is changed in the wallet is asked about anew, on whatever network', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const right = await freshPayer(demo, chain, purse);
  const wrong = await freshPayer(demo, chain);
  const wallet = await Wallet.install(context, {
    privateKeys: [wrong.privateKey, right.privateKey], chains: demo.chains, startOn: chainOf(demo, 'arbitrum-one').chainId,
  });
  const made = await order(demo, '10.00', 'USDC-base', { accessPolicy: { allowedPayerAddresses: [right.address] } });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(wrong.address);
  await checkout.expectNotice('This payment is for another wallet');
  await expect(checkout.id('wrong-chain')).toBeHidden();
  await wallet.useAccount(right.address);
  await expect(checkout.id('wrong-chain')).toBeVisible();
  await checkout.id('switch-chain').click();
  await checkout.expectGo('Approve 10.00 USDC');
  await wallet.useAccount(wrong.address);
  await checkout.expectNotice('This payment is for another wallet');
  await checkout.expectNothingToSign();
});

test('a server that says yes to everyone still builds nothing for a wallet that is not let in', async ({ page, demo, wallet }) => {
  const made = await order(demo, '10.00', 'USDC-base', { accessPolicy: { allowedPayerAddresses: [freshAddress()] } });
  await tamper(page, '**/checkout/*/access', () => ({ status: 'approved', reasonCode: '' }));
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(wallet.address);
  await checkout.expectNotice('This payment is for another wallet');
  await checkout.expectNothingToSign();
});

test('an answer that nobody understands lets nobody in, and can be asked for again', async ({ page, demo, wallet }) => {
  const made = await order(demo, '10.00', 'USDC-base', { accessPolicy: { allowedPayerAddresses: [wallet.address] } });
  await tamper(page, '**/checkout/*/access', () => ({ status: 'error', reasonCode: 'screening_unavailable' }));
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(wallet.address);
  await checkout.expectNotice('Your wallet could not be checked just now');
  await checkout.expectNothingToSign();
  await page.unroute('**/checkout/*/access');
  await checkout.retry.click();
  await checkout.expectGo('Approve 10.00 USDC');
});

test('a hidden payment tells nothing before a wallet is let in, and everything to the one that is', async ({ page, demo }) => {
  const payee = freshAddress();
  const made = await createPayment(demo, {
    requests: [{ payee, paymentCurrency: 'USDC-base', amount: '3.21' }], reference: 'SECRET-ORDER',
    accessPolicy: { allowedPayerAddresses: [demo.payer.address], hideUntilApproved: true },
  });
  const secrets = [payee.slice(2), '3.21', '3210000', 'USDC', 'SECRET-ORDER', 'Harbour', 'Coffee', made.requestIds[0]!, '900008453', 'evmref', demo.payer.address.slice(2)];
  const leaks = async (what: string, response: Response | { text(): Promise<string>; headers(): Record<string, string> }) => {
    const headers = response instanceof Response ? Object.fromEntries(response.headers) : response.headers();
    const text = `${await response.text()} ${JSON.stringify(headers)}`.toLowerCase();
    expect(secrets.filter((s) => text.includes(s.toLowerCase())), what).toEqual([]);
  };
  // What a browser without script, or none at all, can get.
  const api = `${demo.baseUrl}/checkout/${made.token}`;
  for (const url of [made.securePaymentUrl, `${demo.baseUrl}/${made.token}`, `${api}/status`, `${api}/pay?wallet=${freshAddress()}`, `${api}/pay`]) {
    await leaks(url, await fetch(url, { signal: AbortSignal.timeout(60_000) }));
  }
  const stream = await fetch(`${api}/events`, { signal: AbortSignal.timeout(60_000) });
  const reader = stream.body!.getReader();
  let heard = '';
  while (!heard.includes('data:')) heard += new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  expect(heard).toContain('data: {"state":"open"}\n');

  const checkout = new Checkout(page);
  const seen: Promise<void>[] = [];
  const watch = (r: { url(): string; text(): Promise<string>; headers(): Record<string, string> }) => {
    // Scripts and styles are the same for every payment.
    if (!r.url().includes('/static/') && !r.url().endsWith('/events') && !r.url().includes('/sandbox/')) seen.push(leaks(r.url(), r));
  };
  page.on('response', watch);
  await checkout.open(made.securePaymentUrl);
  await expect(page).toHaveTitle('Private payment');
  await expect(checkout.id('locked-title')).toHaveText('This payment is private');
  await expect(checkout.wallet(sandboxWallet)).toBeVisible();
  await Promise.all(seen);
  page.off('response', watch);

  await checkout.wallet(sandboxWallet).click();
  await checkout.id('sandbox-confirm').click();
  await expect(checkout.id('amount')).toHaveText('3.21 USDC');
  await expect(checkout.id('payee')).toHaveText(payee);
  await checkout.press('Approve 3.21 USDC');
  await checkout.id('sandbox-confirm').click();
  await checkout.press('Pay 3.21 USDC');
  await checkout.id('sandbox-confirm').click();
  await checkout.expectPaid();
  await leaks('for others, when it is paid', await fetch(made.securePaymentUrl, { signal: AbortSignal.timeout(60_000) }));
});

test('a hidden payment says to another wallet that it is not let in', async ({ context, page, demo }) => {
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), {});
  const made = await order(demo, '1.00', 'USDC-base', { accessPolicy: { allowedPayerAddresses: [demo.payer.address], hideUntilApproved: true } });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  wallet.rejectNext('eth_requestAccounts');
  await checkout.wallet().click();
  await checkout.expectNotice('You declined in your wallet. Nothing was paid.');
  await checkout.retry.click();
  await expect(checkout.id('account-address')).toHaveText(address);
  await checkout.expectNotice('This payment is for another wallet');
  await expect(checkout.id('details')).toHaveCount(0);
  await checkout.retry.click();
  await expect(checkout.wallet()).toBeVisible();
  await expect(checkout.notice).toBeHidden();
});

test('a shortened payee is paid like any other, and another one refused', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const made = await order(demo, '10.00', 'USDC-base', { accessPolicy: { hidePayeeAddress: true } });
  const checkout = new Checkout(page);
  const html = await (await checkout.open(made.securePaymentUrl)).text();
  expect(html.toLowerCase()).not.toContain(made.payee.slice(2).toLowerCase());
  await expect(checkout.id('payee')).toHaveText(`${made.payee.slice(0, 6)}…${made.payee.slice(-4)}`);
  await expect(checkout.id('payee-short')).toContainText('Shortened');
  await checkout.connect(address);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  expect(await balanceOf(chain, made.payee, 'USDC')).toBe(dollars(10));

  const second = await order(demo, '10.00', 'USDC-base', { accessPolicy: { hidePayeeAddress: true } });
  const twin = `${second.payee.slice(2, 6)}${'0'.repeat(32)}${second.payee.slice(-4)}`.toLowerCase();
  await tamper(page, /\/checkout\/[^/]+\/pay\?/, (body) => {
    for (const t of body.transactions) t.data = t.data.replaceAll(second.payee.slice(2).toLowerCase(), twin);
    return body;
  });
  await checkout.open(second.securePaymentUrl);
  await checkout.expectState('unsafe');
  await expect(checkout.id('unsafe-check')).toContainText('payee');
});

test('a payee that the screening refuses ends the payment for good', async ({ page, demo, wallet }) => {
  const made = await createPayment(demo, { requests: [{ payee: demo.refusedWallet, paymentCurrency: 'USDC-base', amount: '1.00' }], accessPolicy: { mode: 'kyt_all_wallets' } });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await expect(checkout.id('access')).toContainText('Wallets are screened before they can pay this.');
  await checkout.wallet().click();
  await checkout.expectState('blocked');
  await expect(checkout.id('ending-blocked')).toContainText('This payment cannot be made');
  await checkout.expectNothingToSign();
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
  expect((await page.reload())?.status()).toBe(403);
  await checkout.expectState('blocked');
});
