// The kits of smart accounts in the browser, under the page's own rules: each is fetched
// at the first payment, from this site, and talks to nobody but the wallet and the server.
import { balanceOf, publicClient } from '../fixtures/chain.ts';
import { type RunningDemo, chainOf, startDemo } from '../fixtures/demo.ts';
import { order } from '../fixtures/order.ts';
import { dollars, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Checkout } from '../pages/checkout.ts';
import { Gasless } from '../pages/gasless.ts';

for (const [kind, chunk, signs] of [
  ['light-account-2.0.0', 'kit-light', ['eth_signTypedData_v4', 'personal_sign']],
  ['safe-4337-0.3.0', 'kit-safe', ['eth_signTypedData_v4', 'eth_signTypedData_v4']],
] as const) {
  test.describe(kind, () => {
    let demo: RunningDemo;

    test.beforeEach(async ({}, info) => {
      demo = await startDemo(`kit-${info.testId}`, ['--account', kind]);
    });
    test.afterEach(async ({ page }) => {
      await page.goto('about:blank');
      await demo.stop();
    });

    test('deploys the account and pays, then pays from it again', async ({ context, page }) => {
      test.setTimeout(240_000);
      const base = chainOf(demo, 'base');
      const payer = await payerWith(context, demo, base, { tokens: { USDC: dollars(25) } });
      const asked: string[] = [];
      page.on('request', (r) => asked.push(r.url()));
      const chunks = () => asked.filter((url) => new RegExp(`/static/kit-[a-z]+-[0-9a-f]{12}\\.js$`).test(url));
      const checkout = new Checkout(page);
      const gas = new Gasless(checkout);

      for (const paid of [1, 2]) {
        asked.length = 0;
        const made = await order(demo, '10.00');
        await checkout.open(made.securePaymentUrl);
        // The tab remembers the wallet.
        if (paid === 1) await checkout.connect(payer.address);
        await expect(gas.way('op_permit')).toBeChecked();
        const account = await gas.id('gasless-account').getAttribute('title');
        expect(chunks(), 'before it is needed').toEqual([]);
        payer.wallet.requests.length = 0;
        await checkout.press('Pay 10.00 USDC without gas');
        await checkout.expectPaid();
        expect(chunks()).toEqual([expect.stringContaining(`${demo.baseUrl}/static/${chunk}-`)]);
        expect(asked.filter((url) => !url.startsWith(`${demo.baseUrl}/`) && !url.startsWith('data:')), 'asked of others').toEqual([]);
        expect(payer.wallet.requests.map((r) => r.method).filter((m) => /sign|send/i.test(m))).toEqual([...signs]);
        await expect(checkout.id('payer')).toHaveText(account!);
        expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
        expect(await balanceOf(base, payer.address, 'USDC')).toBe(dollars(25 - 10 * paid));
        expect((await publicClient(base).getCode({ address: account as `0x${string}` }))?.length).toBeGreaterThan(2);
      }
      expect(await balanceOf(base, payer.address)).toBe(0n);
      expect(payer.wallet.sent).toEqual([]);
    });
  });
}
