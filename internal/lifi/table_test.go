package lifi_test

import (
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/lifi"
)

type pinnedFile struct {
	Chains           map[string]asset.ChainID
	FeeProxies       map[string]string `json:"erc20FeeProxy_v020"`
	Diamond          map[string]string `json:"lifiDiamond"`
	Permit2Proxy     map[string]string `json:"lifiPermit2Proxy"`
	FeeForwarder     map[string]string `json:"lifiFeeForwarder"`
	FeeCollector     map[string]string `json:"lifiFeeCollector"`
	Executor         map[string]string `json:"lifiExecutor"`
	ReceiverAcross   map[string]string `json:"lifiReceiverAcrossV4"`
	ReceiverStargate map[string]string `json:"lifiReceiverStargateV2"`
}

func TestTableIsThatOfTheSources(t *testing.T) {
	file, table := load[pinnedFile](t, "addresses.json"), lifi.Pinned()
	if len(file.Chains) != 6 || len(table.Chains()) != 6 {
		t.Fatalf("%d and %d chains", len(file.Chains), len(table.Chains()))
	}
	for name, chain := range file.Chains {
		n, ok := table.Network(chain)
		if !ok {
			t.Errorf("%s is not pinned", name)
			continue
		}
		for what, pair := range map[string]struct {
			want map[string]string
			got  asset.Address
		}{
			"fee proxy": {file.FeeProxies, n.FeeProxy}, "diamond": {file.Diamond, n.Diamond}, "permit2 proxy": {file.Permit2Proxy, n.Permit2Proxy},
			"fee forwarder": {file.FeeForwarder, n.FeeForwarder}, "fee collector": {file.FeeCollector, n.FeeCollector}, "executor": {file.Executor, n.Executor},
			"Across receiver": {file.ReceiverAcross, n.ReceiverAcross}, "Stargate receiver": {file.ReceiverStargate, n.ReceiverStargate},
		} {
			text, ok := pair.want[name]
			if !ok {
				text = pair.want["all"]
			}
			if want := addr(t, text); pair.got != want {
				t.Errorf("%s: %s is %s, the source says %s", name, what, pair.got, want)
			}
		}
	}
}

// Source: LayerZero V2 deployments.
func TestEndpointsAreLayerZeros(t *testing.T) {
	for chain, want := range map[asset.ChainID]uint32{1: 30101, 56: 30102, 137: 30109, 42161: 30110, 10: 30111, 8453: 30184} {
		if n, _ := lifi.Pinned().Network(chain); n.Endpoint != want {
			t.Errorf("chain %d: %d", chain, n.Endpoint)
		}
	}
}

func TestEveryNetworkHasItsDollars(t *testing.T) {
	table := lifi.Pinned()
	for _, chain := range table.Chains() {
		n, _ := table.Network(chain)
		symbols := map[string]bool{}
		for _, s := range n.Stables {
			symbols[s.Symbol] = true
		}
		if !symbols["USDC"] || !symbols["USDT"] {
			t.Errorf("chain %d: %v", chain, symbols)
		}
	}
}

func TestIncompleteTablesAreRefused(t *testing.T) {
	good, _ := lifi.Pinned().Network(asset.Base)
	if _, err := lifi.NewTable([]lifi.Network{good, good}); err == nil {
		t.Error("a network stands twice")
	}
	for name, change := range map[string]func(*lifi.Network){
		"chain":        func(n *lifi.Network) { n.Chain = 0 },
		"diamond":      func(n *lifi.Network) { n.Diamond = asset.Address{} },
		"proxy":        func(n *lifi.Network) { n.FeeProxy = asset.Address{} },
		"forwarder":    func(n *lifi.Network) { n.FeeForwarder = asset.Address{} },
		"executor":     func(n *lifi.Network) { n.Executor = asset.Address{} },
		"assets":       func(n *lifi.Network) { n.Stables = nil },
		"other assets": func(n *lifi.Network) { n.Chain = 10 },
		"native asset": func(n *lifi.Network) { n.Stables = []asset.Token{{Chain: n.Chain}} },
		"endpoint":     func(n *lifi.Network) { n.Endpoint = 0 },
		"fee limit":    func(n *lifi.Network) { n.MaxNativeFee = nil },
	} {
		n := good
		change(&n)
		if _, err := lifi.NewTable([]lifi.Network{n}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := lifi.NewTable([]lifi.Network{good}); err != nil {
		t.Error(err)
	}
}

func TestSourceCap(t *testing.T) {
	six, eighteen := token(t, "USDC-base"), token(t, "USDC-bsc")
	for _, c := range []struct {
		required string
		from, to asset.Token
		want     string
	}{
		{"100500000", six, six, "101505000"},
		{"100500000", eighteen, six, "101505000000000000000"},
		{"100500000000000000000", six, eighteen, "101505000"},
		{"100500000000000000001", six, eighteen, "101505001"}, // a part of a unit is a whole one
	} {
		required := units(t, c.required)
		if got := lifi.SourceCap(required, c.from, c.to, 100); got.Cmp(units(t, c.want)) != 0 {
			t.Errorf("%s: %v, want %s", c.required, got, c.want)
		}
		if required.Cmp(units(t, c.required)) != 0 {
			t.Error("the argument was changed")
		}
	}
	if got := lifi.SourceCap(big.NewInt(1), six, six, 0); got.Int64() != 1 {
		t.Errorf("%v", got)
	}
}
