// Paying with what the wallet holds elsewhere: from another network, with
// another token, and still on the payment's own chain.
import { getPayment, routeSpender } from '../fixtures/api.ts';
import { approve, payByHand } from '../fixtures/byhand.ts';
import { allowanceOf, balanceOf } from '../fixtures/chain.ts';
import { type Crossing, arrive, cross, gas, onlyThere } from '../fixtures/crossing.ts';
import { chainOf } from '../fixtures/demo.ts';
import { order, referenceOf } from '../fixtures/order.ts';
import { phone } from '../fixtures/page.ts';
import { dollars } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout, sandboxWallet } from '../pages/checkout.ts';
import { Gasless } from '../pages/gasless.ts';
import { Ways, acrossWords, own, sameChainWords, usdcFromArbitrum, usdtFromArbitrum, usdtOnBase } from '../pages/ways.ts';

test('pays on the same chain although there are other ways', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const { made, checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.looked('3 other ways');
  await expect(ways.words).toHaveText(sameChainWords);
  await expect(ways.id('ways-chosen')).toHaveText('USDC on Base (sandbox)');
  await ways.open();
  // The cheapest first.
  expect(await ways.listed()).toEqual({ enough: [own, usdtOnBase, usdcFromArbitrum, usdtFromArbitrum], short: [] });
  await ways.expectChosen(own);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  expect(wallet.sent.every((t) => t.chainId === base.chainId)).toBe(true);
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
});

test('pays from the other chain with USDC', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge({ outcome: 'stop' });
  const [base, arbitrum] = [chainOf(demo, 'base'), chainOf(demo, 'arbitrum-one')];
  const { made, checkout, ways, address, wallet } = await arrive(context, page, demo);
  await ways.choose(usdcFromArbitrum);
  await expect(ways.words).toHaveText(acrossWords);
  await expect(ways.id('ways-chosen')).toHaveText('USDC on Arbitrum One (sandbox)');
  await expect(checkout.id('wrong-chain')).toContainText('You have chosen to pay from Arbitrum One (sandbox).');
  await checkout.expectNothingToSign();
  await checkout.id('switch-chain').click();
  await checkout.expectGo(/^Approve 10\.\d+ USDC$/);
  const least = /^([\d.]+) USDC$/.exec((await ways.term('At least this arrives').textContent()) ?? '')?.[1];
  expect(Number(least)).toBeGreaterThanOrEqual(10);
  await expect(ways.term('Bridge')).toHaveText('Across');
  await checkout.go.click();
  await checkout.press(/^Pay 10\.\d+ USDC$/);
  await ways.expectBridging();
  await expect(checkout.id('progress-text')).toContainText('Do not pay again.');
  await sandbox.bridge();
  await checkout.expectPaid();
  await expect(checkout.id('success-given')).toHaveText(/^10\.\d+ USDC on Arbitrum One \(sandbox\)$/);
  await expect(checkout.id('success-given-link')).toBeVisible();
  expect(wallet.sent.map((t) => t.chainId)).toEqual([arbitrum.chainId, arbitrum.chainId]);
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
  expect(await balanceOf(base, address, 'USDC'), 'nothing left the wallet here').toBeGreaterThanOrEqual(dollars(100));
  const spent = dollars(100) - (await balanceOf(arbitrum, address, 'USDC'));
  expect(spent).toBeGreaterThan(dollars(10));
  expect(spent, 'the fees').toBeLessThan(dollars(10.1));
  expect(await allowanceOf(arbitrum, address, wallet.sent[1]!.to!, 'USDC'), 'nothing stays approved').toBe(0n);

  // Who paid is who signed, on the other chain.
  const told = await webhook(demo, made.token, 'payment.confirmed');
  expect(told.body).toMatchObject({ amount: '10', currency: 'USDC', network: 'base' });
  expect(String(told.body['payerAddress']).toLowerCase()).toBe(address.toLowerCase());
  expect((await getPayment(demo, made.token)).body).toMatchObject({ status: 'completed' });
});

test('pays from the other chain with USDT, which has an old allowance to clear first', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge();
  const arbitrum = chainOf(demo, 'arbitrum-one');
  const found = await arrive(context, page, demo);
  const { made, checkout, ways, address, privateKey, wallet } = found;
  const spender = await routeSpender(demo, made.token, address, arbitrum, 'USDT');
  await approve(arbitrum, privateKey, spender, 'USDT', 5n);
  await ways.chooseAndSwitch(usdtFromArbitrum);
  await checkout.expectGo('Clear the old approval');
  expect(await checkout.steps()).toEqual(['reset', 'approve', 'pay']);
  await checkout.go.click();
  await checkout.press(/^Approve 10\.\d+ USDT$/);
  await checkout.press(/^Pay 10\.\d+ USDT$/);
  await checkout.expectPaid();
  expect(wallet.sent.length).toBe(3);
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(dollars(10));
  expect(await allowanceOf(arbitrum, address, spender, 'USDT')).toBe(0n);
});

