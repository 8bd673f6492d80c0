package safe

import (
	"bytes"

	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/official"
)

// signatureSize is one owner's part of a Safe's signatures: r, s and v.
const signatureSize = 65

// vApproved is the v of an approval on chain. Smaller is a contract's signature,
// larger a key's.
const vApproved = 1

// Signer returns whose signature over a safeTxHash it is: of the hash itself
// (typed data), or with 4 added to v of the hash as a message (eth_sign). A
// contract's signature, and an approval on chain, name their owner and prove
// nothing by themselves: false.
func Signer(hash official.Hash, signature []byte) (asset.Address, bool) {
	if len(signature) != signatureSize {
		return asset.Address{}, false
	}
	sig, digest := bytes.Clone(signature), hash[:]
	switch v := sig[signatureSize-1]; v {
	case 27, 28:
		sig[signatureSize-1] = v - 27
	case 31, 32:
		sig[signatureSize-1] = v - 31
		digest = crypto.Keccak256([]byte("\x19Ethereum Signed Message:\n32"), hash[:])
	default:
		return asset.Address{}, false
	}
	key, err := crypto.SigToPub(digest, sig)
	if err != nil {
		return asset.Address{}, false
	}
	return asset.Address(crypto.PubkeyToAddress(*key)), true
}
