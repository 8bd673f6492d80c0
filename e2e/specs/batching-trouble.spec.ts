// Wallets that say they make all steps at once, and what becomes of it: refusals,
// failures, halves, silence. Each ends in a clear state, with another way to pay, and
// nothing is ever paid twice.
import type { Page } from '@playwright/test';
import { type BatchingOptions, batchErrors } from '../fixtures/batching.ts';
import { allowanceOf, balanceOf } from '../fixtures/chain.ts';
import { type Demo, chainOf } from '../fixtures/demo.ts';
import { Gateways } from '../fixtures/gasless.ts';
import { type Order, order } from '../fixtures/order.ts';
import { type BatchingPayer, batchingPayer, dollars, ether } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { errors } from '../fixtures/wallet.ts';
import { Checkout } from '../pages/checkout.ts';
import { Gasless } from '../pages/gasless.ts';

interface Scene {
  payer: BatchingPayer;
  made: Order;
  checkout: Checkout;
  gas: Gasless;
}

/** A payment of 10 USDC before a payer with coins for gas, whose wallet makes all steps at once. */
async function before(page: Page, demo: Demo, options: BatchingOptions = { account: 'delegated', paymaster: false }): Promise<Scene> {
  const base = chainOf(demo, 'base');
  const payer = await batchingPayer(page.context(), demo, base, { native: ether / 100n, tokens: { USDC: dollars(50) } }, options);
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  return { payer, made, checkout, gas: new Gasless(checkout) };
}

async function expectPaidOnce(demo: Demo, { payer, made }: Scene): Promise<void> {
  const base = chainOf(demo, 'base');
  await payer.batching.settled();
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
  expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(40));
}

async function expectNothingPaid(demo: Demo, { payer, made }: Scene): Promise<void> {
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(0n);
  expect(await balanceOf(chainOf(demo, 'base'), payer.address, 'USDC')).toBe(dollars(50));
}

for (const [name, error] of [
  ['cannot make the calls atomically', batchErrors.atomicityUnsupported],
  ['has its upgrade rejected', batchErrors.upgradeRejected],
  ['does not know the chain', batchErrors.unsupportedChain],
  ['does not know the method', errors.unsupported],
] as const) {
  test(`a wallet that says it can and ${name} goes on step by step`, async ({ page, demo }) => {
    const scene = await before(page, demo);
    const { payer, checkout, gas } = scene;
    await expect(gas.way('batch')).toBeChecked();
    payer.wallet.failNext(error, 'wallet_sendCalls');
    await checkout.press('Pay 10.00 USDC');
    await checkout.expectNotice(/cannot do this at once/, 'warn');
    await checkout.press('Approve 10.00 USDC');
    await checkout.press('Pay 10.00 USDC');
    await checkout.expectPaid(payer.wallet);
    expect(payer.wallet.asked('wallet_sendCalls')).toBe(1);
    await expectPaidOnce(demo, scene);
  });
}

test('an account whose wallet may not delegate it goes on step by step', async ({ page, demo }) => {
  const scene = await before(page, demo);
  scene.payer.batching.upgrading = 'reject';
  await scene.checkout.press('Pay 10.00 USDC');
  await scene.checkout.expectNotice(/cannot do this at once/, 'warn');
  await scene.checkout.press('Approve 10.00 USDC');
  await scene.checkout.press('Pay 10.00 USDC');
  await scene.checkout.expectPaid(scene.payer.wallet);
  await expectPaidOnce(demo, scene);
});

test('a payer who declines can confirm it then', async ({ page, demo }) => {
  const scene = await before(page, demo);
  const { payer, checkout } = scene;
  payer.wallet.rejectNext('wallet_sendCalls');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectNotice(/declined/);
  await expectNothingPaid(demo, scene);
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid();
  expect(payer.batching.batches).toHaveLength(1);
  await expectPaidOnce(demo, scene);
});

test('a sponsor who refuses leaves the other ways', async ({ page, demo }) => {
  const gateways = new Gateways(demo);
  try {
    const scene = await before(page, demo, { account: 'delegated' });
    const { payer, checkout, gas } = scene;
    await gas.expectWays('batch_sponsored', 'batch_sponsored', 'batch', 'plain');
    const no = { code: -32000, message: 'no more for today' };
    await gateways.behave('base', { refuse: { pm_getPaymasterStubData: no, pm_getPaymasterData: no, alchemy_requestGasAndPaymasterAndData: no } });
    await checkout.press('Pay 10.00 USDC without gas');
    await expect(checkout.notice).toBeVisible();
    expect(payer.batching.paymasterSaid.at(-1)?.error?.code).toBe(-32000);
    expect(payer.batching.batches).toEqual([]);
    await expectNothingPaid(demo, scene);
    // What the wallet pays for itself works as ever.
    await gas.pick('batch');
    await checkout.press('Pay 10.00 USDC');
    await checkout.expectPaid();
    expect(payer.batching.batches.map((b) => b.sponsored)).toEqual([false]);
    await expectPaidOnce(demo, scene);
  } finally {
    await gateways.reset();
  }
});

test('a wallet that pays itself where the sponsor refuses has paid', async ({ page, demo }) => {
  const gateways = new Gateways(demo);
  try {
    const scene = await before(page, demo, { account: 'contract' });
    scene.payer.batching.unsponsored = 'pay';
    await expect(scene.gas.way('batch_sponsored')).toBeChecked();
    const no = { code: -32000, message: 'no more for today' };
    await gateways.behave('base', { refuse: { pm_getPaymasterStubData: no, pm_getPaymasterData: no, alchemy_requestGasAndPaymasterAndData: no } });
    await scene.checkout.press('Pay 10.00 USDC without gas');
    await scene.checkout.expectPaid();
    await expectPaidOnce(demo, scene);
  } finally {
    await gateways.reset();
  }
});

