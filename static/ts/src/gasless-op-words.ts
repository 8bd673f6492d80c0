// What the page says when an operation cannot be made. What the server says too has
// its words.
import { titleOf } from './gasless-titles.ts';
import type { Words } from './words.ts';

const info = (title: string, text: string): Words => ({ kind: 'info', title, text });
const warn = (title: string, text: string): Words => ({ kind: 'warn', title, text });
const error = (title: string, text: string): Words => ({ kind: 'error', title, text });

// What went wrong. Each is followed by the plain way.
const otherwise = ' Nothing was paid. You can pay with your wallet\'s own coins, or try again.';

export const moved = info('Your wallet changed', 'The account or the network in your wallet is another one now. Nothing was paid. Check it and go on.');
export const loadFailed = warn('Paying without gas could not be loaded', `Check your connection.${otherwise}`);
export const noTyped = warn('Your wallet cannot sign this', 'It cannot give the kind of signature that paying without gas needs. Nothing was paid. Pay with your wallet\'s own coins, or choose another wallet.');
export const silent = warn('Your wallet has not answered yet', 'Open your wallet and look for a waiting request. If there really is none, start again. What you sign later is not used then.');

const byReason: Readonly<Record<string, Words>> = {
  sponsor_refused: warn('The sponsor does not pay for this', `Whoever pays the network fees here has refused this payment.${otherwise}`),
  gas_budget: warn('The budget for free payments is used up', `What is set aside for network fees is spent for the moment.${otherwise}`),
  sponsor_limited: warn('Paying without gas is busy', `The sponsor takes no more payments just now.${otherwise}`),
  sponsor_unavailable: warn('The sponsor does not answer', `Whoever pays the network fees here cannot be reached.${otherwise}`),
  bundler_limited: warn('Paying without gas is busy', `The service that carries such payments takes no more just now.${otherwise}`),
  bundler_unavailable: warn('Paying without gas does not work at the moment', `The service that carries such payments does not answer.${otherwise}`),
  gasless_unavailable: warn('Paying without gas does not work at the moment', `The services behind it do not answer.${otherwise}`),
  op_refused: warn('The payment would not go through', `A test run of it failed.${otherwise}`),
  op_nonce: warn('Your smart account did something else meanwhile', 'Nothing was paid. Try again: everything is prepared anew.'),
  op_deployed: warn('Your smart account was made meanwhile', 'Nothing was paid. Try again: everything is prepared anew.'),
  account_changed: warn('Your smart account has changed', 'It has another owner or runs other code by now, so it is not used here. Nothing was paid. Pay with your wallet\'s own coins.'),
  owner_has_code: warn('Your wallet is a smart account itself', 'It pays its network fees in its own way. Nothing was paid.'),
};

/** Why the server does not go on; `said` is its own sentence. */
export function refusedWords(reason: string, said: string): Words {
  const known = Object.hasOwn(byReason, reason) ? byReason[reason] : undefined;
  if (known) return known;
  if (titleOf(reason)) return warn('The server refused this payment', `Its own check “${titleOf(reason)}” did not pass.${otherwise}`);
  return error('Paying without gas did not work', `${said ? `The server said: ${said} ` : ''}${otherwise.trim()}`);
}
/** What may be different the next time. */
export const passing = (reason: string): boolean => reason === 'op_nonce' || reason === 'op_deployed';
