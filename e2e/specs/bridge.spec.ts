// Money on a bridge: slow, given back, or arrived without paying. The payer is
// told what became of it, never asked to pay twice, and may pay again when
// nothing was paid.
import { formatUnits } from 'viem';
import { wordOf } from '../fixtures/calldata.ts';
import { balanceOf } from '../fixtures/chain.ts';
import { arrive, cross, everywhere } from '../fixtures/crossing.ts';
import { type Demo, chainOf } from '../fixtures/demo.ts';
import { dollars, payerAcross } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook, webhooksOf } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';
import { own, usdcFromArbitrum, usdtFromArbitrum } from '../pages/ways.ts';

async function eventsOf(demo: Demo, token: string): Promise<string[]> {
  return (await webhooksOf(demo, token)).map((w) => w.event);
}

test('a slow bridge: the page says so, survives a reload and a second tab, and settles', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge({ outcome: 'stop' });
  await page.clock.install();
  const found = await arrive(context, page, demo);
  const { made, checkout, ways, wallet, address } = found;
  await cross(found, usdcFromArbitrum);
  await ways.expectBridging();
  await expect(checkout.id('progress-text')).toContainText('Bridging');
  await expect(checkout.id('bridging-text')).toHaveText(/^\d+ seconds? so far/);
  await page.clock.fastForward('10:00');
  await expect(checkout.id('progress-text')).toContainText('This is taking longer than usual. Your money is safe');
  await expect(checkout.id('bridging-text')).toHaveText(/^1[01] minutes so far$/);

  await page.reload();
  await ways.expectBridging();
  await checkout.expectNothingToSign();
  const second = new Checkout(await context.newPage());
  await second.open(made.securePaymentUrl);
  await second.expectState('seen');
  await second.expectNothingToSign();

  await sandbox.bridge();
  for (const tab of [checkout, second]) await tab.expectPaid();
  expect(wallet.sent.length).toBe(2);
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(dollars(10));
  const told = await webhook(demo, made.token, 'payment.confirmed');
  expect(String(told.body['payerAddress']).toLowerCase()).toBe(address.toLowerCase());
});

test('a second visitor cannot pay what is on a bridge', async ({ browser, context, page, demo, sandbox }) => {
  await sandbox.bridge({ outcome: 'stop' });
  const elsewhere = await browser.newContext();
  try {
    const two = await payerAcross(elsewhere, demo, everywhere);
    const one = await arrive(context, page, demo);
    const second = new Checkout(await elsewhere.newPage());
    // There before the money was on its way: what was prepared is taken away.
    await second.open(one.made.securePaymentUrl);
    await second.connect(two.address);
    await second.expectGo('Approve 10.00 USDC');
    await cross(one, usdcFromArbitrum);
    await second.expectState('seen');
    await second.expectNothingToSign();
    const calls = await fetch(`${demo.baseUrl}/checkout/${one.made.token}/pay?wallet=${two.address}&option=${own}`, { signal: AbortSignal.timeout(60_000) });
    expect([calls.status, (await calls.json() as { code: string }).code]).toEqual([409, 'bridging']);
    // Or only now.
    const third = new Checkout(await elsewhere.newPage());
    await third.open(one.made.securePaymentUrl);
    await third.expectState('seen');
    await third.expectNothingToSign();
    await expect(third.id('progress-title')).toHaveText('Your payment is on its way from Arbitrum One (sandbox)');
    await sandbox.bridge();
    for (const tab of [one.checkout, second, third]) await tab.expectPaid();
    expect(two.wallet.asked('eth_sendTransaction')).toBe(0);
    expect(await balanceOf(chainOf(demo, 'base'), one.made.payee, 'USDC')).toBe(dollars(10));
  } finally {
    await elsewhere.close();
  }
});

