package chain

import (
	"encoding/json"
	"slices"

	"golang.org/x/crypto/sha3"

	"quittance/internal/asset"
)

// bloom is a header's logsBloom: a filter of the addresses and topics of all logs of a block
// (Yellow Paper 4.4.3). Chains without one have zeros, or leave it out.
type bloom []byte

const bloomLength = 256

// bloom decodes a header's, nil if it has none.
func (r Result) bloom() bloom {
	var w struct {
		Bloom *string `json:"logsBloom"`
	}
	if r.Err != nil || json.Unmarshal(r.Raw, &w) != nil || w.Bloom == nil {
		return nil
	}
	b, err := parseBytes(*w.Bloom)
	if err != nil || len(b) != bloomLength {
		return nil
	}
	return b
}

// has reports whether something may be in the filter.
func (b bloom) has(what []byte) bool {
	h := sha3.NewLegacyKeccak256()
	_, _ = h.Write(what) // a hash takes everything
	sum := h.Sum(nil)
	for i := 0; i < 6; i += 2 {
		bit := (uint(sum[i])<<8 | uint(sum[i+1])) & (8*bloomLength - 1)
		if b[bloomLength-1-bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
	}
	return true
}

// may reports whether a block may have logs that a filter asks for: with no bloom, it is
// not known to.
func (b bloom) may(f Filter) bool {
	if b == nil || !slices.ContainsFunc(f.Addresses, func(a asset.Address) bool { return b.has(a[:]) }) {
		return false
	}
	return len(f.Topics0) == 0 || slices.ContainsFunc(f.Topics0, func(t string) bool {
		topic, err := parseBytes(t)
		return err == nil && b.has(topic)
	})
}
