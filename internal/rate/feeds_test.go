package rate_test

import (
	"testing"

	"quittance/internal/asset"
	"quittance/internal/rate"
)

// The table is whole: every chain with real money has feeds of its own coin and of both
// stablecoins, no address stands twice, and rollups have their sequencer's.
func TestKnownFeeds(t *testing.T) {
	chains, _ := asset.Real()
	seen := map[asset.Address]string{}
	for _, c := range chains {
		feeds, sequencer := rate.Feeds(c.ID)
		if c.ID == asset.Sepolia {
			if len(feeds) > 0 {
				t.Errorf("%s has feeds", c.Name)
			}
			continue
		}
		for _, name := range []string{c.Native.Symbol, "USDC", "USDT", "EUR", "ETH"} {
			if feeds[name].IsZero() {
				t.Errorf("%s has no feed of %s", c.Name, name)
			}
		}
		rollup := c.ID == asset.Base || c.ID == asset.Optimism || c.ID == asset.ArbitrumOne
		if sequencer.IsZero() == rollup {
			t.Errorf("%s: sequencer's feed %s", c.Name, sequencer)
		}
		feeds["sequencer"] = sequencer
		for name, a := range feeds {
			if before, twice := seen[a]; twice && !a.IsZero() {
				t.Errorf("%s stands for %s and for %s of %s", a, before, name, c.Name)
			}
			seen[a] = name + " of " + c.Name
		}
	}
	if feeds, _ := rate.Feeds(1234); len(feeds) > 0 {
		t.Errorf("an unknown chain has feeds: %v", feeds)
	}
}