test('the bridge gives the money back: said in plain words, and paid again', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge({ outcome: 'stop' });
  const [base, arbitrum] = [chainOf(demo, 'base'), chainOf(demo, 'arbitrum-one')];
  const found = await arrive(context, page, demo);
  const { made, checkout, ways, wallet, address } = found;
  const hash = await cross(found, usdcFromArbitrum);
  await ways.expectBridging();
  await sandbox.bridge({ outcome: 'refund' });
  const { endedBy } = await sandbox.untilTransfer(hash, 'refunded');
  await ways.expectEnded('The bridge gave your money back');
  await expect(ways.id('ways-told-text')).toHaveText(
    /^Your 10\.\d+ USDC did not reach Base \(sandbox\)\. The bridge has given it back to your wallet on Arbitrum One \(sandbox\), less the fees that were taken on the way\. Nothing was paid\. You can pay again, in any way you like\.$/);
  await expect(ways.id('ways-told-link')).toHaveAttribute('href', new RegExp(`${endedBy}$`));
  // All but LI.FI's own fee, which the bridge never had.
  const deposit = BigInt(`0x${wordOf(wallet.sent[0]!.data, 1)}`);
  const back = (await balanceOf(arbitrum, address, 'USDC')) - (dollars(100) - deposit);
  expect(back).toBeGreaterThan((deposit * 99n) / 100n);

  const { body } = await webhook(demo, made.token, 'payment.refunded');
  expect(body).toMatchObject({ refundAmount: formatUnits(back, 6), currency: 'USDC', network: 'arbitrum-one', txHash: endedBy, reason: 'bridge_refunded' });
  expect(String(body['refundedTo']).toLowerCase()).toBe(address.toLowerCase());
  expect(await eventsOf(demo, made.token)).not.toContain('payment.confirmed');

  await sandbox.bridge();
  await ways.choose(own);
  await checkout.id('switch-chain').click();
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  await expect(ways.id('ways-told')).toBeHidden();
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
  const confirmed = await webhook(demo, made.token, 'payment.confirmed');
  expect(String(confirmed.body['payerAddress']).toLowerCase()).toBe(address.toLowerCase());
});

test('the payment fails on arrival: the money is the payer’s on the payment’s own chain, who pays from there', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge({ outcome: 'fail', delay: '2s' });
  const base = chainOf(demo, 'base');
  const found = await arrive(context, page, demo);
  const { made, checkout, ways, wallet, address } = found;
  const hash = await cross(found, usdtFromArbitrum);
  await sandbox.untilTransfer(hash, 'recovered');
  await ways.expectEnded('Your money arrived, but the payment did not go through');
  await expect(ways.id('ways-told-text')).toHaveText(
    'It is in your own wallet on Base (sandbox), as USDC. The recipient has not been paid. You can pay from there now.');
  expect(await balanceOf(base, address, 'USDC')).toBeGreaterThanOrEqual(dollars(110));
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(0n);
  expect((await webhook(demo, made.token, 'payment.failed')).body).toMatchObject({ subStatus: 'destination_call_failed' });
  // Still so for whoever comes back.
  await page.reload();
  await ways.expectEnded('Your money arrived, but the payment did not go through');
  await ways.choose(own);
  await checkout.id('switch-chain').click();
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
  await webhook(demo, made.token, 'payment.confirmed');
});

test('the source transaction fails: it is said, and paid again from there', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge();
  const found = await arrive(context, page, demo);
  const { made, checkout, ways, wallet } = found;
  await ways.chooseAndSwitch(usdcFromArbitrum);
  await checkout.press(/^Approve /);
  await checkout.expectGo(/^Pay /);
  // Too little for the bridge's deposit at the end of it.
  wallet.gasLimitNext(120_000n);
  await checkout.go.click();
  await ways.expectEnded('The transaction did not go through');
  await expect(ways.id('ways-told-text')).toHaveText(/^Arbitrum One \(sandbox\) refused it\. Your 10\.\d+ USDC never left your wallet; only a network fee is spent\./);
  expect((await webhook(demo, made.token, 'payment.failed')).body).toMatchObject({ subStatus: 'source_transaction_failed' });
  // Whoever hears of it first, the wallet or the server, another try is one press away.
  if (await checkout.retry.isVisible()) await checkout.retry.click();
  await ways.choose(usdcFromArbitrum);
  await checkout.press(/^Pay 10\.\d+ USDC$/);
  await checkout.expectPaid();
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(dollars(10));
});

test('an intent that never reaches the server: the settlement is seen all the same', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge({ outcome: 'stop' });
  let blocked = 0;
  await page.route(/\/checkout\/[^/]+\/intent$/, (route) => {
    blocked++;
    return route.abort();
  });
  const found = await arrive(context, page, demo);
  const { made, checkout, ways } = found;
  await ways.chooseAndSwitch(usdcFromArbitrum);
  await checkout.press(/^Approve /);
  await checkout.press(/^Pay /);
  await checkout.expectState('seen');
  await sandbox.bridge();
  await checkout.expectPaid();
  expect(blocked).toBeGreaterThan(0);
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(dollars(10));
  await webhook(demo, made.token, 'payment.confirmed');
});

test('what the routing service says is not believed: a claim that it is done pays nothing', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge({ outcome: 'stop', says: { status: 'DONE', substatus: 'COMPLETED' } });
  const found = await arrive(context, page, demo);
  const { made, checkout } = found;
  await cross(found, usdcFromArbitrum);
  await expect(checkout.id('progress-text')).toContainText('The bridge has delivered it');
  await checkout.expectState('seen');
  expect(await eventsOf(demo, made.token)).not.toContain('payment.confirmed');
  await sandbox.bridge();
  await checkout.expectPaid();
  await webhook(demo, made.token, 'payment.confirmed');
});
