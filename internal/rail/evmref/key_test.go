package evmref_test

import (
	"strings"
	"testing"

	"quittance/internal/rail/evmref"
)

// A batch mined again behind other transactions: the log of request b now has
// the index that the log of request a had.
func TestReminedBatchDoesNotMixUpItsRequests(t *testing.T) {
	tx, a, b := "0x"+strings.Repeat("11", 32), "0x"+strings.Repeat("aa", 32), "0x"+strings.Repeat("bb", 32)
	before := evmref.Key(8453, tx, 5, a)
	after := evmref.Key(8453, tx, 5, b)
	if before == after {
		t.Errorf("two requests share the key %s", before)
	}
	if evmref.Key(8453, tx, 5, a) != before {
		t.Error("the same log has two keys")
	}
}
