//go:build !nosandbox

package static

import "testing"

func TestSandboxBuildHasItsWallets(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sandbox-wallet.js", "sandbox-safe.js", "sandbox-safe.css"} {
		if a.URL(name) == "" {
			t.Errorf("no %s", name)
		}
	}
}
