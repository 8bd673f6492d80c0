package official

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
)

// Hash is a keccak256 hash.
type Hash [32]byte

// String is 0x and 64 lower-case hexadecimal digits.
func (h Hash) String() string { return "0x" + hex.EncodeToString(h[:]) }

// IsZero reports whether h was never set.
func (h Hash) IsZero() bool { return h == Hash{} }

// ErrHash is text that is no hash.
var ErrHash = errors.New("not a hash: 0x and 64 hexadecimal digits")

// ParseHash reads 0x and 64 hexadecimal digits.
func ParseHash(text string) (Hash, error) {
	var h Hash
	if len(text) != 66 || text[:2] != "0x" {
		return h, ErrHash
	}
	if _, err := hex.Decode(h[:], []byte(text[2:])); err != nil {
		return Hash{}, ErrHash
	}
	return h, nil
}

func keccak(parts ...[]byte) Hash { return Hash(crypto.Keccak256(parts...)) }

// CodeHash is the hash a contract's code is pinned by.
func CodeHash(code []byte) Hash { return keccak(code) }

// Reference is the 8-byte payment reference by which a contract call names a
// request.
type Reference [8]byte

// PaymentReference derives the reference of a request: the last 8 bytes of
// keccak256 over the lower-cased text requestID + salt + address, where address
// keeps its 0x and the others have none. address is the one the money goes to
// (payment-detection, PaymentReferenceCalculator).
func PaymentReference(requestID, salt, address string) Reference {
	sum := keccak([]byte(strings.ToLower(requestID + salt + address)))
	return Reference(sum[24:])
}

// ErrReference is text that is no payment reference.
var ErrReference = errors.New("not a payment reference: 0x and 16 hexadecimal digits")

// ParseReference reads 0x and 16 hexadecimal digits.
func ParseReference(text string) (Reference, error) {
	var r Reference
	if len(text) != 18 || text[:2] != "0x" {
		return r, ErrReference
	}
	if _, err := hex.Decode(r[:], []byte(text[2:])); err != nil {
		return Reference{}, ErrReference
	}
	return r, nil
}

// String is 0x and 16 lower-case hexadecimal digits.
func (r Reference) String() string { return "0x" + hex.EncodeToString(r[:]) }

// Topic is how the event log names the reference: it is an indexed bytes
// argument, of which a log holds only the keccak256.
func (r Reference) Topic() Hash { return keccak(r[:]) }

// NewSalt returns 16 hexadecimal digits from random, as a request's salt.
func NewSalt(random io.Reader) (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("draw a salt: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// RequestContent is what a request id is made from.
type RequestContent struct {
	Creator   string // who asked for the request to be made, in any stable spelling
	Payment   string // the payment it belongs to
	Index     int    // its place in the payment
	Payee     asset.Address
	Asset     asset.ID
	Amount    *big.Int // base units
	CreatedAt time.Time
}

// nonceSize makes an id unguessable even to someone who knows all of its content.
const nonceSize = 32

// NewRequestID returns a fresh request id: "01" and the 64 hexadecimal digits
// of keccak256 over the content and 32 bytes from random. Two calls never
// return the same id, whatever the content.
func NewRequestID(c RequestContent, random io.Reader) (string, error) {
	var nonce [nonceSize]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return "", fmt.Errorf("draw a request id: %w", err)
	}
	return requestID(c, nonce), nil
}

// requestID hashes the fields in order, each behind its length as a 4-byte
// big-endian number, so that no two contents give the same bytes. The "01" is
// the Request Network's mark for an id made by hashing content.
func requestID(c RequestContent, nonce [nonceSize]byte) string {
	var b []byte
	field := func(v []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	field([]byte("quittance request v1"))
	field([]byte(c.Creator))
	field([]byte(c.Payment))
	field(binary.BigEndian.AppendUint64(nil, uint64(c.Index)))
	field(c.Payee[:])
	field([]byte(c.Asset))
	field([]byte(c.Amount.String()))
	field(binary.BigEndian.AppendUint64(nil, uint64(c.CreatedAt.UnixMicro())))
	field(nonce[:])
	sum := keccak(b)
	return "01" + hex.EncodeToString(sum[:])
}
