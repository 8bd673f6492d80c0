package chain

import (
	"encoding/hex"
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// errHex is text that is not the hexadecimal form the protocol asks for.
var errHex = errors.New("not the hexadecimal value that was asked for")

// parseUint reads a quantity that fits 64 bits. Leading zeros, which the
// protocol forbids, are let pass: some nodes write them.
func parseUint(text string) (uint64, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok || digits == "" || digits[0] == '+' || digits[0] == '-' || len(digits) > 64 {
		return 0, errHex
	}
	v, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return 0, errHex
	}
	return v, nil
}

// parseBig reads a quantity of at most 256 bits.
func parseBig(text string) (*big.Int, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok || digits == "" || len(digits) > 64 || !isHex(digits) {
		return nil, errHex
	}
	v, ok := new(big.Int).SetString(digits, 16)
	if !ok {
		return nil, errHex
	}
	return v, nil
}

// parseBytes reads 0x and an even number of digits.
func parseBytes(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok {
		return nil, errHex
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, errHex
	}
	return b, nil
}

// parseHash reads 32 bytes and returns them in lower case.
func parseHash(text string) (string, error) {
	if len(text) != 66 || text[0] != '0' || text[1] != 'x' || !isHex(text[2:]) {
		return "", errHex
	}
	return strings.ToLower(text), nil
}

func isHex(text string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
