// What the page says of other ways to pay and of money on a bridge: for payers
// who may never have heard of one.
import type { ApiError } from './api.ts';
import type { Payment } from './data.ts';
import { brief, display } from './units.ts';
import { shorten } from './verify.ts';
import type { News, Option, Token } from './ways-data.ts';
import type { Words } from './words.ts';

export const sameChain = 'You\'ll be paying on the same chain as your recipient';
export const acrossChains = 'You\'ll be paying across chain via Li.Fi';

/** The checks' names for the payer, as the server words them. */
export const routeTitles: Readonly<Record<string, string>> = {
  route_target: 'LI.FI\'s own contract',
  route_value: 'No coins beyond the bridge\'s fee',
  route_calldata: 'Route instructions read to the last byte',
  route_approval: 'LI.FI may take the exact amount only',
  route_source: 'Amount, fee and exchange on the way',
  route_bridge: 'Bridge, network and amount',
  route_receiver: 'Who gets the money on the way',
  route_refund: 'You get it back if the bridge fails',
  route_output: 'Enough is sure to arrive',
  route_deadline: 'The offer is fresh and ends soon',
  route_payment: 'The payment at the end is this one',
};

export const amount = (units: bigint, t: Pick<Token, 'symbol' | 'decimals'>): string => `${display(units, t.decimals)} ${t.symbol}`;
export const held = (units: bigint, t: Pick<Token, 'symbol' | 'decimals'>): string => `${brief(units, t.decimals)} ${t.symbol}`;

/** A time for people who wait: "about 2 minutes". */
export function about(seconds: number): string {
  if (seconds < 10) return 'a few seconds';
  if (seconds < 50) return 'less than a minute';
  const minutes = Math.round(seconds / 60);
  return minutes <= 1 ? 'about a minute' : `about ${minutes} minutes`;
}

/** A time that has passed: "40 seconds", "3 minutes". */
export function passed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  return minutes === 1 ? '1 minute' : `${minutes} minutes`;
}

/** The routing contract as wallets show it: its ends. */
export const lifiAt = (address: string): string => `LI.FI's contract ${shorten(address)}`;

/** How a way leads to the payment, below the choice. */
export function wayWords(o: Option, p: Payment): string {
  if (o.type === 'crosschain') return acrossChains;
  if (o.type === 'samechain') return sameChain;
  return `${sameChain}. Your ${o.token.symbol} is exchanged for ${p.assets[0].symbol} first, via Li.Fi, in your own wallet.`;
}

export const exchangedWords = (p: Payment): string => `The exchange is done: the ${p.assets[0].symbol} is in your wallet. ${sameChain}`;

export const count = (n: number): string => (n === 1 ? '1 other way' : `${n} other ways`);
export const looking = 'Looking for other ways…';
export const unavailable = 'No other ways now';
export const none = 'No other way';
export const noneEnough = 'Nothing in this wallet is enough for this payment. You can add to it, or choose another wallet.';
export const silent = (chain: string): string => `${chain} does not answer at the moment, so what you have there is not listed.`;
export const lookFailed = 'What else this wallet could pay with could not be looked up. You can pay as usual, or reload the page to try again.';

export function stepTitle(kind: string, leaving: string): string {
  if (kind === 'reset') return 'Clear the old approval';
  if (kind === 'approve') return `Approve ${leaving}`;
  return `${kind === 'swap' ? 'Exchange' : 'Pay'} ${leaving}`;
}

export function stepText(kind: string, token: Token, tool: string, arrives: string, p: Payment): string {
  if (kind === 'reset') return `${token.symbol} asks for this before an approval can change. No money moves.`;
  if (kind === 'approve') return 'Lets LI.FI\'s contract take exactly this amount. No money moves yet.';
  if (kind === 'swap') return `Turns it into at least ${arrives}, in your own wallet.`;
  return `Sends it ${tool ? `over ${tool} ` : ''}to ${p.chain.name}, where it pays the recipient.`;
}

