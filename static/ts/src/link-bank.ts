// What the page of a payment link refuses to say of a bank transfer. Who holds an
// account no script can know; but all that names it, for people and for the cameras of
// banking apps, must name the same one, for all that is missing, with the text that the
// payment is recognised by. Knows no DOM and no network.
import { fields } from './data.ts';
import type { Difference } from './deposit-types.ts';

/** What a payer types or scans. */
export interface Bank {
  readonly holder: string;
  /** Without blanks. */
  readonly iban: string;
  /** "" where nobody needs it. */
  readonly bic: string;
  /** Of all that is missing, without separators: "49.99". */
  readonly amount: string;
  readonly text: string;
  /** The part of the text by which the payment is recognised. */
  readonly reference: string;
  /** Its code's drawing as an SVG element; "" where the page has it already. */
  readonly qr: string;
}

/** What the page shows of it, read back from the page itself. */
export type ShownBank = Omit<Bank, 'reference' | 'qr'>;

const patterns: Readonly<Record<keyof Bank, RegExp>> = {
  holder: /^[^\p{Cc}\p{Zl}\p{Zp}]{1,70}$/u,
  iban: /^[A-Z]{2}\d\d[A-Z0-9]{11,30}$/,
  bic: /^([A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?)?$/,
  amount: /^(0|[1-9]\d{0,8})\.\d\d$/,
  text: /^[\x20-\x7e]{1,140}$/,
  reference: /^RF\d\d[A-Z0-9]{1,21}$/,
  qr: /^[^]{0,100000}$/,
};

/** Whether a code, whichever it is, says this. */
type Reads = (text: string) => boolean;

/** The remainder that account numbers and references leave once their first four signs stand last. */
const rest = (number: string): number => [...`${number.slice(4)}${number.slice(0, 4)}`].reduce((r, c) => Number(`${r}${parseInt(c, 36)}`) % 97, 0);

const cents = (amount: string): number => Number(amount.replace(/[,.]/g, ''));

const differs = (field: string, expected: string, found: string): Difference => ({ check: 'page_bank', field, expected, found });

/** Reads what the server told of a bank transfer: what it is, or what is wrong with it. */
export function readBank(source: Readonly<Record<string, unknown>>): Bank | Difference {
  const told = { qr: '', ...fields(source) };
  for (const [field, pattern] of Object.entries(patterns)) {
    const value: unknown = told[field as keyof typeof told];
    if (typeof value !== 'string' || !pattern.test(value)) return differs(field, 'one that can be read', typeof value === 'string' ? value.slice(0, 40) : typeof value);
  }
  return told as unknown as Bank;
}

/** Checks that it fits together and asks for what is missing, the cent that rounding up adds aside, and so does its code if there is one; null if it does. */
export function judge(b: Bank, missing: string, reads: Reads): Difference | null {
  if (rest(b.iban) !== 1) return differs('IBAN', 'one with fitting check digits', b.iban);
  if (rest(b.reference) !== 1) return differs('reference', 'one with fitting check digits', b.reference);
  if (!b.text.endsWith(b.reference)) return differs('text', b.reference, b.text);
  const more = cents(b.amount) - cents(missing);
  if (more !== 0 && more !== 1) return differs('amount', missing, b.amount);
  return b.qr && !asks(b, reads) ? differs('code', 'what this page says', 'something else') : null;
}

/** What must stay the same as long as a payment lives. */
export function changed(b: Bank, before: Bank): Difference | null {
  for (const field of ['iban', 'holder', 'bic', 'text'] as const) if (b[field] !== before[field]) return differs(field, before[field], b[field]);
  return null;
}

/** Checks that the page shows this transfer and nothing else, to people and to cameras; null if it does. */
export function misshown(b: Bank, shown: ShownBank, reads: Reads): Difference | null {
  for (const field of ['iban', 'holder', 'bic', 'amount', 'text'] as const) if (b[field] !== shown[field]) return differs(`displayed ${field}`, b[field], shown[field]);
  return asks(b, reads) ? null : differs('displayed code', 'what this page says', 'something else');
}

/** Whether a code asks a banking app for exactly this (EPC069-12), in the version of its account's country. */
const asks = (b: Bank, reads: Reads): boolean =>
  ['002', '001'].some((version) => reads(['BCD', version, '1', 'SCT', b.bic, b.holder, b.iban, `EUR${b.amount}`, '', '', b.text].join('\n')));
