// The routing service or a chain is out of order: the payment's own way goes on,
// nobody waits for what does not come, and words say what is missing.
import { balanceOf } from '../fixtures/chain.ts';
import { arrive, onlyThere } from '../fixtures/crossing.ts';
import { type Demo, chainOf } from '../fixtures/demo.ts';
import { order } from '../fixtures/order.ts';
import { dollars } from '../fixtures/payer.ts';
import { Sandbox } from '../fixtures/sandbox.ts';
import { expect, test } from '../fixtures/test.ts';
import { own, usdcFromArbitrum, usdtFromArbitrum, usdtOnBase } from '../pages/ways.ts';

const dead = { fail: { status: 503 } };
const notNow = 'Paying from another network or with another token is not possible right now.';

async function askOptions(demo: Demo, token: string): Promise<{ options: unknown[]; missing: { code: string }[] }> {
  const response = await fetch(`${demo.baseUrl}/checkout/${token}/options?wallet=${demo.payer.address}`, { signal: AbortSignal.timeout(60_000) });
  return (await response.json()) as { options: unknown[]; missing: { code: string }[] };
}

test('a router that is dead from the start: what is missing is said, and the same chain pays', async ({ context, page, ownDemo: demo }) => {
  await new Sandbox(demo).router(dead);
  // Others have found out, so that it is left alone.
  const { token } = await order(demo, '3.00');
  await expect.poll(async () => (await askOptions(demo, token)).missing.map((m) => m.code), { intervals: [50] }).toEqual(['routing_unavailable']);
  const { made, checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.looked('No other ways now');
  await ways.open();
  await expect(ways.notes).toHaveText(notNow);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(dollars(10));
});

test('a router that dies after the ways were shown: the chosen one cannot be used, another can', async ({ context, page, ownDemo: demo }) => {
  const sandbox = new Sandbox(demo);
  // What it said when the ways were listed is too old to be signed.
  await sandbox.router({ age: '29m50s' });
  const { checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.looked('3 other ways');
  await sandbox.router(dead);
  await ways.choose(usdcFromArbitrum);
  await checkout.id('switch-chain').click();
  const told = ways.id('ways-told-title').or(checkout.noticeTitle).filter({ visible: true });
  await expect(told).toHaveText(/USDC on Arbitrum One \(sandbox\)/);
  await checkout.expectNothingToSign();
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
  await ways.choose(own);
  const away = checkout.id('switch-chain');
  if (await away.isVisible()) await away.click();
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
});

test('a router that comes back is used again, by the same button', async ({ context, page, ownDemo: demo }) => {
  const sandbox = new Sandbox(demo);
  await sandbox.bridge();
  await sandbox.router({ age: '29m50s' });
  const { checkout, ways } = await arrive(context, page, demo, { purses: onlyThere });
  await ways.looked('1 other way');
  await sandbox.router(dead);
  await ways.choose(usdtFromArbitrum);
  await expect(checkout.noticeTitle).toHaveText('You cannot pay with USDT on Arbitrum One (sandbox) now');
  await sandbox.router();
  await checkout.retry.click();
  await checkout.press(/^Approve 10\.\d+ USDT$/);
  await checkout.press(/^Pay 10\.\d+ USDT$/);
  await checkout.expectPaid();
});

test('a router that has no routes: only the payment’s own way is listed', async ({ context, page, demo, sandbox }) => {
  await sandbox.router({ noQuote: true });
  const { checkout, ways } = await arrive(context, page, demo);
  await ways.looked('No other way');
  await ways.open();
  expect((await ways.listed()).enough).toEqual([own]);
  await checkout.expectGo('Approve 10.00 USDC');
});

test('a router that takes long: the same chain is there at once, the others at what they cost at most', async ({ context, page, demo, sandbox }) => {
  await sandbox.router({ delay: '15s' });
  const { checkout, ways } = await arrive(context, page, demo);
  await checkout.expectGo('Approve 10.00 USDC');
  await expect(ways.id('ways-count')).toHaveText('Looking for other ways…');
  await ways.looked('3 other ways');
  await ways.open();
  await expect(ways.way(usdcFromArbitrum)).toContainText('up to ');
});

test('a chain whose nodes are dead is named, and the others go on', async ({ context, page, ownDemo: demo }) => {
  await new Sandbox(demo).line('arbitrum-one', { down: true });
  const { checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.looked('1 other way');
  await ways.open();
  expect((await ways.listed()).enough).toEqual([own, usdtOnBase]);
  await expect(ways.notes).toHaveText('Arbitrum One (sandbox) does not answer at the moment, so what you have there is not listed.');
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
});

test('a chain that does not answer is never waited for', async ({ context, page, ownDemo: demo }) => {
  await new Sandbox(demo).line('arbitrum-one', { delay: '5m' });
  const { checkout, ways } = await arrive(context, page, demo);
  // Ready to pay before anybody knows about the other chain.
  await checkout.expectGo('Approve 10.00 USDC');
  await ways.looked('1 other way');
  await ways.open();
  await expect(ways.notes).toContainText('Arbitrum One (sandbox) does not answer at the moment');
  const began = Date.now();
  const { options } = await askOptions(demo, (await order(demo, '3.00')).token);
  expect(options.length).toBe(2);
  expect(Date.now() - began, 'the server’s patience with a chain, and something for a busy machine').toBeLessThan(30_000);
});
