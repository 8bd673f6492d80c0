package userop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/siwe"
)

// The kinds of calls that only an operation has.
const (
	CallPermit rail.CallKind = "permit" // lets the account take the wallet's money, by the wallet's signature
	CallPull   rail.CallKind = "pull"   // takes it
)

// Permit is a wallet's signed allowance (EIP-2612).
type Permit struct {
	Owner, Spender asset.Address
	Value          *big.Int // base units
	Deadline       *big.Int // Unix seconds, 256 bits as the contract has it
	V              uint8    // 27 or 28
	R, S           [32]byte
}

// selectorPermit is permit(address,address,uint256,uint256,uint8,bytes32,bytes32).
var selectorPermit = [4]byte{0xd5, 0x05, 0xac, 0xcf}

var permitArgs = arguments(addressType, addressType, uintType, uintType, abiType("uint8"), wordType, wordType)

// Encode returns the calldata for the token. Errors: official.ErrAmount.
func (p Permit) Encode() ([]byte, error) {
	for _, v := range []*big.Int{p.Value, p.Deadline} {
		if v := orZero(v); v.Sign() < 0 || v.BitLen() > 256 {
			return nil, official.ErrAmount
		}
	}
	return pack(selectorPermit, permitArgs, common.Address(p.Owner), common.Address(p.Spender), orZero(p.Value), orZero(p.Deadline), p.V, p.R, p.S)
}

// DecodePermit reads what Encode writes. Any other bytes are ErrCalldata, a permit in
// the older form of DAI among them.
func DecodePermit(data []byte) (Permit, error) {
	var p Permit
	var owner, spender common.Address
	if err := unpack(data, selectorPermit, permitArgs, &owner, &spender, &p.Value, &p.Deadline, &p.V, &p.R, &p.S); err != nil {
		return Permit{}, fmt.Errorf("permit: %w", err)
	}
	p.Owner, p.Spender = asset.Address(owner), asset.Address(spender)
	if again, err := p.Encode(); err != nil || !bytes.Equal(again, data) {
		return Permit{}, fmt.Errorf("permit: %w", ErrCalldata)
	}
	return p, nil
}

// WithSignature returns the permit with a wallet's 65 bytes. Errors: ErrSignature.
func (p Permit) WithSignature(signature []byte) (Permit, error) {
	if len(signature) != 65 {
		return Permit{}, fmt.Errorf("%w: %d bytes", ErrSignature, len(signature))
	}
	p.R, p.S, p.V = [32]byte(signature[:32]), [32]byte(signature[32:64]), signature[64]
	if p.V < 27 {
		p.V += 27 // some wallets count from zero
	}
	if p.V != 27 && p.V != 28 {
		return Permit{}, fmt.Errorf("%w: it ends in %d", ErrSignature, signature[64])
	}
	return p, nil
}

// ErrSignature is a signature that a token cannot check: a contract's own form, for
// example.
var ErrSignature = errors.New("not the signature of an account with a key")

// PermitTerms is what a wallet signs under for one token, as the token's own answers
// prove it.
type PermitTerms struct {
	Domain siwe.Domain
	Owner  asset.Address
	Nonce  *big.Int // the owner's next
}

// Digest is what the wallet signs.
func (t PermitTerms) Digest(p Permit) official.Hash {
	content := siwe.StructHash("Permit", siwe.Account("owner", p.Owner), siwe.Account("spender", p.Spender),
		siwe.Number("value", orZero(p.Value)), siwe.Number("nonce", orZero(t.Nonce)), siwe.Number("deadline", orZero(p.Deadline)))
	return official.Hash(siwe.TypedDigest(t.Domain.Separator(), content))
}

// Signed reports whether the owner's own key signed the permit, with the nonce that
// is due, in the one form that all tokens take.
func (t PermitTerms) Signed(p Permit) bool {
	if p.V != 27 && p.V != 28 { // wallets also count from zero; contracts do not
		return false
	}
	signature := append(append(bytes.Clone(p.R[:]), p.S[:]...), p.V)
	return p.Owner == t.Owner && siwe.ByKey(t.Owner, t.Digest(p), signature)
}

type typedMember struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// TypedData is what a page hands to a wallet's eth_signTypedData_v4.
func (t PermitTerms) TypedData(p Permit) ([]byte, error) {
	domain := []typedMember{{"name", "string"}, {"version", "string"}, {"chainId", "uint256"}, {"verifyingContract", "address"}}
	permit := []typedMember{{"owner", "address"}, {"spender", "address"}, {"value", "uint256"}, {"nonce", "uint256"}, {"deadline", "uint256"}}
	return json.Marshal(map[string]any{
		"types":       map[string][]typedMember{"EIP712Domain": domain, "Permit": permit},
		"primaryType": "Permit",
		"domain": map[string]any{
			"name": t.Domain.Name, "version": t.Domain.Version, "chainId": uint64(t.Domain.Chain), "verifyingContract": t.Domain.Contract.String(),
		},
		"message": map[string]string{
			"owner": p.Owner.String(), "spender": p.Spender.String(), "value": orZero(p.Value).String(),
			"nonce": orZero(t.Nonce).String(), "deadline": orZero(p.Deadline).String(),
		},
	}, json.Deterministic(true))
}