test('pays a demo’s payment from Arbitrum with USDT and nothing installed', async ({ page, demo, sandbox }) => {
  await sandbox.bridge({ outcome: 'stop' });
  const made = await order(demo, '32.00');
  const checkout = new Checkout(page);
  const ways = new Ways(checkout);
  await checkout.open(made.securePaymentUrl);
  await checkout.wallet(sandboxWallet).click();
  await checkout.id('sandbox-confirm').click();
  await ways.choose(usdtFromArbitrum);
  await checkout.id('switch-chain').click();
  await expect(checkout.id('sandbox-dialog').or(checkout.go).filter({ visible: true }).first()).toBeVisible();
  if (await checkout.id('sandbox-dialog').isVisible()) await checkout.id('sandbox-confirm').click();
  // Others of this worker's demo may have left an allowance of the one payer there is.
  for (const words of (await checkout.expectGo(/^(Clear|Approve|Pay) /), await checkout.steps())) {
    await checkout.press({ reset: 'Clear the old approval', approve: /^Approve 32\.\d+ USDT$/ }[words ?? ''] ?? /^Pay 32\.\d+ USDT$/);
    await checkout.id('sandbox-confirm').click();
  }
  await ways.expectBridging();
  await sandbox.bridge();
  await checkout.expectPaid();
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(dollars(32));
  const told = await webhook(demo, made.token, 'payment.confirmed');
  expect(String(told.body['payerAddress']).toLowerCase()).toBe(demo.payer.address.toLowerCase());
});

test('pays with another token of the same chain: exchanged first, then paid', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const { made, checkout, ways, address, wallet } = await arrive(context, page, demo, { purses: { base: { ...gas, tokens: { USDT: dollars(100) } } } });
  await ways.looked('No other way');
  await expect(ways.id('ways-chosen')).toHaveText('USDT on Base (sandbox)');
  await expect(ways.words).toContainText('Your USDT is exchanged for USDC first, via Li.Fi, in your own wallet');
  await checkout.expectGo(/^Approve 10\.\d+ USDT$/);
  expect(await checkout.steps()).toEqual(['approve', 'swap', 'approve', 'pay']);
  await checkout.go.click();
  await checkout.press(/^Exchange 10\.\d+ USDT$/);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  expect(wallet.sent.every((t) => t.chainId === base.chainId)).toBe(true);
  expect(await balanceOf(base, made.payee, 'USDC')).toBe(dollars(10));
  const spent = dollars(100) - (await balanceOf(base, address, 'USDT'));
  expect(spent).toBeLessThan(dollars(10.1));
  const told = await webhook(demo, made.token, 'payment.confirmed');
  expect(String(told.body['payerAddress']).toLowerCase()).toBe(address.toLowerCase());
});

test('holds enough only on the other chain: that is suggested, and what is short is listed as such', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge();
  const purses = { base: { ...gas, tokens: { USDC: dollars(4) } }, 'arbitrum-one': { ...gas, tokens: { USDC: dollars(2), USDT: dollars(50) } } };
  const { made, checkout, ways } = await arrive(context, page, demo, { purses });
  await ways.looked('No other way');
  await expect(ways.id('ways-chosen')).toHaveText('USDT on Arbitrum One (sandbox)');
  await ways.open();
  await expect(ways.id('ways-less-title')).toHaveText('Not enough in this wallet (3)');
  await ways.id('ways-less-title').click();
  await expect(ways.short(own)).toContainText('You have 4.00 USDC');
  await expect(ways.short(usdcFromArbitrum)).toContainText('You have 2.00 USDC');
  expect((await ways.listed()).short.sort()).toEqual([own, usdcFromArbitrum, usdtOnBase].sort());
  await checkout.id('switch-chain').click();
  await checkout.press(/^Approve 10\.\d+ USDT$/);
  await checkout.press(/^Pay 10\.\d+ USDT$/);
  await checkout.expectPaid();
  expect(await balanceOf(chainOf(demo, 'base'), made.payee, 'USDC')).toBe(dollars(10));
});

