package artifacts_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/safe"
	"quittance/internal/safe/artifacts"
)

func TestEveryPinnedContractIsDeployedWithItsPinnedCode(t *testing.T) {
	for _, id := range []asset.ChainID{asset.SandboxBase, asset.Base, asset.Mainnet} {
		deployed, err := artifacts.Deployed(id)
		if err != nil {
			t.Fatal(err)
		}
		table, factories, seen := safe.At(id), 0, map[asset.Address]bool{}
		for _, c := range deployed {
			if seen[c.Address] {
				t.Errorf("chain %d: two contracts at %s", id, c.Address)
			}
			seen[c.Address] = true
			if c.Kind == "" {
				factories++
				continue
			}
			pin, ok := table.Contract(id, c.Address)
			if !ok || pin.Version != c.Version || pin.Kind != c.Kind {
				t.Errorf("chain %d: %s %s at %s is pinned as %+v", id, c.Kind, c.Version, c.Address, pin)
			}
			if got := official.Hash(crypto.Keccak256(c.Runtime)); got != pin.CodeHash {
				t.Errorf("chain %d: %s %s has the code %s", id, c.Kind, c.Version, got)
			}
		}
		if factories != len(safe.Versions()) {
			t.Errorf("chain %d: %d factories", id, factories)
		}
		for _, kind := range []safe.Kind{safe.Singleton, safe.SingletonL2, safe.MultiSendCallOnly, safe.FallbackHandler} {
			for _, c := range table.Contracts(id, kind) {
				if !seen[c.Address] {
					t.Errorf("chain %d: %s %s is not deployed", id, kind, c.Version)
				}
			}
		}
	}
}

func TestUnknownContractsAreErrors(t *testing.T) {
	if _, err := artifacts.Official("1.1.1", "Safe"); err == nil {
		t.Error("a version that is not there")
	}
	if _, err := artifacts.Official(safe.V141, "Vault"); err == nil {
		t.Error("a contract that is not there")
	}
	if _, err := artifacts.Interface(safe.V141, "SafeProxy"); err == nil {
		t.Error("a contract without an ABI")
	}
}
