// What the page says about paying without gas and about batches. What the server
// says too has its words.
import type { Words } from './words.ts';
import type { Way } from './gasless-table.ts';
import type { News } from './gasless-data.ts';

const info = (title: string, text: string): Words => ({ kind: 'info', title, text });
const warn = (title: string, text: string): Words => ({ kind: 'warn', title, text });
const error = (title: string, text: string): Words => ({ kind: 'error', title, text });

export { titleOf } from './gasless-titles.ts';

/** What a way is called, costs and is. */
export interface WayWords {
  readonly name: string;
  readonly cost: string;
  readonly text: string;
}

export function wayWords(way: Way, sponsor: string, gas: string, symbol: string, calls: number): WayWords {
  const who = sponsor || 'a sponsor';
  const fee = gas ? `you pay ${gas}` : 'you pay it';
  switch (way) {
    case 'batch_sponsored':
      return { name: 'Pay without gas', cost: 'free', text: `One confirmation in your wallet for all steps. ${sponsor ? `${sponsor} pays` : 'A sponsor pays'} the network fee.` };
    case 'op_permit':
      return { name: 'Pay without gas', cost: 'free', text: `Two signatures in your wallet, no coins needed. The network fee is paid by ${who}.` };
    case 'op_approved':
      return { name: 'Pay without gas', cost: 'free', text: `One signature in your wallet, no coins needed. The network fee is paid by ${who}.` };
    case 'op_approval':
      return { name: 'Pay without gas', cost: 'after one approval', text: `${symbol} asks for an approval once, and that costs a network fee. What follows is free: it is paid by ${who}.` };
    case 'batch':
      return { name: 'All steps at once', cost: fee, text: 'One confirmation in your wallet for all steps.' };
    case 'plain':
      return { name: 'With your wallet\'s own coins', cost: fee, text: calls > 1 ? `${calls} confirmations in your wallet.` : 'One confirmation in your wallet.' };
  }
}

export const notNow = 'Paying without gas does not work at the moment. You can pay with your wallet\'s own coins.';

export const beneath = 'Your wallet asks you to confirm. Nothing is paid before that, and no network fee comes on top.';
export const gasPaid = (sponsor: string): string => `none: paid by ${sponsor || 'a sponsor'}`;
export const noGas = (symbol: string): string => `0 ${symbol}, paid by a sponsor`;
export const opGas = (symbol: string): string => `0 ${symbol}`;

/** What the account is for, by how it gets the money. */
export function planText(way: Way, amount: string): string {
  const then = `takes ${amount} from your wallet and pays the recipient, in one step.`;
  if (way === 'op_permit') return `You sign twice: that your smart account may take the money, and the payment. It ${then}`;
  if (way === 'op_approved') return `You sign once. Your smart account, which you have allowed to take the money, ${then}`;
  return `First you approve that your smart account may take the money. That is a transaction with a network fee. Then you sign once, free of charge, and it ${then}`;
}
export const exactly = (amount: string): string => `exactly ${amount}`;
export const atMost = (amount: string): string => `at most ${amount}`;
export const already = (amount: string): string => `${amount}, as you allowed before`;

// The steps and the button.
export const permitTitle = (amount: string): string => `Allow your smart account ${amount}`;
export const permitText = 'A signature, free of charge. No money moves yet.';
export const allowTitle = (amount: string): string => `Approve ${amount} for your smart account`;
export const allowText = 'A transaction with a network fee, needed once. No money moves yet.';
export const payTitle = (amount: string): string => `Pay ${amount} without gas`;
export const payText = 'A signature, free of charge. Sends the money to the recipient.';
export const revokeTitle = 'Take back what your smart account may take';
export const revokeText = 'Your earlier payment without gas can then never take the money, so that you cannot pay twice. A transaction with a network fee.';
export const batchGo = (amount: string, free: boolean): string => `Pay ${amount}${free ? ' without gas' : ''}`;
export const batchStep = 'Together with the others, in one confirmation.';
export const marked: Readonly<Record<string, string>> = { done: 'Done', signing: 'Confirm in your wallet', pending: 'Waiting for the network', failed: 'Did not go through' };
export const busy: Readonly<Record<string, string>> = {
  open: 'Preparing your smart account…',
  permit: 'Sign in your wallet (1 of 2)…',
  sponsor: 'Asking the sponsor…',
  sign: 'Sign in your wallet…',
  signSecond: 'Sign in your wallet (2 of 2)…',
  send: 'Handing in the payment…',
  batch: 'Confirm in your wallet…',
};

// The cap.
export const capBad = (symbol: string): string => `Type an amount of ${symbol} in digits, like 50 or 12.50.`;
export const capSmall = (amount: string): string => `It must be at least ${amount}, or this payment cannot be made.`;

