// Offers that end, and prices that move, while the payer thinks.
import type { Page } from '@playwright/test';
import { balanceOf } from '../fixtures/chain.ts';
import { arrive } from '../fixtures/crossing.ts';
import { chainOf } from '../fixtures/demo.ts';
import { dollars } from '../fixtures/payer.ts';
import { everyQuoteNew } from '../fixtures/sandbox.ts';
import { expect, test } from '../fixtures/test.ts';
import { own, usdcFromArbitrum, usdtFromArbitrum } from '../pages/ways.ts';

interface Quote {
  sourceUnits: string;
  /** Seconds since 1970. */
  quoteExpiresAt: number;
}

/** Every answer with calls for a route that the page gets. */
function quotes(page: Page): Quote[] {
  const all: Quote[] = [];
  page.on('response', async (r) => {
    if (!/\/pay\?.*option=crosschain/.test(r.url()) || !r.ok()) return;
    const { metadata } = (await r.json().catch(() => ({ metadata: {} }))) as { metadata: Quote };
    all.push(metadata);
  });
  return all;
}

/** Waits until the last of them has ended: the page, whose clock may be a little behind, lets nobody sign it. */
async function untilStale(all: Quote[]): Promise<Quote> {
  await expect.poll(() => Date.now() / 1000 - (all.at(-1)?.quoteExpiresAt ?? Infinity), { intervals: [200], timeout: 40_000 }).toBeGreaterThan(1);
  return all.at(-1)!;
}

test('an offer that ends while the payer thinks is asked for anew before the wallet shows it', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge();
  await sandbox.router(everyQuoteNew);
  const seen = quotes(page);
  const { made, checkout, ways, wallet, address } = await arrive(context, page, demo);
  await ways.chooseAndSwitch(usdcFromArbitrum);
  await checkout.press(/^Approve /);
  await checkout.expectGo(/^Pay /);
  const shown = await untilStale(seen);
  const before = seen.length;
  await sandbox.router({ ...everyQuoteNew, cost: 8 });
  await checkout.go.click();
  await checkout.expectPaid();
  expect(seen.length).toBeGreaterThan(before);
  expect(Number(seen.at(-1)!.sourceUnits)).toBeLessThan(Number(shown.sourceUnits));
  expect(wallet.sent.length).toBe(2);
  const spent = dollars(100) - (await balanceOf(chainOf(demo, 'arbitrum-one'), address, 'USDC'));
  expect(spent, 'the new offer').toBe(BigInt(seen.at(-1)!.sourceUnits));
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(dollars(10));
});

test('a price that rises by more than half a percent has to be accepted', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge();
  await sandbox.router(everyQuoteNew);
  const { checkout, ways, wallet, address } = await arrive(context, page, demo);
  await ways.looked();
  await ways.open();
  const before = /([\d.]+ USDC)/.exec((await ways.way(usdcFromArbitrum).locator('.way-needed').textContent()) ?? '')![1]!;
  await sandbox.router({ ...everyQuoteNew, cost: 150 });
  await ways.way(usdcFromArbitrum).click();
  await checkout.id('switch-chain').click();
  await checkout.expectNotice('The price has changed', 'warn');
  await expect(checkout.id('notice-text')).toContainText(`It was ${before} and is now 10.1`);
  await expect(checkout.retry).toHaveText('Accept new amount');
  await checkout.expectNothingToSign();
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
  await checkout.retry.click();
  await checkout.press(/^Approve 10\.1\d+ USDC$/);
  await checkout.press(/^Pay 10\.1\d+ USDC$/);
  await checkout.expectPaid();
  const spent = dollars(100) - (await balanceOf(chainOf(demo, 'arbitrum-one'), address, 'USDC'));
  expect(spent).toBeGreaterThan(dollars(10.1));
});

test('a price that rises by more than half a percent can be left for another way', async ({ context, page, demo, sandbox }) => {
  await sandbox.router(everyQuoteNew);
  const { checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.looked();
  await ways.open();
  await sandbox.router({ ...everyQuoteNew, cost: 150 });
  await ways.way(usdtFromArbitrum).click();
  await checkout.id('switch-chain').click();
  await checkout.expectNotice('The price has changed', 'warn');
  await ways.choose(own);
  await checkout.id('switch-chain').click();
  await expect(checkout.notice).toBeHidden();
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
});

test('a price that rises by less is just shown', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge();
  await sandbox.router(everyQuoteNew);
  const seen = quotes(page);
  const { checkout, ways, address } = await arrive(context, page, demo);
  await ways.looked();
  await ways.open();
  const listed = await ways.way(usdcFromArbitrum).locator('.way-needed').textContent();
  await sandbox.router({ ...everyQuoteNew, cost: 40 });
  await ways.way(usdcFromArbitrum).click();
  await checkout.id('switch-chain').click();
  await checkout.expectGo(/^Approve 10\.\d+ USDC$/);
  await expect(checkout.notice).toBeHidden();
  const dearer = await ways.term('You pay').textContent();
  expect(dearer).not.toBe(listed);
  expect(await checkout.go.textContent()).toBe(`Approve ${dearer}`);
  await checkout.go.click();
  await checkout.press(/^Pay /);
  await checkout.expectPaid();
  const spent = dollars(100) - (await balanceOf(chainOf(demo, 'arbitrum-one'), address, 'USDC'));
  expect(spent).toBe(BigInt(seen.at(-1)!.sourceUnits));
});

test('a price that rises while the payer approves asks for as much again', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge();
  await sandbox.router(everyQuoteNew);
  const { checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.chooseAndSwitch(usdcFromArbitrum);
  wallet.hold();
  await checkout.press(/^Approve /);
  const question = await wallet.question('eth_sendTransaction');
  await sandbox.router({ ...everyQuoteNew, cost: 150 });
  question.approve();
  wallet.release();
  // What was approved is not enough any more, and nobody takes more without being asked.
  await checkout.expectNotice('The price has changed', 'warn');
  await checkout.expectNothingToSign();
  await checkout.retry.click();
  // At once: this is not a node that has yet to see what was approved.
  await expect(checkout.go).toHaveText(/^Approve 10\.1\d+ USDC$/, { timeout: 8_000 });
  await checkout.press(/^Approve 10\.1\d+ USDC$/);
  await checkout.press(/^Pay 10\.1\d+ USDC$/);
  await checkout.expectPaid();
  expect(wallet.sent.length).toBe(3);
});
