package chaintest

import "github.com/ethereum/go-ethereum/crypto"

// SignDigest returns the account's 65-byte signature (r, s, and v of 27 or 28) over a digest, as
// wallets make it for messages and typed data.
func (w *Wallet) SignDigest(digest [32]byte) []byte {
	w.chain.t.Helper()
	s, err := crypto.Sign(digest[:], w.key)
	if err != nil {
		w.chain.t.Fatalf("chaintest: signing: %v", err)
	}
	s[64] += 27
	return s
}
