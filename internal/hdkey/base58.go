package hdkey

import (
	"bytes"
	"crypto/sha256"
	"math/big"
	"strings"
)

const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

var digits58 = func() (t [128]int8) {
	for i := range t {
		t[i] = int8(strings.IndexByte(alphabet, byte(i)))
	}
	return t
}()

// maxText bounds the text before any arithmetic: 82 bytes are at most 112 digits.
const maxText = 112

// decode58Check reads base58 with a checksum of four bytes (Base58Check) and returns
// the n bytes before it.
func decode58Check(text string, n int) ([]byte, error) {
	if text == "" || len(text) > maxText {
		return nil, ErrSyntax
	}
	v, base := new(big.Int), big.NewInt(int64(len(alphabet)))
	for i := range len(text) {
		if text[i] >= 128 || digits58[text[i]] < 0 {
			return nil, ErrSyntax
		}
		v.Mul(v, base)
		v.Add(v, big.NewInt(int64(digits58[text[i]])))
	}
	zeros := 0
	for zeros < len(text) && text[zeros] == alphabet[0] {
		zeros++
	}
	raw := append(make([]byte, zeros), v.Bytes()...)
	if len(raw) != n+4 {
		return nil, ErrSyntax
	}
	once := sha256.Sum256(raw[:n])
	twice := sha256.Sum256(once[:])
	if !bytes.Equal(twice[:4], raw[n:]) {
		return nil, ErrChecksum
	}
	return raw[:n], nil
}
