// The wallet is on another network than the payment.
import { numberToHex } from 'viem';
import { chainOf } from '../fixtures/demo.ts';
import { order } from '../fixtures/order.ts';
import { payerWith } from '../fixtures/payer.ts';
import { expect, test } from '../fixtures/test.ts';
import { Checkout } from '../pages/checkout.ts';

const mainnet = 1;

test('switches to a network the wallet knows, and pays', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'arbitrum-one');
  const { address, wallet } = await payerWith(context, demo, chain, undefined, { startOn: chainOf(demo, 'base').chainId });
  const made = await order(demo, '10.00', 'USDC-arbitrum-one');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await expect(checkout.id('wrong-chain')).toContainText('Arbitrum One (sandbox)');
  await expect(checkout.go).toHaveText('Switch to Arbitrum One (sandbox) to continue');
  await checkout.expectNothingToSign();
  await checkout.id('switch-chain').click();
  await expect(checkout.id('wrong-chain')).toBeHidden();
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  expect(wallet.sent.every((t) => t.chainId === chain.chainId)).toBe(true);
  expect(wallet.asked('wallet_addEthereumChain')).toBe(0);
});

test('adds a network that the wallet does not know', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, undefined, { startOn: mainnet, knows: [mainnet] });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.id('switch-chain').click();
  await checkout.expectGo('Approve 10.00 USDC');
  const added = wallet.requests.find((r) => r.method === 'wallet_addEthereumChain');
  expect(added?.params).toMatchObject([{
    chainId: numberToHex(chain.chainId), chainName: 'Base (sandbox)', rpcUrls: [chain.rpcUrl],
    nativeCurrency: { name: 'Sandbox Ether', symbol: 'ETH', decimals: 18 },
  }]);
  expect(wallet.chainId).toBe(chain.chainId);
});

test('is refused by the payer, then done', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, undefined, { startOn: chainOf(demo, 'arbitrum-one').chainId });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  wallet.switching = 'reject';
  await checkout.id('switch-chain').click();
  await checkout.expectNotice('You declined in your wallet. Nothing was paid.', 'info');
  await expect(checkout.id('wrong-chain')).toBeVisible();
  wallet.switching = 'allow';
  await checkout.retry.click();
  await checkout.expectGo('Approve 10.00 USDC');
});

test('is not possible: the wallet says yes and stays, or knows no other networks', async ({ context, page, demo }) => {
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), undefined, { startOn: chainOf(demo, 'arbitrum-one').chainId });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  wallet.switching = 'ignore';
  await checkout.id('switch-chain').click();
  await checkout.expectNotice('Your wallet is still on another network', 'warn');
  await checkout.expectNothingToSign();
});

test('cannot be added by the wallet', async ({ context, page, demo }) => {
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'), undefined, { startOn: mainnet, knows: [mainnet] });
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  wallet.adding = 'unsupported';
  await checkout.id('switch-chain').click();
  await checkout.expectNotice('Your wallet is still on another network', 'warn');
  wallet.adding = 'reject';
  await checkout.retry.click();
  await checkout.expectNotice('You declined in your wallet. Nothing was paid.', 'info');
  await checkout.expectNothingToSign();
});

test('becomes wrong in the middle: what was prepared is not signed there', async ({ context, page, demo }) => {
  const there = chainOf(demo, 'arbitrum-one');
  const { address, wallet } = await payerWith(context, demo, chainOf(demo, 'base'));
  const made = await order(demo, '10.00');
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.expectGo('Approve 10.00 USDC');
  await wallet.useChain(there.chainId);
  await expect(checkout.id('wrong-chain')).toBeVisible();
  await checkout.expectNothingToSign();
  await checkout.id('switch-chain').click();
  await checkout.expectGo('Approve 10.00 USDC');
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
});