for (const [name, outcome] of [['is reverted', 'reverted'], ['is dropped', 'dropped']] as const) {
  test(`a batch that ${name} has paid nothing, and the next one pays`, async ({ page, demo }) => {
    const scene = await before(page, demo);
    const { payer, checkout } = scene;
    payer.batching.outcome = outcome;
    await checkout.press('Pay 10.00 USDC');
    await checkout.expectNotice(/did not go through/, 'error');
    expect(payer.batching.batches.map((b) => b.status)).toEqual([outcome === 'reverted' ? 500 : 400]);
    await expectNothingPaid(demo, scene);
    payer.batching.outcome = 'executed';
    await checkout.retry.click();
    await checkout.press('Pay 10.00 USDC');
    await checkout.expectPaid();
    await expectPaidOnce(demo, scene);
  });
}

test('a sponsored batch whose calls fail in a bundle that succeeds has paid nothing', async ({ page, demo }) => {
  const scene = await before(page, demo, { account: 'contract' });
  const { payer, checkout } = scene;
  payer.batching.outcome = 'reverted';
  await checkout.press('Pay 10.00 USDC without gas');
  await checkout.expectNotice(/did not go through/, 'error');
  const [batch] = payer.batching.batches;
  expect([batch?.status, batch?.sponsored, batch?.receipts[0]?.status]).toEqual([500, true, 'success']);
  await expectNothingPaid(demo, scene);
  payer.batching.outcome = 'executed';
  await checkout.retry.click();
  await checkout.press('Pay 10.00 USDC without gas');
  await checkout.expectPaid();
  await expectPaidOnce(demo, scene);
});

test('of a batch that was made by half, what is left is looked at anew', async ({ page, demo }) => {
  const base = chainOf(demo, 'base');
  const scene = await before(page, demo);
  const { payer, checkout, gas } = scene;
  payer.batching.outcome = 'partial';
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectNotice(/Only a part/, 'warn');
  expect(await allowanceOf(base, payer.address, base.contracts.erc20FeeProxy, 'USDC')).toBe(dollars(10));
  await expectNothingPaid(demo, scene);
  payer.batching.outcome = 'executed';
  // The approval is there: one call is left, which is no batch.
  await checkout.retry.click();
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(payer.wallet);
  expect(await gas.checkout.steps()).not.toContain('reset');
  expect([payer.wallet.asked('wallet_sendCalls'), payer.wallet.asked('eth_sendTransaction')]).toEqual([1, 1]);
  await expectPaidOnce(demo, scene);
});

test('a slow batch is waited for, over a reload, and nothing else can be paid meanwhile', async ({ page, demo }) => {
  const scene = await before(page, demo);
  const { payer, checkout } = scene;
  payer.batching.hold();
  await checkout.press('Pay 10.00 USDC');
  await expect(checkout.id('progress')).toBeVisible();
  await checkout.expectNothingToSign();
  expect(payer.batching.batches).toHaveLength(1);
  await page.reload();
  await expect(checkout.id('progress')).toBeVisible();
  await checkout.expectNothingToSign();
  payer.batching.release();
  await checkout.expectPaid();
  expect(payer.wallet.asked('wallet_sendCalls')).toBe(1);
  await expectPaidOnce(demo, scene);
});

test('a wallet that forgets its batch does not keep the payment from being seen', async ({ page, demo }) => {
  const scene = await before(page, demo);
  scene.payer.batching.outcome = 'unspoken';
  await scene.checkout.press('Pay 10.00 USDC');
  await scene.checkout.expectPaid();
  await expectPaidOnce(demo, scene);
});

test('a wallet that will not say what it can is one that pays step by step', async ({ page, demo }) => {
  const base = chainOf(demo, 'base');
  const payer = await batchingPayer(page.context(), demo, base, { native: ether / 100n, tokens: { USDC: dollars(50) } }, { account: 'delegated', atomic: 'unsupported' });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  payer.wallet.failNext({ code: -32603, message: 'not today' }, 'wallet_getCapabilities');
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(payer.address);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(payer.wallet);
  expect(payer.wallet.asked('wallet_sendCalls')).toBe(0);
  await expectPaidOnce(demo, { payer, made, checkout, gas: new Gasless(checkout) });
});

test('a paymaster elsewhere is no paymaster', async ({ page, demo }) => {
  await page.route(/\/checkout\/[^/]+\/pay\?/, async (route) => {
    const response = await route.fetch();
    const body = (await response.json()) as { paymasterUrl?: string };
    expect(body.paymasterUrl).toBeTruthy();
    await route.fulfill({ response, json: { ...body, paymasterUrl: 'https://paymaster.example/checkout/' } });
  });
  const scene = await before(page, demo, { account: 'delegated' });
  await expect(scene.gas.way('batch')).toBeChecked();
  await expect(scene.gas.way('batch_sponsored')).toHaveCount(0);
  await scene.checkout.press('Pay 10.00 USDC');
  await scene.checkout.expectPaid();
  expect(scene.payer.batching.batches.map((b) => b.request.capabilities)).toEqual([undefined]);
  await expectPaidOnce(demo, scene);
});
