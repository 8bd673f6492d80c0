package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"quittance/internal/payment"
)

// Long notes are kept, found and paid, whatever their letters. Databases take texts of any
// length, and their indexes do not: a payment that cannot be recorded would hold up all that
// is recorded with it.
func TestLongNotes(t *testing.T) {
	onBothEngines(t, func(t *testing.T, database string) {
		w := till(t, database)
		seed := uint32(1)
		for _, long := range []int{600, 640, 650, 660, 700, 1000} {
			var text strings.Builder
			for range long { // letters of four bytes, in an order that cannot be packed
				seed = seed*1664525 + 1013904223
				text.WriteRune(rune(0x20000 + seed>>16%0xa000))
			}
			note := text.String()
			body, err := json.Marshal(map[string]any{"amount": 5, "recipient_note": note})
			if err != nil {
				t.Fatal(err)
			}
			p := w.CreateLink(string(body))
			w.PayByBank(p, 500)
			if p = w.Link(p.Terms.Alias); p.Standing.State != payment.Paid || p.Terms.Reference != note {
				t.Errorf("%d letters: %+v", long, p.Standing)
			}
			search, err := json.Marshal(map[string]any{"search": string([]rune(note)[long-20:])})
			if err != nil {
				t.Fatal(err)
			}
			data, _ := w.SecPaid("getMyUsedLinks", string(search)).Want(http.StatusOK).JSON()["data"].([]any)
			if len(data) != 1 {
				t.Fatalf("%d letters: found %v", long, data)
			}
			if told, _ := data[0].(map[string]any); told["recipient_note"] != note {
				t.Errorf("%d letters: told %v", long, told)
			}
		}
	})
}
