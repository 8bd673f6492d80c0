//go:build !nosandbox

package static

import "testing"

func TestSandboxBuildHasItsWallet(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if a.URL("sandbox-wallet.js") == "" {
		t.Error("no sandbox-wallet.js")
	}
}