test('holds nothing anywhere: says so, and finds what is added', async ({ context, page, demo }) => {
  const { checkout, ways, wallet } = await arrive(context, page, demo, { purses: { base: gas } });
  await ways.looked('No other way');
  await ways.open();
  await expect(ways.id('ways-none')).toHaveText('Nothing in this wallet is enough for this payment. You can add to it, or choose another wallet.');
  expect((await ways.listed()).short.length).toBe(4);
  await expect(checkout.id('funds-missing')).toContainText('10.00 USDC is missing');
  await checkout.expectNothingToSign();
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
});

test('a dollar or less is not carried across', async ({ context, page, demo }) => {
  const { checkout, ways } = await arrive(context, page, demo, { amount: '1.00' });
  await ways.looked('1 other way');
  await ways.open();
  expect((await ways.listed()).enough).toEqual([own, usdtOnBase]);
  await expect(ways.notes).toContainText('Payments of 1 USD or less cannot be made from another network.');
  await checkout.expectGo('Approve 1.00 USDC');
});

test.describe('the wallet', () => {
  const choose = async ({ ways }: Crossing) => ways.choose(usdcFromArbitrum);

  test('refuses to switch the network: another way is still open', async ({ context, page, demo }) => {
    const found = await arrive(context, page, demo);
    const { checkout, ways, wallet } = found;
    await choose(found);
    wallet.switching = 'reject';
    await checkout.id('switch-chain').click();
    await checkout.expectNotice('You declined in your wallet. Nothing was paid.', 'info');
    await expect(checkout.id('wrong-chain')).toBeVisible();
    await checkout.expectNothingToSign();
    wallet.switching = 'ignore';
    await checkout.retry.click();
    await checkout.expectNotice('Your wallet is still on another network', 'warn');
    await ways.choose(own);
    await expect(checkout.id('wrong-chain')).toBeHidden();
    await checkout.press('Approve 10.00 USDC');
    await checkout.press('Pay 10.00 USDC');
    await checkout.expectPaid(wallet);
  });

  test('does not know the network: it is added, and then paid from', async ({ context, page, demo, sandbox }) => {
    await sandbox.bridge();
    const arbitrum = chainOf(demo, 'arbitrum-one');
    const found = await arrive(context, page, demo, { wallet: { knows: [chainOf(demo, 'base').chainId] } });
    const { checkout, wallet } = found;
    await cross(found, usdcFromArbitrum);
    const added = wallet.requests.find((r) => r.method === 'wallet_addEthereumChain');
    expect(added?.params).toMatchObject([{
      chainId: `0x${arbitrum.chainId.toString(16)}`, chainName: 'Arbitrum One (sandbox)', rpcUrls: [arbitrum.rpcUrl],
      nativeCurrency: { name: 'Sandbox Ether', symbol: 'ETH', decimals: 18 },
    }]);
    await checkout.expectPaid();
  });

  test('is answered no when it shows the transaction: nothing is sent, then it is', async ({ context, page, demo, sandbox }) => {
    await sandbox.bridge();
    const found = await arrive(context, page, demo);
    const { checkout, ways, wallet } = found;
    await ways.chooseAndSwitch(usdcFromArbitrum);
    await checkout.press(/^Approve /);
    await checkout.expectGo(/^Pay /);
    wallet.rejectNext('eth_sendTransaction');
    await checkout.go.click();
    await checkout.expectNotice('You declined in your wallet. Nothing was paid.', 'info');
    expect(wallet.sent.length).toBe(1);
    await checkout.expectState('open');
    await checkout.press(/^Pay /);
    await checkout.expectPaid();
    expect(wallet.sent.length).toBe(2);
  });

  test('has nothing for the network fee there: what is missing is named', async ({ context, page, demo }) => {
    const found = await arrive(context, page, demo, { purses: { base: { ...gas, tokens: { USDC: dollars(1) } }, 'arbitrum-one': { tokens: { USDC: dollars(50) } } } });
    const { checkout, ways } = found;
    await ways.looked('No other way');
    await expect(ways.id('ways-chosen')).toHaveText('USDC on Arbitrum One (sandbox)');
    await checkout.id('switch-chain').click();
    // Somebody would pay for gas here: that is gone without by choice.
    await new Gasless(checkout).pick('plain');
    await expect(checkout.id('funds-missing')).toHaveText(/^You need about 0\.\d+ ETH more on Arbitrum One \(sandbox\) for the network fee\./);
    await checkout.expectNothingToSign();
  });
});

