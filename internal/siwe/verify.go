package siwe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
)

// MaxSignature is the longest signature that is looked at, in bytes: accounts
// sign with 65, and contracts with many owners or with passkeys need a few
// thousand.
const MaxSignature = 16 << 10

// contractGas bounds what a contract may compute over a signature: a passkey
// checked without the precompile takes about a tenth of it.
const contractGas = 5_000_000

// Verifier checks signatures of accounts and of contracts. It is safe for
// concurrent use.
type Verifier struct {
	nodes map[asset.ChainID]chain.Batcher
}

// NewVerifier returns a Verifier that asks contracts on these chains.
func NewVerifier(nodes map[asset.ChainID]chain.Batcher) *Verifier { return &Verifier{nodes: nodes} }

// Verify returns nil if account signed digest: with its own key, or, where it is
// a contract on the chain, with a signature that the contract itself accepts
// (EIP-1271). A contract that is not deployed yet accepts nothing.
//
// Faults: Unauthorized "invalid_signature" if it did not sign; Unavailable if it
// may be a contract and the chain cannot be asked.
func (v *Verifier) Verify(ctx context.Context, id asset.ChainID, account asset.Address, digest [32]byte, signature []byte) error {
	if account.IsZero() || len(signature) > MaxSignature {
		return errSignature
	}
	if ByKey(account, digest, signature) {
		return nil
	}
	node, ok := v.nodes[id]
	if !ok {
		return errSignature // no chain of ours has a contract there
	}
	return ask(ctx, node, account, digest, signature)
}

// ByKey reports whether account signed digest with its own key, which is the same
// on all chains. A contract's word is that of one chain.
func ByKey(account asset.Address, digest [32]byte, signature []byte) bool {
	signer, ok := recoverSigner(digest, signature)
	return ok && signer == account && !account.IsZero()
}

var errSignature = fault.New(fault.Unauthorized, "invalid_signature", "The signature was not made by this wallet.")

// halfN is half the order of secp256k1: of the two values of s that sign the
// same, the lower one counts (EIP-2), so that a signature has one form.
var halfN = new(big.Int).Rsh(crypto.S256().Params().N, 1)

// recoverSigner returns whose key made a 65-byte signature r, s, v; v is 27 or
// 28, or 0 or 1 as some wallets write it.
func recoverSigner(digest [32]byte, signature []byte) (asset.Address, bool) {
	if len(signature) != 65 {
		return asset.Address{}, false
	}
	compact := bytes.Clone(signature)
	if compact[64] >= 27 {
		compact[64] -= 27
	}
	if compact[64] > 1 || new(big.Int).SetBytes(compact[32:64]).Cmp(halfN) > 0 {
		return asset.Address{}, false
	}
	key, err := crypto.SigToPub(digest[:], compact)
	if err != nil {
		return asset.Address{}, false
	}
	return asset.Address(crypto.PubkeyToAddress(*key)), true
}

// magic is the selector of isValidSignature(bytes32,bytes) and, with zeros
// behind it, what a contract returns that accepts (EIP-1271).
var magic = [32]byte{0x16, 0x26, 0xba, 0x7e}

// ask lets the contract at account decide, in one round trip. Code is asked for
// as well: a call to an address without any succeeds and proves nothing, and an
// account whose own signature did not match has no other.
func ask(ctx context.Context, node chain.Batcher, account asset.Address, digest [32]byte, signature []byte) error {
	results, err := node.Batch(ctx, []chain.Call{
		chain.CodeCall(account, chain.Latest),
		chain.ContractCall(chain.Msg{To: account, Data: question(digest, signature), Gas: contractGas}, chain.Latest),
	})
	if err != nil {
		if fault.Is(err, fault.Unavailable) || errors.Is(err, context.Canceled) {
			return err
		}
		return Unavailable(err)
	}
	code, err := results[0].Bytes()
	if err != nil {
		return Unavailable(fmt.Errorf("code of %s: %w", account, err))
	}
	if len(code) == 0 {
		return errSignature
	}
	answer, err := results[1].Bytes()
	if refusal, ok := chain.AsRPC(err); ok && refusal.Executed() {
		return errSignature.Because(refusal)
	}
	if err != nil {
		return Unavailable(fmt.Errorf("isValidSignature of %s: %w", account, err))
	}
	if len(answer) < len(magic) || !bytes.Equal(answer[:len(magic)], magic[:]) {
		return errSignature
	}
	return nil
}

// Unavailable is the fault of a chain that cannot be asked what a wallet is, or has signed.
func Unavailable(cause error) error {
	return fault.New(fault.Unavailable, chain.CodeUnavailable, "The network could not be asked about this wallet. Please try again.").Because(cause)
}

// question is the calldata of isValidSignature(digest, signature).
func question(digest [32]byte, signature []byte) []byte {
	padded := (len(signature) + 31) / 32 * 32
	b := make([]byte, 0, 4+3*32+padded)
	b = append(b, magic[:4]...)
	b = append(b, digest[:]...)
	b = append(b, word(64)...) // where the bytes begin
	b = append(b, word(uint64(len(signature)))...)
	b = append(b, signature...)
	return append(b, make([]byte, padded-len(signature))...)
}

func word(n uint64) []byte { return new(big.Int).SetUint64(n).FillBytes(make([]byte, 32)) }
