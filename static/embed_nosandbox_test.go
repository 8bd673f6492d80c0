//go:build nosandbox

package static

import "testing"

func TestProductionBuildHasNoWalletOfItsOwn(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if got := a.URL("sandbox-wallet.js"); got != "" {
		t.Errorf("sandbox-wallet.js at %s", got)
	}
}
