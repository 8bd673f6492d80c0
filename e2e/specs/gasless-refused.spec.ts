// What can go wrong while paying without gas: each ends with a plain word and the
// plain way beside it, and nothing is ever paid twice.
import { allowanceOf, balanceOf } from '../fixtures/chain.ts';
import { type Demo, chainOf } from '../fixtures/demo.ts';
import { Gateways, accountOf } from '../fixtures/gasless.ts';
import { type Order, order } from '../fixtures/order.ts';
import { expectAccessibleInBothSchemes, photograph } from '../fixtures/page.ts';
import { type Payer, dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { errors } from '../fixtures/wallet.ts';
import { Checkout } from '../pages/checkout.ts';
import { Gasless } from '../pages/gasless.ts';
import type { BrowserContext, Page } from '@playwright/test';

interface Scene {
  payer: Payer;
  made: Order;
  checkout: Checkout;
  gas: Gasless;
  gateways: Gateways;
}

/** A payer with USDC and coins who has picked to pay without gas. */
async function scene(context: BrowserContext, page: Page, demo: Demo, native = ether / 100n): Promise<Scene> {
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base, { native, tokens: { USDC: dollars(25) } });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  const gas = new Gasless(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  if (native > 0n) {
    // Whoever has coins pays as ever, unless he picks otherwise.
    await gas.expectWays('plain', 'op_permit', 'plain');
    await checkout.expectGo('Approve 10.00 USDC');
    await gas.pick('op_permit');
  }
  await checkout.expectGo('Pay 10.00 USDC without gas');
  return { payer, made, checkout, gas, gateways: new Gateways(demo) };
}

/** The plain way pays, once. */
async function paysPlainly(demo: Demo, { payer, made, checkout }: Scene): Promise<void> {
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(payer.wallet);
  const base = chainOf(demo, 'base');
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
  expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(15));
}

test('the sponsor refuses: the plain way pays', async ({ context, page, demo }) => {
  const s = await scene(context, page, demo);
  await s.gateways.behave('base', { refuse: { alchemy_requestGasAndPaymasterAndData: { code: -32000, message: 'policy says no' } } });
  try {
    await s.checkout.go.click();
    await s.checkout.expectNotice('The sponsor does not pay for this', 'warn');
    await s.checkout.expectGo('Approve 10.00 USDC');
    await expectAccessibleInBothSchemes(page);
    await photograph(page, 'gasless-sponsor-refuses');
    await paysPlainly(demo, s);
  } finally {
    await s.gateways.reset();
  }
});

test('the sponsor refuses a payer without coins, and pays when asked again', async ({ context, page, demo }) => {
  const s = await scene(context, page, demo, 0n);
  await s.gateways.behave('base', { refuse: { alchemy_requestGasAndPaymasterAndData: { code: -32000, message: 'policy says no' } } });
  try {
    await s.checkout.go.click();
    await s.checkout.expectNotice('The sponsor does not pay for this', 'warn');
    await expect(s.checkout.go).toBeDisabled();
    await expect(s.checkout.id('funds-missing')).toContainText('network fee');
    await s.gateways.behave('base');
    await s.checkout.retry.click();
    await s.checkout.press('Pay 10.00 USDC without gas');
    await s.checkout.expectPaid();
    expect(await balanceOf(chainOf(demo, 'base'), s.made.payee, 'USDC')).toBe(dollars(10));
  } finally {
    await s.gateways.reset();
  }
});

for (const [name, code, message, title] of [
  ['the bundler refuses it for good', -32521, 'execution reverted', 'The payment would not go through'],
  ['the nonce was used meanwhile', -32500, 'AA25 invalid account nonce', 'Your smart account did something else meanwhile'],
] as const) {
  test(`${name}: nothing is kept waiting`, async ({ context, page, demo }) => {
    const s = await scene(context, page, demo);
    await s.gateways.behave('base', { refuse: { eth_sendUserOperation: { code, message } } });
    try {
      await s.checkout.go.click();
      await s.checkout.expectNotice(title, 'warn');
      await s.checkout.expectState('open');
      // It is told on after a reload, and whoever opens the link can pay.
      await page.reload();
      await expect(s.gas.id('op-told-title')).toHaveText('The payment without gas could not be sent');
      await photograph(page, `gasless-bundler-${Math.abs(code)}`);
      await s.gas.pick('plain');
      await paysPlainly(demo, s);
    } finally {
      await s.gateways.reset();
    }
  });
}