export const loadFailed: Words = {
  kind: 'warn', title: 'This way to pay could not be loaded',
  text: 'Nothing was paid. You can pay on the same chain as your recipient, or choose this way again to try once more.',
};
export const wrongNetwork: Words = {
  kind: 'warn', title: 'This way to pay cannot be used',
  text: 'What the server says of that network is not what this page knows of it. Nothing was paid. You can pay on the same chain as your recipient.',
};

export const priceChanged = (before: string, now: string): Words => ({
  kind: 'warn', title: 'The price has changed', text: `It was ${before} and is now ${now}. Nothing was paid. Accept the new amount to go on, or choose another way to pay.`,
});

export function wayFailed(err: ApiError, o: Option): Words {
  const other = ' Nothing was paid. Try again in a moment, or choose another way to pay.';
  const at = `${o.token.symbol} on ${o.chain.name}`;
  if (err.status === 429) return { kind: 'warn', title: 'Too many tries in a short time', text: 'Wait a minute, then try again. Nothing was paid.' };
  if (err.status === 404) return { kind: 'warn', title: `There is no offer for ${at} now`, text: `Nobody offers to move that amount at an acceptable price at the moment.${other}` };
  if (err.status >= 400 && err.said) return { kind: 'warn', title: `You cannot pay with ${at} now`, text: err.said + other };
  return { kind: 'error', title: 'The payment service could not be reached', text: 'Nothing was paid. Check your connection and try again.' };
}

const stays = ' This page updates by itself, and you can also close it. Do not pay again.';

/** What is shown while money is on its way. */
export function progress(n: News, late: boolean, p: Payment): { title: string; text: string } {
  const title = `Your payment is on its way from ${n.chain}`;
  if (n.stage === 'sent') return { title: `Payment sent from ${n.chain}`, text: `Waiting for ${n.chain} to include it.${stays}` };
  if (n.stage === 'arrived') return { title, text: `The bridge has delivered it, and ${p.chain.name} is about to show it.${stays}` };
  if (n.stage === 'refunding') return { title: 'The bridge is giving your money back', text: `It could not deliver to ${p.chain.name}. This page says when your money is back in your wallet on ${n.chain}; you can also close it. Do not pay again before that.` };
  if (late) return { title, text: `This is taking longer than usual. Your money is safe: it either arrives, or the bridge gives it back to you.${stays}` };
  return { title, text: `Bridging${n.seconds ? `, ${about(n.seconds)}` : ''}.${stays}` };
}

/** For the receipt: "10.04 USDT on Arbitrum One". */
export const givenWords = (n: News): string => `${n.amount} on ${n.chain}`;

export const elapsed = (ms: number, seconds: number): string => `${passed(ms)} so far${ms < seconds * 1_000 ? `, ${about(seconds)} in all` : ''}`;

/** What is shown when money came to an end without paying, and what its link says. */
export function endWords(n: News, p: Payment): { title: string; text: string; link: string } {
  const it = n.amount ? `Your ${n.amount}` : 'Your money';
  const again = 'You can pay again, in any way you like.';
  switch (n.stage) {
    case 'refunded':
      return { title: 'The bridge gave your money back', text: `${it} did not reach ${p.chain.name}. The bridge has given it back to your wallet on ${n.chain}, less the fees that were taken on the way. Nothing was paid. ${again}`, link: 'See the refund' };
    case 'recovered':
      return { title: 'Your money arrived, but the payment did not go through', text: `It is in your own wallet on ${p.chain.name}, as ${p.assets[0].symbol}. The recipient has not been paid. You can pay from there now.`, link: 'See where it arrived' };
    case 'broken':
      if (n.left) {
        return { title: 'The bridge says that it failed', text: `${it} left your wallet on ${n.chain}, and the bridge should give it back to you there. Look into your wallet before you pay again: should the money arrive after all, you have paid twice.`, link: 'See the transaction' };
      }
      return { title: 'The transaction did not go through', text: `${n.chain} refused it. ${it} never left your wallet; only a network fee is spent. ${again}`, link: 'See the transaction' };
    default:
      return { title: 'Your transaction was not found', text: `${n.chain} does not have the transaction that was sent from here, or it does not pay this. Look into your wallet first. If nothing was sent there, you can pay again.`, link: 'See the transaction' };
  }
}
