// Every state of paying from elsewhere, alive: nothing in it keeps anybody out
// (axe, light and dark), nothing is wider than a phone, and pictures of it are
// left in out/screens/ to be looked at.
import type { Page } from '@playwright/test';
import { arrive, cross, gas } from '../fixtures/crossing.ts';
import { expectAccessibleInBothSchemes, photograph, tamper } from '../fixtures/page.ts';
import { dollars } from '../fixtures/payer.ts';
import { Sandbox, everyQuoteNew } from '../fixtures/sandbox.ts';
import { withWord } from '../fixtures/calldata.ts';
import { expect, test } from '../fixtures/test.ts';
import { own, usdcFromArbitrum, usdtFromArbitrum, usdtOnBase } from '../pages/ways.ts';

async function look(page: Page, name: string): Promise<void> {
  await expectAccessibleInBothSchemes(page);
  await photograph(page, name);
}

test('the choice, the route, the bridge and the receipt', async ({ context, page, demo, sandbox }) => {
  test.setTimeout(300_000);
  await sandbox.bridge({ outcome: 'stop' });
  await page.clock.install();
  const purses = { base: { ...gas, tokens: { USDC: dollars(100), USDT: dollars(3) } }, 'arbitrum-one': { ...gas, tokens: { USDC: dollars(250), USDT: dollars(40.5) } } };
  const found = await arrive(context, page, demo, { purses, body: { reference: 'ORDER-31' } });
  const { checkout, ways, wallet } = found;
  await ways.looked('2 other ways');
  await checkout.expectGo('Approve 10.00 USDC');
  await look(page, 'ways-01-folded');
  await ways.open();
  await ways.id('ways-less-title').click();
  await look(page, 'ways-02-choice');
  await ways.choose(usdtFromArbitrum);
  await look(page, 'ways-03-switch');
  await checkout.id('switch-chain').click();
  await checkout.expectGo(/^Approve /);
  await checkout.id('advanced').locator('summary').click();
  await checkout.id('safety-more').locator('summary').click();
  await look(page, 'ways-04-route-everything-open');
  await checkout.id('advanced').locator('summary').click();
  await checkout.id('safety-more').locator('summary').click();
  await ways.id('ways-summary').click();
  await look(page, 'ways-05-route');
  await checkout.go.click();
  await checkout.expectGo(/^Pay /);
  wallet.stuckNext();
  await checkout.go.click();
  await checkout.expectState('seen');
  await expect(checkout.id('progress-title')).toHaveText('Payment sent from Arbitrum One (sandbox)');
  await look(page, 'ways-06-sent');
  await wallet.speedUp();
  await ways.expectBridging();
  await look(page, 'ways-07-bridging');
  await page.clock.fastForward('10:00');
  await expect(checkout.id('progress-text')).toContainText('longer than usual');
  await look(page, 'ways-08-slow');
  await sandbox.bridge();
  await checkout.expectPaid();
  await look(page, 'ways-09-paid');
  await page.reload();
  await look(page, 'ways-10-paid-opened-again');
});

test('how it can end without paying', async ({ context, page, demo, sandbox }) => {
  test.setTimeout(300_000);
  await sandbox.bridge({ outcome: 'refund' });
  const refunded = await arrive(context, page, demo);
  await cross(refunded, usdcFromArbitrum);
  await refunded.ways.expectEnded('The bridge gave your money back');
  await refunded.ways.looked('3 other ways');
  await look(page, 'ways-ended-refunded');

  await sandbox.bridge({ outcome: 'fail' });
  await refunded.ways.choose(usdcFromArbitrum);
  await refunded.checkout.press(/^Approve /);
  await refunded.checkout.press(/^Pay /);
  await refunded.ways.expectEnded('Your money arrived, but the payment did not go through');
  await refunded.ways.looked('3 other ways');
  await look(page, 'ways-ended-recovered');
});

test('an exchange, a price that changed, and a route that is refused', async ({ context, page, demo, sandbox }) => {
  test.setTimeout(300_000);
  await sandbox.bridge();
  await sandbox.router(everyQuoteNew);
  const { checkout, ways } = await arrive(context, page, demo);
  await ways.choose(usdtOnBase);
  await checkout.expectGo(/^Approve /);
  await ways.id('ways-summary').click();
  await look(page, 'ways-exchange');
  await sandbox.router({ ...everyQuoteNew, cost: 150 });
  await ways.choose(usdcFromArbitrum);
  await checkout.id('switch-chain').click();
  await checkout.expectNotice('The price has changed');
  await look(page, 'ways-price-changed');
  await ways.choose(own);
  await tamper(page, /\/checkout\/[^/]+\/pay\?.*option=crosschain/, (body) => {
    const { transactions } = body as { transactions: { data: string }[] };
    transactions[0]!.data = withWord(transactions[0]!.data, 0, '0x00000000000000000000000000000000DeaDBeef');
    return body;
  });
  await sandbox.router();
  await ways.choose(usdcFromArbitrum);
  await checkout.expectState('unsafe');
  await look(page, 'ways-unsafe');
});

test('nothing anywhere, and a router that is out of order', async ({ context, page, ownDemo: demo }) => {
  test.setTimeout(300_000);
  const sandbox = new Sandbox(demo);
  await sandbox.line('arbitrum-one', { down: true });
  const { ways, made, address } = await arrive(context, page, demo, { purses: { base: gas } });
  await ways.looked('No other way');
  await ways.open();
  await ways.id('ways-less-title').click();
  await look(page, 'ways-none-and-a-silent-chain');
  await sandbox.line('arbitrum-one', {});
  await sandbox.router({ fail: { status: 503 } });
  await expect
    .poll(async () => {
      const reply = await fetch(`${demo.baseUrl}/checkout/${made.token}/options?wallet=${demo.payer.address}`, { signal: AbortSignal.timeout(60_000) });
      return ((await reply.json()) as { missing: unknown[] }).missing.length;
    }, { intervals: [50] })
    .toBe(1);
  await page.reload();
  await ways.looked('No other ways now');
  await expect(ways.checkout.id('account-address')).toHaveText(address);
  await ways.open();
  await look(page, 'ways-router-out-of-order');
});
