// Package siwe knows what a wallet signs to say who it is: messages of Sign-In
// with Ethereum (EIP-4361), typed data (EIP-712), and whether a signature over
// either was made by an account or accepted by a contract (EIP-1271). It knows
// no HTTP, no merchants and no sessions: who remembers nonces asks it to check.
package siwe
