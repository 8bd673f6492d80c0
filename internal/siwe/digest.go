package siwe

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
)

// MessageDigest is what a wallet signs for a message it shows as text
// (personal_sign, EIP-191 version 0x45). Lengths count bytes.
func MessageDigest(message string) [32]byte {
	return crypto.Keccak256Hash([]byte("\x19Ethereum Signed Message:\n"+strconv.Itoa(len(message))), []byte(message))
}

// TypedDigest is what a wallet signs for a struct of a domain
// (eth_signTypedData_v4, EIP-712).
func TypedDigest(domainSeparator, structHash [32]byte) [32]byte {
	return crypto.Keccak256Hash([]byte{0x19, 0x01}, domainSeparator[:], structHash[:])
}

// Domain says for whom typed data is signed. Members that are empty are left
// out of its type, as EIP-712 wants it.
type Domain struct {
	Name     string
	Version  string
	Chain    asset.ChainID
	Contract asset.Address
}

// Separator is the hash of the domain.
func (d Domain) Separator() [32]byte {
	var members []Member
	if d.Name != "" {
		members = append(members, Text("name", d.Name))
	}
	if d.Version != "" {
		members = append(members, Text("version", d.Version))
	}
	if d.Chain != 0 {
		members = append(members, Number("chainId", new(big.Int).SetUint64(uint64(d.Chain))))
	}
	if !d.Contract.IsZero() {
		members = append(members, Account("verifyingContract", d.Contract))
	}
	return StructHash("EIP712Domain", members...)
}

// Member is one member of a struct that is signed.
type Member struct {
	kind, name string
	value      [32]byte
}

// Text is a member of type string.
func Text(name, v string) Member { return Member{"string", name, crypto.Keccak256Hash([]byte(v))} }

// Account is a member of type address.
func Account(name string, v asset.Address) Member {
	m := Member{kind: "address", name: name}
	copy(m.value[12:], v[:])
	return m
}

// Number is a member of type uint256; only the lowest 256 bits of v count.
func Number(name string, v *big.Int) Member {
	m := Member{kind: "uint256", name: name}
	new(big.Int).And(v, maxUint256).FillBytes(m.value[:])
	return m
}

var maxUint256 = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))

// Hash is a member of type bytes32.
func Hash(name string, v [32]byte) Member { return Member{"bytes32", name, v} }

// StructHash is the hash of a struct whose members are in the order of its type.
// The type's text is made of the members, so that the two cannot differ; structs
// within structs are not built.
func StructHash(name string, members ...Member) [32]byte {
	kinds := make([]string, len(members))
	var values []byte
	for i, m := range members {
		kinds[i] = m.kind + " " + m.name
		values = append(values, m.value[:]...)
	}
	return crypto.Keccak256Hash(crypto.Keccak256([]byte(name+"("+strings.Join(kinds, ",")+")")), values)
}