// ErrNoPermit is a token without permits of EIP-2612, or with a form of its own, as
// DAI has.
var ErrNoPermit = errors.New("the token has no permits of EIP-2612")

// permitType is keccak256 of EIP-2612's type.
var permitType = mustHash("0x6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9")

// The questions to a token, in the order of ReadPermit's batch.
const (
	qSeparator = iota
	qNonces
	qPermitType
	qName
	qVersion
	qDomain
	permitQuestions
)

// ReadPermit asks a token whether its permits are those of EIP-2612, and under which
// domain: in one round trip at the chain's head. A token that tells no name and
// version under which its own DOMAIN_SEPARATOR comes out has none, nor one that
// names another type of permit. There are tokens whose domain has other members
// (bridged USDC on Polygon): their payers approve instead.
//
// Errors: ErrNoPermit; what the node's Batch returns, the fault Unavailable
// "chain_unavailable" among it; the node's own where it could not ask the token.
func ReadPermit(ctx context.Context, node chain.Batcher, id asset.ChainID, token, owner asset.Address) (PermitTerms, error) {
	view := func(data ...byte) chain.Call {
		return chain.ContractCall(chain.Msg{To: token, Data: data}, chain.Latest)
	}
	rs, err := node.Batch(ctx, []chain.Call{
		qSeparator: view(0x36, 0x44, 0xe5, 0x15), qNonces: view(append([]byte{0x7e, 0xce, 0xbe, 0x00}, addressWord(owner)...)...),
		qPermitType: view(0x30, 0xad, 0xf8, 0x1f), qName: view(0x06, 0xfd, 0xde, 0x03),
		qVersion: view(0x54, 0xfd, 0x4d, 0x50), qDomain: view(0x84, 0xb0, 0x19, 0x6e),
	})
	if err != nil {
		return PermitTerms{}, fmt.Errorf("asking a token of chain %d for its permits: %w", id, err)
	}
	if len(rs) != permitQuestions {
		return PermitTerms{}, fmt.Errorf("chain %d: %d answers about a token's permits", id, len(rs))
	}
	said := make([][]byte, len(rs))
	for i, r := range rs {
		if said[i], err = answer(r); err != nil {
			return PermitTerms{}, fmt.Errorf("asking a token of chain %d for its permits: %w", id, err)
		}
	}
	if len(said[qSeparator]) != 32 || len(said[qNonces]) != 32 {
		return PermitTerms{}, ErrNoPermit
	}
	if kind := said[qPermitType]; len(kind) != 0 && !bytes.Equal(kind, permitType[:]) {
		return PermitTerms{}, fmt.Errorf("%w: its type is another", ErrNoPermit)
	}
	for _, d := range domains(said) {
		d.Chain, d.Contract = id, token
		if s := d.Separator(); bytes.Equal(s[:], said[qSeparator]) {
			return PermitTerms{Domain: d, Owner: owner, Nonce: new(big.Int).SetBytes(said[qNonces])}, nil
		}
	}
	return PermitTerms{}, fmt.Errorf("%w: its domain is none that it tells", ErrNoPermit)
}

// answer is what a contract returned, nothing if it refused or does not know the
// question. A node that could not ask it is an error.
func answer(r chain.Result) ([]byte, error) {
	b, err := r.Bytes()
	if e, ok := chain.AsRPC(err); ok && e.Executed() {
		return nil, nil
	}
	return b, err
}

var (
	textArgs = arguments(abiType("string"))
	// domainArgs is what eip712Domain() returns (ERC-5267).
	domainArgs = arguments(abiType("bytes1"), abiType("string"), abiType("string"), uintType, addressType, wordType, uintsType)
)

// domains are the names and versions that a token may go by: what it says of its
// domain (ERC-5267), its name with its version, and its name with the version 1,
// which is what tokens have that tell none.
func domains(said [][]byte) (out []siwe.Domain) {
	var fields [1]byte
	var d siwe.Domain
	var chainID *big.Int
	var contract common.Address
	var salt [32]byte
	var extensions []*big.Int
	if unpackAnswer(said[qDomain], domainArgs, &fields, &d.Name, &d.Version, &chainID, &contract, &salt, &extensions) == nil && fields[0] == 0x0f {
		out = append(out, d)
	}
	var name, version string
	if unpackAnswer(said[qName], textArgs, &name) != nil {
		return out
	}
	if unpackAnswer(said[qVersion], textArgs, &version) == nil {
		out = append(out, siwe.Domain{Name: name, Version: version})
	}
	return append(out, siwe.Domain{Name: name, Version: "1"})
}
