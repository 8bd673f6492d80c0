//go:build nosandbox

package static

import "testing"

func TestProductionBuildHasNoWalletOfItsOwn(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sandbox-wallet.js", "sandbox-safe.js", "sandbox-safe.css"} {
		if got := a.URL(name); got != "" {
			t.Errorf("%s at %s", name, got)
		}
	}
}