test('somebody else pays while the choice is open: nothing more can be signed', async ({ context, page, demo }) => {
  const base = chainOf(demo, 'base');
  const { made, checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.choose(usdcFromArbitrum);
  const reference = await referenceOf(demo, made.token);
  await approve(base, demo.payer.privateKey, base.contracts.erc20FeeProxy, 'USDC');
  const hash = await payByHand({ chain: base, privateKey: demo.payer.privateKey, payee: made.payee, amount: dollars(10), reference, symbol: 'USDC' });
  await checkout.expectPaid(hash);
  await checkout.expectNothingToSign();
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
});

test('a choice survives a reload', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge();
  const found = await arrive(context, page, demo);
  const { checkout, ways } = found;
  await ways.chooseAndSwitch(usdcFromArbitrum);
  await checkout.press(/^Approve /);
  await checkout.expectGo(/^Pay 10\.\d+ USDC$/);
  await page.reload();
  await ways.looked();
  await expect(ways.id('ways-chosen')).toHaveText('USDC on Arbitrum One (sandbox)');
  await checkout.expectGo(/^Pay 10\.\d+ USDC$/);
  expect(await checkout.steps()).toEqual(['pay']);
  await checkout.go.click();
  await checkout.expectPaid();
});

test('a wallet that holds other things is looked into anew', async ({ context, page, demo }) => {
  const { checkout, ways, wallet } = await arrive(context, page, demo, { purses: onlyThere });
  await ways.looked('1 other way');
  await expect(checkout.id('wrong-chain')).toBeHidden();
  await expect(ways.id('ways-chosen')).toHaveText('USDC on Arbitrum One (sandbox)');
  await wallet.disconnect();
  await expect(checkout.wallet()).toBeVisible();
  await expect(ways.id('ways')).toBeHidden();
  await checkout.expectNothingToSign();
});

test.describe('on a phone', () => {
  test.use({ viewport: phone, hasTouch: true, isMobile: true });

  test('chooses and pays from the other chain, without scrolling sideways', async ({ context, page, demo, sandbox }) => {
    await sandbox.bridge();
    const found = await arrive(context, page, demo, { purses: onlyThere });
    const { checkout, ways } = found;
    await ways.looked('1 other way');
    await ways.open();
    await ways.way(usdtFromArbitrum).tap();
    await ways.expectChosen(usdtFromArbitrum);
    await checkout.press(/^Approve 10\.\d+ USDT$/);
    await checkout.press(/^Pay 10\.\d+ USDT$/);
    await checkout.expectPaid();
    const { content, window } = await page.evaluate(() => ({ content: document.documentElement.scrollWidth, window: document.documentElement.clientWidth }));
    expect(content).toBeLessThanOrEqual(window);
  });
});

test('by keyboard alone', async ({ context, page, demo, sandbox }) => {
  await sandbox.bridge();
  const { checkout, ways, wallet } = await arrive(context, page, demo);
  await ways.looked();
  const to = async (locator: ReturnType<typeof checkout.id>, key = 'Tab') => {
    for (let i = 0; i < 40 && !(await locator.evaluate((el) => el === document.activeElement)); i++) await page.keyboard.press(key);
    await expect(locator).toBeFocused();
  };
  await to(ways.id('ways-summary'));
  await page.keyboard.press('Enter');
  await to(ways.way(own).locator('input'));
  // Arrow keys choose, and the focus stays with what is chosen.
  for (const id of [usdtOnBase, usdcFromArbitrum]) {
    await page.keyboard.press('ArrowDown');
    await ways.expectChosen(id);
    await expect(ways.way(id).locator('input')).toBeFocused();
  }
  await to(checkout.id('switch-chain'));
  await page.keyboard.press('Enter');
  await checkout.expectGo(/^Approve /);
  await to(checkout.go);
  await page.keyboard.press('Enter');
  await checkout.expectGo(/^Pay /);
  await to(checkout.go);
  // Where the focus goes while it is on its way is over soon.
  await page.evaluate(() => {
    const been: string[] = [];
    (window as unknown as { focused: string[] }).focused = been;
    document.addEventListener('focusin', (e) => been.push((e.target as HTMLElement).dataset['testid'] ?? ''));
  });
  await page.keyboard.press('Enter');
  await checkout.expectPaid();
  expect(await page.evaluate(() => (window as unknown as { focused: string[] }).focused)).toContain('progress-title');
  await expect(checkout.id('success-title')).toBeFocused();
  expect(wallet.sent.length).toBe(2);
});
