// A payer who says no in the wallet, or whose wallet does not answer, has lost
// nothing and can go on.
import { balanceOf } from '../fixtures/chain.ts';
import { chainOf } from '../fixtures/demo.ts';
import { order } from '../fixtures/order.ts';
import { dollars, payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { errors } from '../fixtures/wallet.ts';
import { Checkout, sandboxWallet } from '../pages/checkout.ts';

const declined = 'You declined in your wallet. Nothing was paid.';

test('declines at every step, and pays in the end', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);

  wallet.rejectNext('eth_requestAccounts');
  await checkout.wallet().click();
  await checkout.expectNotice(declined, 'info');
  await expect(checkout.id('account')).toBeHidden();
  await checkout.retry.click();
  await expect(checkout.id('account-address')).toHaveText(address);
  await expect(checkout.notice).toBeHidden();

  wallet.rejectNext('eth_sendTransaction');
  await checkout.press('Approve 10.00 USDC');
  await checkout.expectNotice(declined, 'info');
  await checkout.expectStep('approve', 'active');
  await checkout.retry.click();

  await checkout.expectGo('Pay 10.00 USDC');
  wallet.rejectNext('eth_sendTransaction');
  await checkout.go.click();
  await checkout.expectNotice(declined, 'info');
  await checkout.expectStep('pay', 'active');
  // The main button works as well as the notice's.
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  expect(wallet.sent.length).toBe(2);
  expect(await balanceOf(chain, made.payee, 'USDC')).toBe(dollars(10));
});

for (const [name, error] of [
  ['as MetaMask words it', { code: 4001, message: 'MetaMask Tx Signature: User denied transaction signature.' }],
  ['as ethers wraps it', { code: -32603, message: 'user rejected action (action="sendTransaction", reason="rejected", code=ACTION_REJECTED)' }],
  ['as WalletConnect says it', { code: 5000, message: 'User rejected methods.' }],
] as const) {
  test(`understands a no ${name}`, async ({ page, demo, wallet }) => {
    const made = await order(demo, '10.00');
    const checkout = new Checkout(page);
    await checkout.open(made.securePaymentUrl);
    await checkout.connect(wallet.address);
    await checkout.expectGo('Approve 10.00 USDC');
    wallet.failNext(error, 'eth_sendTransaction');
    await checkout.go.click();
    await checkout.expectNotice(declined, 'info');
    await checkout.expectGo('Approve 10.00 USDC');
  });
}

test('says so when the wallet already asks something, or breaks', async ({ page, demo, wallet }) => {
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  wallet.failNext(errors.alreadyPending, 'eth_requestAccounts');
  await checkout.wallet().click();
  await checkout.expectNotice('Your wallet is already asking you something', 'info');
  await checkout.retry.click();
  await checkout.expectGo('Approve 10.00 USDC');
  wallet.failNext({ code: -32603, message: 'Internal JSON-RPC error.' }, 'eth_sendTransaction');
  await checkout.go.click();
  await checkout.expectNotice('Your wallet reported a problem', 'error');
  await checkout.expectStep('approve', 'failed');
  await checkout.expectGo('Approve 10.00 USDC');
});

test('changes to another wallet while one still asks', async ({ context, page, demo }) => {
  const { wallet } = await payerWith(context, demo, chainOf(demo, 'base'));
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  wallet.hold();
  await checkout.wallet().click();
  const question = await wallet.question('eth_requestAccounts');
  await checkout.wallet(sandboxWallet).click();
  await checkout.id('sandbox-confirm').click();
  await expect(checkout.id('account-address')).toHaveText(demo.payer.address);
  question.reject();
  await checkout.expectGo('Approve 10.00 USDC');
  await expect(checkout.notice).toBeHidden();
  await expect(checkout.id('account-address')).toHaveText(demo.payer.address);
});

test('waits for a wallet that does not answer a connection, and says what to do', async ({ page, demo, wallet }) => {
  await page.clock.install();
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  wallet.hold();
  await checkout.wallet().click();
  await wallet.question('eth_requestAccounts');
  await page.clock.fastForward(91_000);
  await checkout.expectNotice('Your wallet has not answered', 'warn');
});

test('waits for a wallet that does not answer a payment; a late yes still counts, once', async ({ context, page, demo }) => {
  await page.clock.install();
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, { native: 10n ** 17n });
  const made = await order(demo, '0.01', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  wallet.hold();
  await checkout.press('Pay 0.01 ETH');
  const question = await wallet.question('eth_sendTransaction');
  await expect(checkout.go).toHaveText('Confirm in your wallet…');
  await expect(checkout.go).toBeDisabled();
  await page.clock.fastForward(61_000);
  await checkout.expectNotice('Your wallet has not answered yet', 'warn');
  await expect(checkout.retry).toHaveText('Start again');
  question.approve();
  await checkout.expectPaid(wallet);
  expect(wallet.asked('eth_sendTransaction')).toBe(1);
  expect(await balanceOf(chain, made.payee)).toBe(10n ** 16n);
});

test('starts again after a wallet that lost the question', async ({ context, page, demo }) => {
  await page.clock.install();
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, { native: 10n ** 17n });
  const made = await order(demo, '0.01', 'ETH-base');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  wallet.hold();
  await checkout.press('Pay 0.01 ETH');
  const lost = await wallet.question('eth_sendTransaction');
  await page.clock.fastForward(61_000);
  await checkout.expectNotice('Your wallet has not answered yet', 'warn');
  await checkout.retry.click();
  await checkout.expectGo('Pay 0.01 ETH');
  lost.reject();
  wallet.release();
  await checkout.go.click();
  await checkout.expectPaid(wallet);
  expect(wallet.sent.length).toBe(1);
});
