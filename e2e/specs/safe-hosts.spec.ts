// Around the checkout is a page that may be anybody's: an app that lies, one that
// is silent, one that may not frame it; and a wallet that holds a Safe.
import { type Answers, Stranger, details, honest, playHost } from '../fixtures/played-host.ts';
import { getPayment } from '../fixtures/api.ts';
import { publicClient, tokenOf } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { Multisig, type SafeCall } from '../fixtures/multisig.ts';
import { freshAddress, order } from '../fixtures/order.ts';
import { expectAccessibleInBothSchemes, photograph } from '../fixtures/page.ts';
import { injectProvider } from '../fixtures/provider.ts';
import { expect, test } from '../fixtures/test.ts';
import { Checkout } from '../pages/checkout.ts';

test.beforeEach(async ({ demo }) => {
  await new Multisig(demo).clear();
});

test('an honest app of any make is paid from', async ({ page, demo }) => {
  const made = await order(demo, '10.00');
  const safe = new Multisig(demo);
  const checkout = await playHost(page, demo, made.securePaymentUrl, honest(demo));
  await checkout.press('Propose to your Safe');
  await expect(checkout.id('safe-signed-text')).toHaveText('1 of 2 signatures');
  const [mine] = await safe.transactions();
  await safe.sign(mine!.safeTxHash, 2);
  await safe.execute(mine!.safeTxHash);
  await checkout.expectPaid();
});

// What the app says it has proposed is not what it was asked for.
const lies: Record<string, (app: Answers, safe: Multisig, elsewhere: SafeCall) => void> = {
  'proposes other calls': (app, safe, elsewhere) => {
    app['sendTransactions'] = async () => ({ safeTxHash: (await safe.propose([elsewhere])).safeTxHash });
  },
  'adds a call of its own': (app, safe, elsewhere) => {
    app['sendTransactions'] = async ({ txs }: { txs: SafeCall[] }) => ({ safeTxHash: (await safe.propose([...txs, elsewhere])).safeTxHash });
  },
  'shows the right calls behind another hash': (app, safe, elsewhere) => {
    let right: SafeCall[] = [];
    app['sendTransactions'] = async ({ txs }: { txs: SafeCall[] }) => {
      right = txs;
      return { safeTxHash: (await safe.propose([elsewhere])).safeTxHash };
    };
    app['getTxBySafeTxHash'] = async ({ safeTxHash }: { safeTxHash: string }) => {
      const shown = details(await safe.propose(right));
      shown['detailedExecutionInfo'].safeTxHash = safeTxHash;
      return shown;
    };
  },
};

for (const [name, lie] of Object.entries(lies)) {
  test(`an app that ${name} is refused`, async ({ page, demo }) => {
    const made = await order(demo, '10.00');
    const [app, safe, base] = [honest(demo), new Multisig(demo), chainOf(demo, 'base')];
    const thief = freshAddress().slice(2).toLowerCase().padStart(64, '0');
    lie(app, safe, { to: tokenOf(base, 'USDC'), value: '0', data: `0xa9059cbb${thief}${(10_000_000).toString(16).padStart(64, '0')}` });
    const checkout = await playHost(page, demo, made.securePaymentUrl, app);
    await checkout.press('Propose to your Safe');
    await checkout.expectState('unsafe');
    await expect(checkout.id('unsafe')).toContainText('Do not sign this transaction.');
    await checkout.expectNothingToSign();
    await photograph(page, `safe-lie-${name.replaceAll(' ', '-')}`);
    // Nobody else is kept from paying by it.
    expect((await getPayment(demo, made.token)).status).toBe(200);
  });
}

test('an app that never answers leaves the other wallets', async ({ page, demo }) => {
  const made = await order(demo, '10.00');
  const checkout = await playHost(page, demo, made.securePaymentUrl, { getSafeInfo: () => new Promise(() => undefined) });
  await expect(checkout.id('safe-account-title')).toHaveText('The page around this one does not answer');
  await expect(checkout.wallet('dev.quittance.sandbox')).toBeVisible();
  await photograph(page, 'safe-mute');
});

test('an origin that is not listed cannot frame the page', async ({ page, demo, guard }) => {
  guard.allow(/frame-ancestors/i);
  const refused: string[] = [];
  page.on('console', (message) => /frame-ancestors/i.test(message.text()) && refused.push(message.text()));
  const made = await order(demo, '10.00');
  const stranger = new Stranger();
  try {
    await page.goto(await stranger.framing(made.securePaymentUrl));
    await expect.poll(() => refused).toHaveLength(1);
    const [, frame] = page.frames();
    expect(frame!.url()).toMatch(/^chrome-error:/);
    await expect(frame!.getByTestId('qt')).toHaveCount(0);
  } finally {
    await stranger.stop();
  }
});

test('a wallet whose account is a Safe proposes one batch', async ({ page, context, demo }) => {
  const made = await order(demo, '10.00');
  const safe = new Multisig(demo);
  const proposed: SafeCall[][] = [];
  const chainId = `0x${safe.chain.chainId.toString(16)}`;
  await injectProvider(context, { info: { uuid: '9b1f5bd4-5c8e-4a6e-9a4b-6f1a2b3c4d5e', name: 'Multisig over a link', icon: '', rdns: 'test.multisig' }, binding: 'multisigWallet', announce: true, legacy: false }, async (method, params) => {
    const [first] = params as [any];
    switch (method) {
      case 'eth_requestAccounts':
      case 'eth_accounts':
        return { result: [safe.address] };
      case 'eth_chainId':
        return { result: chainId };
      case 'wallet_getCapabilities':
        return { result: { [chainId]: { atomic: { status: 'supported' } } } };
      case 'wallet_sendCalls': {
        expect(first).toMatchObject({ from: safe.address, chainId, atomicRequired: true });
        const calls = (first.calls as SafeCall[]).map((c) => ({ to: c.to, value: BigInt(c.value ?? 0).toString(), data: c.data }));
        proposed.push(calls);
        return { result: { id: (await safe.propose(calls, { owner: 3 })).safeTxHash } };
      }
    }
    if (!/^eth_(call|get|estimate|gasPrice|blockNumber|feeHistory)/.test(method)) return { error: { code: 4200, message: `no ${method}` } };
    try {
      return { result: await publicClient(safe.chain).request({ method, params } as never) };
    } catch (err) {
      return { error: { code: -32000, message: String(err) } };
    }
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(safe.address, 'test.multisig');
  await expect(checkout.id('safe-account-title')).toHaveText('You pay from a Safe: 2 of 3 owners must sign');
  await checkout.press('Propose to your Safe');
  await checkout.expectState('seen');
  await expect(checkout.id('progress-title')).toHaveText('Waiting for signatures');
  await expect(checkout.id('safe-untold')).toBeVisible();
  await expectAccessibleInBothSchemes(page);
  await photograph(page, 'safe-wallet-waiting');
  expect(proposed).toHaveLength(1);
  expect(proposed[0]).toHaveLength(2);
  const [mine] = await safe.transactions();
  await safe.sign(mine!.safeTxHash, 1);
  await safe.execute(mine!.safeTxHash);
  await checkout.expectPaid();
});