// Taking back.
export const mayTitle = (amount: string): string => `Your smart account may still take ${amount}`;
export const mayText = 'You allowed that before. It is your own account, which obeys your wallet alone. To take it back is a transaction with a network fee.';
export const revoking = 'Confirm in your wallet, then wait for the network…';
export const revoked = 'Taken back. Your smart account may take nothing any more.';
export const revokeFailed = 'That did not go through. Look into your wallet, then try again.';
export const revokeDeclined = 'You declined in your wallet. Nothing has changed.';

const otherwise = ' Nothing was paid. You can pay with your wallet\'s own coins, or try again.';

export const lost = warn('The payment without gas was not sent', `It did not reach the service that carries it.${otherwise}`);

// Batches.
export const moved = info('Your wallet changed', 'The account or the network in your wallet is another one now. Nothing was paid. Check it and go on.');
export const batchSilent = warn('Your wallet has not answered yet', 'Open your wallet and look for a waiting request. If there really is none, start again. If one shows up later, confirm only one of them.');
export const batchUnable = warn('Your wallet cannot do this at once', 'It said that it can make all steps in one confirmation, and then refused. Nothing was paid. Go on step by step.');
export const batchSponsorless = warn('Your wallet did not get the network fee paid', 'It said that somebody else may pay the fee, and then refused. Nothing was paid. Choose how to go on.');
export const batchFailed = error('The payment did not go through', 'Your wallet or the network refused the steps, all of them together. Nothing was paid. You can try again.');
export const batchPart = warn('Only a part of the steps was made', 'Your wallet should have made all of them or none. Look into it before you go on: this page looks anew what is left to do.');
export const batchUnknown = warn('Your wallet does not know what became of the payment', 'If it was made, it appears here by itself: wait a little. Look into your wallet before you pay again.');
export const batchProgress = { title: 'Your wallet makes the payment', text: 'You have confirmed it. This page waits until the network has it, and updates by itself. Do not pay again.' };
export const batchAway = { title: 'You already confirmed this payment', text: 'Connect the same wallet, so that this page can look what became of it. Do not pay again.' };
export const noId = warn('Your wallet did not say what it made', 'If you confirmed there, wait: the payment appears here as soon as the network shows it. Look into your wallet before you try again.');

// An operation on its way, and its ends.
export const resending = 'The service that carries it does not answer. This page tries again by itself.';

export function progress(n: News | null, own: boolean, retrying: boolean): { readonly title: string; readonly text: string } {
  if (n?.stage === 'executed') return { title: 'Your payment was carried out', text: 'The network has it and is confirming it. This page updates by itself, and you can also close it. Do not pay again.' };
  if (n && n.stage !== 'waiting') {
    const first = n.stage === 'failed' ? 'It was carried out, but the payment in it failed. ' : '';
    return { title: 'The payment did not go through', text: `${first}Nothing was paid. The network is confirming that, and then you can pay again here. That takes a moment.` };
  }
  if (!own) return { title: 'A payment without gas is on its way', text: 'Somebody who has this link has sent the payment from a smart account. It cannot be paid in another way meanwhile, so that nobody pays twice. This page updates by itself.' };
  return {
    title: 'Your payment without gas is on its way',
    text: `${retrying ? `${resending} ` : 'It was handed in, and is usually carried out within seconds. '}This page updates by itself. You can also close it: the payment continues. Do not pay again.`,
  };
}

const again = ' You can pay now: without gas again, or with your wallet\'s own.';

/** What is said of an operation while the payment can be made. */
export function ending(n: News): { readonly title: string; readonly text: string } {
  switch (n.stage) {
    case 'failed':
      return { title: 'The payment without gas did not go through', text: `It was carried out, but the payment in it failed. No money has left your wallet, and you paid no gas.${again}` };
    case 'replaced':
      return { title: 'Your smart account did something else instead', text: `Another operation of it came first, so this payment can never be carried out. Nothing was paid.${again}` };
    case 'expired':
      return { title: 'The payment without gas was not carried out in time', text: `What you signed has run out, and cannot be used any more. Nothing was paid.${again}` };
    case 'refused':
      return { title: 'The payment without gas could not be sent', text: `The service that carries such payments has refused it. Nothing was paid, and nothing has left your wallet.${again}` };
    case 'executed':
      return { title: 'Your payment was carried out', text: 'The network is about to show the money. Please wait, and do not pay again.' };
    case 'waiting':
      return { title: 'Your earlier payment may still go through', text: 'It was sent without gas and has not been carried out so far. If you pay in another way now, the first step takes back what your smart account may take, so that you cannot pay twice.' };
  }
}
export const why = (said: string): string => `The contracts said: “${said}”`;

/** An instant, with how long until then. */
export const date = (at: number, left: string): string => {
  const words = new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  return left ? `${words} (in ${left})` : words;
};
