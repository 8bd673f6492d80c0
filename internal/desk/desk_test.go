package desk_test

import (
	"slices"
	"strings"
	"testing"

	"quittance/internal/checkout"
	"quittance/internal/desk"
)

// Each outcome of a booking has words for people.
func TestOutcomesAreWorded(t *testing.T) {
	all := append(desk.Outcomes(), checkout.OutcomeConfirmed, checkout.OutcomeGiven, checkout.OutcomeAside)
	for _, o := range all {
		if !strings.HasSuffix(desk.Says(o), ".") {
			t.Errorf("%s: %q", o, desk.Says(o))
		}
	}
	if desk.Says("what") != "" || !slices.Contains(all, checkout.OutcomeBefore) || len(all) < 14 {
		t.Errorf("all are %v", all)
	}
}
