// What gasless.js and the chunks of account kits say to each other: types alone.
// A kit builds, signs and sends the user operation of one kind of smart account.
// gasless.js trusts nothing of it: it has derived the account by itself, and
// reads every operation before its owner signs it.
import type { Hex } from './data.ts';

/** One call that the account is to make. */
export interface KitCall {
  readonly to: Hex;
  /** Calldata, "0x" for none. */
  readonly data: Hex;
  /** Wei of the native currency that goes with it. */
  readonly value: bigint;
}

/** The smart account that pays. */
export interface KitAccount {
  /** "light-account-2.0.0" or "safe-4337-0.3.0". */
  readonly kind: string;
  readonly chainId: number;
  /** The connected wallet: the account's only owner. */
  readonly owner: Hex;
  readonly address: Hex;
  readonly deployed: boolean;
  /** What makes the account, if it is not deployed. */
  readonly factory: Hex;
  readonly factoryData: Hex;
  /** Of the next operation, with the key 0. */
  readonly nonce: bigint;
  /** The EntryPoint, of version 0.7. */
  readonly entryPoint: Hex;
}

/**
 * A user operation of EntryPoint 0.7 in the form that bundlers take: quantities
 * and bytes are 0x strings. What the account does not need is absent: factory and
 * factoryData once it is deployed, the paymaster's fields if nobody sponsors.
 */
export interface UserOp {
  readonly sender: Hex;
  readonly nonce: Hex;
  readonly factory?: Hex;
  readonly factoryData?: Hex;
  readonly callData: Hex;
  readonly callGasLimit: Hex;
  readonly verificationGasLimit: Hex;
  readonly preVerificationGas: Hex;
  readonly maxFeePerGas: Hex;
  readonly maxPriorityFeePerGas: Hex;
  readonly paymaster?: Hex;
  readonly paymasterVerificationGasLimit?: Hex;
  readonly paymasterPostOpGasLimit?: Hex;
  readonly paymasterData?: Hex;
  /** The stub of the kit while the owner has not signed. */
  readonly signature: Hex;
}

/** Where a kit can ask. Neither asks anybody else. */
export interface KitHost {
  /** The payer's wallet (EIP-1193), which is on the account's chain: signatures, and whatever is read from the chain. Rejects with the wallet's own error. */
  wallet(method: string, params: readonly unknown[]): Promise<unknown>;
  /** The server's endpoint for bundler and sponsor (JSON-RPC). Rejects with an Error that has a numeric `code` and perhaps `data`. */
  bundler(method: string, params: readonly unknown[]): Promise<unknown>;
}

/** One account, ready to pay. */
export interface Kit {
  /** The account's address, derived by the kit itself. */
  readonly address: Hex;
  /**
   * Builds one operation of these calls, has it sponsored, hands it to `look`,
   * has the owner sign it and sends it. `look` gets the operation once as it is
   * before the sponsor is asked, where gas, prices and the paymaster's fields may
   * be "0x0" or absent, and once complete, right before the owner signs; it throws
   * to refuse, and then nothing is signed or sent. What is sent is, but for the
   * signature, what `look` got last. Resolves to the userOpHash that the bundler
   * answered. Rejects with what `look` threw, the wallet's error or the
   * bundler's, as they came.
   */
  pay(calls: readonly KitCall[], look: (op: UserOp, complete: boolean) => void): Promise<Hex>;
}

/** What a kit's chunk exports. */
export interface KitModule {
  /** Makes ready the account; rejects if the kit cannot be for an account of this kind or finds other addresses. */
  open(host: KitHost, account: KitAccount): Promise<Kit>;
}