test('the bundler is down: the operation waits and is handed in again', async ({ context, page, ownDemo: demo }) => {
  test.setTimeout(240_000);
  const s = await scene(context, page, demo);
  let down = true;
  await page.route('**/bundler?*', async (route) => {
    const asked = route.request().postDataJSON() as { method: string };
    if (down && asked.method === 'eth_sendUserOperation') await s.gateways.behave('base', { status: 503 });
    await route.continue();
  });
  await s.checkout.go.click();
  await s.checkout.expectState('seen');
  await expect(s.checkout.id('progress-text')).toContainText('This page tries again by itself');
  await s.checkout.expectNothingToSign();
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'gasless-bundler-down');
  // Nobody who has the link can pay meanwhile, this browser after a reload least of all.
  await page.reload();
  await s.checkout.expectState('seen');
  down = false;
  await s.gateways.behave('base');
  // A service that has failed is left alone for a while.
  await expect(s.checkout.id('success-tx')).toBeVisible({ timeout: 60_000 });
  await s.checkout.expectPaid();
  expect(await balanceOf(chainOf(demo, 'base'), s.made.payee, 'USDC')).toBe(dollars(10));
  expect(s.payer.wallet.asked('personal_sign')).toBe(1);
});

test('it is carried out and fails: nothing is paid, and then it can be paid again', async ({ context, page, demo }) => {
  const s = await scene(context, page, demo);
  const base = chainOf(demo, 'base');
  await s.gateways.behave('base', { callGas: 60_000 });
  try {
    await s.checkout.go.click();
    await expect(s.gas.id('op-told-title')).toHaveText('The payment without gas did not go through');
    await s.checkout.expectState('open');
    await expectAccessibleInBothSchemes(page);
    await photograph(page, 'gasless-failed');
    expect(await balanceOf(base, s.payer.address, 'USDC')).toBe(dollars(25));
    await s.gateways.behave('base');
    // The account is there by now, and its nonce is another.
    await s.checkout.press('Pay 10.00 USDC without gas');
    await s.checkout.expectPaid();
    expect(await balanceOf(base, s.made.payee, 'USDC')).toBe(dollars(10));
    expect(await balanceOf(base, s.payer.address, 'USDC')).toBe(dollars(15));
    expect(await allowanceOf(base, s.payer.address, await accountOf(base, s.payer.address), 'USDC')).toBe(0n);
  } finally {
    await s.gateways.reset();
  }
});

test('the payer declines either signature, and pays at the third try', async ({ context, page, demo }) => {
  const s = await scene(context, page, demo);
  s.payer.wallet.rejectNext('eth_signTypedData_v4');
  await s.checkout.go.click();
  await s.checkout.expectNotice('You declined in your wallet. Nothing was paid.', 'info');
  s.payer.wallet.rejectNext('personal_sign');
  await s.checkout.press('Pay 10.00 USDC without gas');
  await s.checkout.expectNotice('You declined in your wallet. Nothing was paid.', 'info');
  await s.checkout.press('Pay 10.00 USDC without gas');
  await s.checkout.expectPaid();
  expect(s.payer.wallet.sent).toEqual([]);
});

test('a wallet that signs no typed data pays as ever', async ({ context, page, demo }) => {
  const s = await scene(context, page, demo);
  s.payer.wallet.failNext(errors.unsupported, 'eth_signTypedData_v4');
  await s.checkout.go.click();
  await s.checkout.expectNotice('Your wallet cannot sign this', 'warn');
  await paysPlainly(demo, s);
});

test('the budget is used up', async ({ context, page, demo }) => {
  const s = await scene(context, page, demo);
  await page.route('**/bundler?*', async (route) => {
    const asked = route.request().postDataJSON() as { id: number; method: string };
    if (asked.method !== 'alchemy_requestGasAndPaymasterAndData') return route.continue();
    await route.fulfill({ json: { jsonrpc: '2.0', id: asked.id, error: { code: -32000, message: 'The budget is used up.', data: { code: 'gas_budget' } } } });
  });
  await s.checkout.go.click();
  await s.checkout.expectNotice('The budget for free payments is used up', 'warn');
  await paysPlainly(demo, s);
});

test('what is said of smart accounts cannot be had: the plain way says nothing of it but that', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await payerWith(context, demo, base);
  const made = await order(demo, '10.00');
  await page.route('**/gasless?*', (route) => route.fulfill({ status: 503, json: { code: 'gasless_unavailable', message: 'Paying without gas does not work at the moment.' } }));
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await checkout.expectGo('Approve 10.00 USDC');
  await expect(checkout.id('gasless-why')).toHaveText(/^Paying without gas does not work at the moment/);
  await expect(checkout.id('gasless-ways').locator('input')).toHaveCount(0);
  await expectAccessibleInBothSchemes(page);
});
