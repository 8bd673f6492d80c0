// The same page with a wallet of the payer's own, and what each asset needs of it.
import { erc20Abi } from 'viem';
import { approve } from '../fixtures/byhand.ts';
import { allowanceOf, balanceOf, publicClient } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { freshAddress, order } from '../fixtures/order.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout, injectedWallet, testWallet } from '../pages/checkout.ts';

test('is found by EIP-6963, with its name and icon, beside others', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await expect(checkout.id('wallet-list').locator('button')).toHaveText(['Test Wallet', 'Sandbox wallet', 'Sandbox wallet without gas'], { useInnerText: true });
  await expect(checkout.wallet().locator('img')).toHaveAttribute('src', /^data:image\/svg/);
  expect(wallet.requests, 'a wallet is asked nothing before it is chosen').toEqual([]);

  await checkout.connect(address);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  expect(wallet.sent.map((t) => t.to)).toEqual([chain.tokens['USDC']!.address, chain.contracts.erc20FeeProxy]);
  expect(wallet.sent.map((t) => t.value)).toEqual([0n, 0n]);
  expect(await balanceOf(chain, made.payee, 'USDC')).toBe(dollars(10));
  expect(await balanceOf(chain, address, 'USDC')).toBe(dollars(90));
  expect(await allowanceOf(chain, address, chain.contracts.erc20FeeProxy, 'USDC')).toBe(0n);
  // What is only read of the chain no person sees.
  const methods = [...new Set(wallet.requests.map((r) => r.method))].filter((m) => !m.startsWith('eth_get') && m !== 'eth_call');
  expect(methods.sort(), 'nothing else is asked of a wallet').toEqual(['eth_accounts', 'eth_chainId', 'eth_requestAccounts', 'eth_sendTransaction', 'wallet_getCapabilities']);
});

test('is found as a plain window.ethereum where nothing announces itself', async ({ context, page, demo }) => {
  // The sandbox's own wallet would announce itself.
  await page.route('**/static/sandbox-wallet-*.js', (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), undefined, { announce: false, legacy: true });
  const made = await order(demo, '3.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address, injectedWallet);
  await expect(checkout.id('account-wallet')).toHaveText('Browser wallet');
  await checkout.press('Approve 3.00 USDC');
  await checkout.press('Pay 3.00 USDC');
  await checkout.expectPaid(wallet);
});

test('is missing: the page says where to find one', async ({ page, demo }) => {
  await page.route('**/static/sandbox-wallet-*.js', (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));
  const made = await order(demo, '3.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await expect(checkout.id('wallet-none')).toBeVisible();
  await expect(checkout.id('wallet-searching')).toBeHidden();
  await checkout.expectNothingToSign();
});

test('pays USDT over an old, smaller approval: reset, approve, pay', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, privateKey, wallet } = await payerWith(context, demo, chain, { native: ether / 100n, tokens: { USDT: dollars(50) } });
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDT', dollars(1));
  const made = await order(demo, '20.00', 'USDT-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Clear the old approval');
  expect(await checkout.steps()).toEqual(['reset', 'approve', 'pay']);
  await checkout.go.click();
  await checkout.press('Approve 20.00 USDT');
  await checkout.expectStep('reset', 'done');
  await checkout.press('Pay 20.00 USDT');
  await checkout.expectPaid(wallet);
  expect(wallet.sent.length).toBe(3);
  expect(await balanceOf(chain, made.payee, 'USDT')).toBe(dollars(20));
  expect(await balanceOf(chain, address, 'USDT')).toBe(dollars(30));
  expect(await allowanceOf(chain, address, chain.contracts.erc20FeeProxy, 'USDT')).toBe(0n);
});

test('pays USDT without an old approval in two steps', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'arbitrum-one');
  const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 100n, tokens: { USDT: dollars(50) } });
  const made = await order(demo, '0.000001', 'USDT-arbitrum-one');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Approve 0.000001 USDT');
  await checkout.press('Pay 0.000001 USDT');
  await checkout.expectPaid(wallet);
  expect(await balanceOf(chain, made.payee, 'USDT')).toBe(1n);
});

test('pays USDC over an approval that is large enough in one step', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, privateKey, wallet } = await payerWith(context, demo, chain);
  await approve(chain, privateKey, chain.contracts.erc20FeeProxy, 'USDC', dollars(30));
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Pay 10.00 USDC');
  expect(await checkout.steps()).toEqual(['pay']);
  await checkout.go.click();
  await checkout.expectPaid(wallet);
  expect(wallet.sent.length).toBe(1);
});

