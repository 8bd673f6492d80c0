package asset

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/sha3"
)

// Address is a 20-byte EVM account or contract.
type Address [20]byte

// The reasons an address is refused.
var (
	ErrAddress  = errors.New("not an EVM address: 0x and 40 hexadecimal digits")
	ErrChecksum = errors.New("the mixed-case checksum of the address is wrong (EIP-55)")
)

// ParseAddress reads 0x and 40 hexadecimal digits. Text in one case only is
// taken as it is; mixed case must carry the right EIP-55 checksum.
func ParseAddress(text string) (Address, error) {
	var a Address
	if len(text) != 42 || text[0] != '0' || text[1] != 'x' {
		return a, ErrAddress
	}
	if _, err := hex.Decode(a[:], []byte(text[2:])); err != nil {
		return Address{}, ErrAddress
	}
	digits := text[2:]
	if digits != strings.ToLower(digits) && digits != strings.ToUpper(digits) && text != a.String() {
		return Address{}, ErrChecksum
	}
	return a, nil
}

// String is the EIP-55 checksummed form.
func (a Address) String() string {
	buf := make([]byte, 42)
	copy(buf, "0x")
	hex.Encode(buf[2:], a[:])
	sum := keccak(buf[2:])
	for i := 2; i < 42; i++ {
		nibble := sum[(i-2)/2] >> 4
		if i%2 == 1 {
			nibble = sum[(i-2)/2] & 0x0f
		}
		if buf[i] > '9' && nibble > 7 {
			buf[i] -= 'a' - 'A'
		}
	}
	return string(buf)
}

// Lower is the form without checksum, for keys and comparisons.
func (a Address) Lower() string { return "0x" + hex.EncodeToString(a[:]) }

// IsZero reports whether a is the zero address.
func (a Address) IsZero() bool { return a == Address{} }

func keccak(b []byte) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write(b)
	return h.Sum(nil)
}

// InteropChecksum is the ERC-7828 checksum of an address on an eip155 chain:
// the first four bytes of keccak256 over the ERC-7930 form without its version,
// in upper-case hexadecimal.
func InteropChecksum(chain ChainID, a Address) string {
	return strings.ToUpper(hex.EncodeToString(keccak(unversioned(chain, a))[:4]))
}

// InteropBinary is the ERC-7930 form (version 1) of an address on an eip155
// chain, in 0x-hexadecimal.
func InteropBinary(chain ChainID, a Address) string {
	return "0x0001" + hex.EncodeToString(unversioned(chain, a))
}

// unversioned is the ERC-7930 form without its version: type of chain (eip155 is
// 0), the chain's number in as few bytes as it takes, and the address, the latter
// two after their lengths.
func unversioned(chain ChainID, a Address) []byte {
	ref := new(big.Int).SetUint64(uint64(chain)).Bytes()
	b := make([]byte, 0, 4+len(ref)+len(a))
	b = append(b, 0, 0, byte(len(ref)))
	b = append(b, ref...)
	b = append(b, byte(len(a)))
	return append(b, a[:]...)
}

// Destination is where a merchant wants one asset: an ERC-7828 address with a
// token behind it, "{wallet}@eip155:{chain}#{checksum}:{token}".
type Destination struct {
	Wallet Address
	Chain  ChainID
	Token  Address // zero for the chain's native currency
}

// String is the canonical form, with the right checksum.
func (d Destination) String() string {
	return d.Interop() + ":" + d.Token.String()
}

// Interop is the ERC-7828 address without the token.
func (d Destination) Interop() string {
	return fmt.Sprintf("%s@eip155:%d#%s", d.Wallet, d.Chain, InteropChecksum(d.Chain, d.Wallet))
}

// ChecksumError tells that a destination's checksum belongs to another address.
type ChecksumError struct{ Got, Want string }

func (e *ChecksumError) Error() string {
	return "the checksum " + e.Got + " does not belong to this address; the right one is " + e.Want
}

// ErrDestination is text that is no destination at all.
var ErrDestination = errors.New("not a destination id: wallet@eip155:chain#checksum:token")

// ParseDestination reads a destination. A missing checksum is accepted, letter
// case of the checksum is ignored, and a wrong one is a *ChecksumError beside
// the otherwise complete result, so that a caller may decide to accept it.
func ParseDestination(text string) (Destination, error) {
	var d Destination
	if len(text) > 200 {
		return d, ErrDestination
	}
	wallet, rest, ok := strings.Cut(text, "@eip155:")
	if !ok {
		return d, ErrDestination
	}
	ref, token, ok := strings.Cut(rest, ":")
	if !ok {
		return d, ErrDestination
	}
	ref, sum, hasSum := strings.Cut(ref, "#")
	chain, ok := parseChainRef(ref)
	if !ok || (hasSum && len(sum) != 8) {
		return d, ErrDestination
	}
	var err error
	if d.Wallet, err = ParseAddress(wallet); err != nil {
		return Destination{}, err
	}
	if d.Token, err = ParseAddress(token); err != nil {
		return Destination{}, err
	}
	d.Chain = chain
	if want := InteropChecksum(chain, d.Wallet); hasSum && !strings.EqualFold(sum, want) {
		return d, &ChecksumError{Got: sum, Want: want}
	}
	return d, nil
}

func parseChainRef(ref string) (ChainID, bool) {
	v, ok := new(big.Int).SetString(ref, 10)
	if !ok || !v.IsUint64() || v.Sign() == 0 || v.String() != ref {
		return 0, false
	}
	return ChainID(v.Uint64()), true
}
