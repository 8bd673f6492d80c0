package secpaid_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// What forms write before a number is none of JSON, and the answer to a split has its shares
// as numbers.
func TestSharesWithZerosInFront(t *testing.T) {
	c := openCrew(t)
	for sent, want := range map[string]string{`"010"`: "10", `"007.50"`: "7.50", `"00.5"`: "0.5", `"10"`: "10", `"1e1"`: "1e1"} {
		m := c.split(`{"amount":100,"recipients":[{"token":"` + c.friendToken + `","share":` + sent + `}]}`)
		var told []struct{ Share json.Number }
		if m.Recipients == nil || json.NewDecoder(strings.NewReader(*m.Recipients)).Decode(&told) != nil || len(told) != 1 || told[0].Share.String() != want {
			t.Errorf("%s is told as %+v", sent, m.Recipients)
		}
	}
}
