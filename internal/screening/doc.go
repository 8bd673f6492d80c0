// Package screening asks whether wallets may be dealt with: a sanctions list in
// a file, and providers over HTTP that speak the protocol in docs/operating.md.
// It knows addresses and answers. It must not know payments, pages or stores, it
// believes no answer it does not understand, and it lets nobody in by a failure.
package screening