test('pays ether in one step', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 10n });
  const made = await order(demo, '0.012345678901234567', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await expect(checkout.id('amount')).toHaveText('0.012345678901234567 ETH');
  await checkout.connect(address);
  await checkout.expectGo('Pay 0.012345678901234567 ETH');
  expect(await checkout.steps()).toEqual(['pay']);
  await checkout.go.click();
  await checkout.expectPaid(wallet);
  expect(wallet.sent.map(({ to, value }) => ({ to, value }))).toEqual([{ to: chain.contracts.ethFeeProxy, value: 12345678901234567n }]);
  expect(await balanceOf(chain, made.payee)).toBe(12345678901234567n);
  const receipt = await publicClient(chain).getTransactionReceipt({ hash: wallet.sent[0]!.hash });
  expect(await balanceOf(chain, address)).toBe(ether / 10n - 12345678901234567n - receipt.gasUsed * receipt.effectiveGasPrice);
});

for (const [currency, symbol] of [['USDC-base', 'USDC'], ['ETH-base', undefined]] as const) {
  test(`pays a fee on top to its own address: ${currency}`, async ({ context, page, demo }) => {
    const chain = chainOf(demo, 'base');
    const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 10n, tokens: { USDC: dollars(100) } });
    const feeAddress = freshAddress();
    const made = await order(demo, symbol ? '40.00' : '0.04', currency, { feePercentage: '2.5', feeAddress });
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    const [amount, fee, total] = symbol ? ['40.00 USDC', '1.00 USDC', '41.00 USDC'] : ['0.04 ETH', '0.001 ETH', '0.041 ETH'];
    await expect(checkout.id('amount')).toHaveText(amount!);
    await expect(checkout.id('fee')).toHaveText(fee!);
    await expect(checkout.id('total')).toHaveText(total!);
    await checkout.connect(address);
    if (symbol) await checkout.press(`Approve ${total}`);
    await checkout.press(`Pay ${total}`);
    await checkout.expectPaid(wallet);
    const unit = symbol ? dollars(1) : ether / 1000n;
    expect(await balanceOf(chain, made.payee, symbol)).toBe(40n * unit);
    expect(await balanceOf(chain, feeAddress, symbol)).toBe(unit);
    if (symbol) expect(await balanceOf(chain, address, 'USDC')).toBe(dollars(59));
    const told = await webhook(demo, made.token, 'payment.confirmed');
    expect(told.body['fees']).toEqual([{ type: 'platform', amount: symbol ? '1' : '0.001', currency: symbol ?? 'ETH' }]);
  });
}

test('shows each call decoded before it is signed', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Approve 10.00 USDC');
  await checkout.id('advanced').locator('summary').click();
  const calls = checkout.id('advanced-calls').locator('.call');
  await expect(calls).toHaveCount(2);
  await expect(calls.nth(0)).toContainText(chain.tokens['USDC']!.address);
  await expect(calls.nth(0)).toContainText('approve(address,uint256)');
  await expect(calls.nth(0)).toContainText(chain.contracts.erc20FeeProxy);
  await expect(calls.nth(1)).toContainText('official ERC20FeeProxy 0.2.0');
  await expect(calls.nth(1)).toContainText(made.payee);
  await expect(calls.nth(1)).toContainText('10000000');
  const data = await calls.nth(1).locator('dd').last().textContent();
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectUnderway();
  expect(wallet.sent[1]?.data, 'what is shown is what is signed').toBe(data);
});

test('is remembered over a reload of the tab, without asking again', async ({ context, page, demo }) => {
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'));
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Approve 10.00 USDC');
  await page.reload();
  await checkout.expectGo('Approve 10.00 USDC');
  expect(wallet.asked('eth_requestAccounts')).toBe(1);
  await checkout.id('account-change').click();
  await expect(checkout.wallet(testWallet)).toBeVisible();
  await page.reload();
  await expect(checkout.wallet(testWallet)).toBeVisible();
  await expect(checkout.id('account')).toBeHidden();
});

test('moves the money with the exact event that the merchant’s books rely on', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectUnderway();
  const receipt = await publicClient(chain).waitForTransactionReceipt({ hash: wallet.sent[1]!.hash });
  const moved = await publicClient(chain).getContractEvents({
    address: chain.tokens['USDC']!.address, abi: erc20Abi, eventName: 'Transfer', fromBlock: receipt.blockNumber, toBlock: receipt.blockNumber,
    args: { from: address },
  });
  expect(moved.map((e) => e.args)).toEqual([{ from: address, to: made.payee, value: dollars(10) }]);
});
