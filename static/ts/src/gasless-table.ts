// How the calls of a payment can be made, in the order of preference: the one
// table of it. It knows nothing but the facts it is given.

/**
 * batch_sponsored: the wallet makes all calls at once, and somebody else pays for
 * the gas. op_permit, op_approved: the wallet's smart account makes them as one
 * operation, whose gas somebody else pays; it may take the money by the wallet's
 * signature, or because it was allowed to before. batch: the wallet makes all
 * calls at once. op_approval: as op_approved, after an approval that the wallet
 * pays for. plain: the wallet makes one call after another.
 */
export type Way = 'batch_sponsored' | 'op_permit' | 'op_approved' | 'batch' | 'op_approval' | 'plain';

/** What decides. */
export interface Facts {
  /** The wallet makes several calls at once and all or none of them; ready if it asks its owner to be upgraded first. */
  readonly atomic: 'supported' | 'ready' | 'no';
  /** It lets somebody else pay for that. */
  readonly paymaster: boolean;
  /** The server has somebody who pays for the gas of these calls. */
  readonly sponsored: boolean;
  /** How many calls there are. */
  readonly calls: number;
  /** The wallet has what is paid. */
  readonly token: boolean;
  /** It has native coins enough for the gas. */
  readonly coin: boolean;
  /** It can have a smart account: not for a wallet with code of its own. */
  readonly account: boolean;
  /** The token takes permits. */
  readonly permit: boolean;
  /** The account may already take what it needs. */
  readonly allowed: boolean;
}

interface Rule {
  readonly way: Way;
  /** Whether it can be done at all. */
  readonly can: (f: Facts) => boolean;
  /** Whether it is taken unless the payer picks another. */
  readonly unasked: (f: Facts) => boolean;
}

const byAccount = (f: Facts): boolean => f.sponsored && f.account && f.token;
const short = (f: Facts): boolean => !f.coin;
const always = (): boolean => true;

export const table: readonly Rule[] = [
  { way: 'batch_sponsored', can: (f) => f.sponsored && f.paymaster && f.atomic !== 'no', unasked: always },
  { way: 'op_permit', can: (f) => byAccount(f) && !f.allowed && f.permit, unasked: short },
  { way: 'op_approved', can: (f) => byAccount(f) && f.allowed, unasked: short },
  // One call is no batch.
  { way: 'batch', can: (f) => f.atomic !== 'no' && f.calls > 1, unasked: always },
  // The approval takes native coins.
  { way: 'op_approval', can: (f) => byAccount(f) && !f.allowed && !f.permit && f.coin, unasked: () => false },
  { way: 'plain', can: always, unasked: always },
];

/** What there is, in order, and which is taken: what the payer picked, if that can be, else the first that goes without asking. */
export function choose(f: Facts, picked: Way | null, failed: ReadonlySet<Way>): { readonly ways: readonly Way[]; readonly way: Way } {
  const rules = table.filter((r) => r.can(f) && !failed.has(r.way));
  const ways = rules.map((r) => r.way);
  const own = ways.find((w) => w === picked || (isOp(w) && isOp(picked)));
  return { ways, way: own ?? rules.find((r) => r.unasked(f))?.way ?? 'plain' };
}

/** By an operation of the wallet's smart account: for the payer one and the same, whatever it may take so far. */
export const isOp = (w: Way | null): boolean => w === 'op_permit' || w === 'op_approved' || w === 'op_approval';
export const isBatch = (w: Way | null): boolean => w === 'batch' || w === 'batch_sponsored';
/** The payer needs no native coins for it. */
export const isFree = (w: Way): boolean => w === 'batch_sponsored' || w === 'op_permit' || w === 'op_approved';
