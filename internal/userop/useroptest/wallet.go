package useroptest

import (
	"bytes"
	"crypto/ecdsa"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/siwe"
	"quittance/internal/userop"
	"quittance/internal/userop/artifacts"
)

// Wallet is an account with a key that only ever signs.
type Wallet struct {
	key *ecdsa.PrivateKey
	t   testing.TB
}

// NewWallet returns the wallet of a name.
func NewWallet(t testing.TB, name string) *Wallet {
	t.Helper()
	return &Wallet{key: derive(t, "payer "+name), t: t}
}

// derive makes the same key in every run.
func derive(t testing.TB, name string) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte("quittance useroptest " + name)))
	if err != nil {
		t.Fatalf("useroptest: deriving a key: %v", err)
	}
	return k
}

// Address is the wallet's own.
func (w *Wallet) Address() asset.Address {
	return asset.Address(crypto.PubkeyToAddress(w.key.PublicKey))
}

// SignDigest returns 65 bytes, r, s, and v of 27 or 28.
func (w *Wallet) SignDigest(digest [32]byte) []byte {
	w.t.Helper()
	s, err := crypto.Sign(digest[:], w.key)
	if err != nil {
		w.t.Fatalf("useroptest: signing: %v", err)
	}
	s[64] += 27
	return s
}

// dummy has the form of a signature and is nobody's.
var dummy = common.FromHex("0xfffffffffffffffffffffffffffffff0000000000000000000000000000000007aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1c")

// Stub is a signature of the form that a kind's accounts take.
func Stub(kind string) []byte { return sealed(kind, dummy) }

// sealed wraps an owner's signature: a LightAccount is told that it is one of a key,
// a Safe that it is good for ever.
func sealed(kind string, signature []byte) []byte {
	switch kind {
	case userop.KindLight:
		return append([]byte{0}, signature...)
	case userop.KindSafe:
		return append(make([]byte, 12), signature...)
	}
	return bytes.Clone(signature)
}

// Sign returns the operation signed by its account's owner, as that kind wants it.
func (w *Wallet) Sign(kind string, chain asset.ChainID, o userop.Op) userop.Op {
	w.t.Helper()
	digest := siwe.MessageDigest(string(w.hash(chain, o)))
	if kind == userop.KindSafe {
		digest = w.safeDigest(chain, o)
	}
	o.Signature = sealed(kind, w.SignDigest(digest))
	return o
}

func (w *Wallet) hash(chain asset.ChainID, o userop.Op) []byte {
	w.t.Helper()
	h, err := o.Hash(chain)
	if err != nil {
		w.t.Fatal(err)
	}
	return h[:]
}

// safeDigest is the SafeOp of Safe4337Module 0.3.0, good for ever.
func (w *Wallet) safeDigest(chain asset.ChainID, o userop.Op) [32]byte {
	w.t.Helper()
	p, err := o.Pack()
	if err != nil {
		w.t.Fatal(err)
	}
	// Its types are narrower than words, and it has bytes: the hash is made by hand.
	kind := crypto.Keccak256([]byte("SafeOp(address safe,uint256 nonce,bytes initCode,bytes callData,uint128 verificationGasLimit," +
		"uint128 callGasLimit,uint256 preVerificationGas,uint128 maxPriorityFeePerGas,uint128 maxFeePerGas,bytes paymasterAndData," +
		"uint48 validAfter,uint48 validUntil,address entryPoint)"))
	word := func(v *big.Int) []byte { return v.FillBytes(make([]byte, 32)) }
	half := func(b []byte) []byte { return append(make([]byte, 16), b...) }
	content := crypto.Keccak256Hash(kind, common.LeftPadBytes(p.Sender[:], 32), word(p.Nonce), crypto.Keccak256(p.InitCode), crypto.Keccak256(p.CallData),
		half(p.AccountGasLimits[:16]), half(p.AccountGasLimits[16:]), word(p.PreVerificationGas), half(p.GasFees[:16]), half(p.GasFees[16:]),
		crypto.Keccak256(p.PaymasterAndData), make([]byte, 32), make([]byte, 32), common.LeftPadBytes(userop.EntryPoint[:], 32))
	return siwe.TypedDigest(siwe.Domain{Chain: chain, Contract: artifacts.SafeModule}.Separator(), content)
}

// Permit signs a permit under a token's terms.
func (w *Wallet) Permit(terms userop.PermitTerms, spender asset.Address, value, deadline *big.Int) userop.Permit {
	w.t.Helper()
	p := userop.Permit{Owner: w.Address(), Spender: spender, Value: value, Deadline: deadline}
	p, err := p.WithSignature(w.SignDigest(terms.Digest(p)))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}
