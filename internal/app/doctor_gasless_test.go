package app

import (
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/config"
	"quittance/internal/gasless"
	"quittance/internal/official"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

// What a configuration means for payers' gas.
func TestGaslessSetup(t *testing.T) {
	load := func(env map[string]string) *config.Config {
		t.Helper()
		c, err := config.Load("", func(name string) string {
			if v, set := env[name]; set {
				return v
			}
			return map[string]string{
				"QUITTANCE_BASE_URL": "https://pay.example.com", "QUITTANCE_KEYS": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
				"QUITTANCE_CHAIN_MATIC_RPC": "http://127.0.0.1:1", "QUITTANCE_CHAIN_BASE_RPC": "http://127.0.0.1:1",
			}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s, err := production(load(nil), slog.New(slog.DiscardHandler))
	if err != nil || s.Gasless != nil {
		t.Fatalf("by default: %+v, %v", s.Gasless, err)
	}
	s, err = production(load(map[string]string{
		"QUITTANCE_GASLESS_MATIC_PROVIDER": "pimlico", "QUITTANCE_GASLESS_MATIC_BUNDLER_URL": "https://b.example/k", "QUITTANCE_GASLESS_MATIC_POLICY": "sp_1",
		"QUITTANCE_GASLESS_MATIC_ACCOUNT": userop.KindSafe, "QUITTANCE_GASLESS_BASE_PROVIDER": "erc7677", "QUITTANCE_GASLESS_BASE_BUNDLER_URL": "https://b.example/",
		"QUITTANCE_GASLESS_BASE_PAYMASTER_URL": "https://p.example/",
	}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	matic, base := s.Gasless.Chains[asset.Matic], s.Gasless.Chains[asset.Base]
	wei := func(text string) *big.Int { n, _ := new(big.Int).SetString(text, 10); return n }
	if matic.Provider != gasless.ProviderPimlico || matic.Name != "Pimlico" || matic.Kind != userop.KindSafe || matic.Pricing != userop.PricingPimlico || matic.Policy != "sp_1" ||
		matic.MaxFeePerGas.Cmp(wei("1500000000000")) != 0 || matic.MaxCost.Cmp(wei("1000000000000000000")) != 0 || matic.Budget.Grants != 5 ||
		matic.Budget.Payment.Cmp(wei("3000000000000000000")) != 0 || matic.Budget.ChainDay.Cmp(wei("100000000000000000000")) != 0 {
		t.Errorf("matic: %+v", matic)
	}
	if base.Pricing != userop.PricingChain || base.PaymasterURL != "https://p.example/" || base.Kind != userop.KindLight || base.Timeout == 0 {
		t.Errorf("base: %+v", base)
	}
	for id := range s.Gasless.Chains {
		if _, known := s.Gasless.Table.Kind(id, userop.KindLight); !known {
			t.Errorf("chain %d has no accounts", id)
		}
	}
	if _, err := realGasless(map[string]config.Gasless{"tron": {}}, s.Book); err == nil {
		t.Error("a network that there is not")
	}
}

// The doctor says what of paying without gas does not work, and shows no address.
func TestDoctorOfGas(t *testing.T) {
	const sandbox = asset.ChainID(chaintest.DefaultID)
	s := useroptest.New(t)
	chains, tokens := asset.Sandbox()
	chains[0].ID = sandbox
	tokens = slices.DeleteFunc(tokens, func(x asset.Token) bool { return true })
	book, err := asset.NewBook(chains[:1], tokens)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		how   gateway.Behaviour
		setup func(*gasless.Chain)
		wrong []string
	}{
		"all is well":               {gateway.Behaviour{}, nil, nil},
		"nobody answers":            {gateway.Behaviour{Status: 500}, nil, []string{"bundler", "sponsor"}},
		"the sponsor says no":       {gateway.Behaviour{Refuse: map[string]gateway.Refusal{userop.MethodStub: {Code: -32000, Message: "no such policy"}}}, nil, []string{"sponsor"}},
		"a paymaster without money": {gateway.Behaviour{}, func(c *gasless.Chain) { c.MaxCost = new(big.Int).Lsh(big.NewInt(1), 100) }, []string{"paymaster"}},
		"no policy":                 {gateway.Behaviour{}, func(c *gasless.Chain) { c.Provider, c.Policy = gasless.ProviderAlchemy, "" }, []string{"services"}},
	} {
		t.Run(name, func(t *testing.T) {
			s.Gateway.Behave(c.how)
			defer s.Gateway.Behave(gateway.Behaviour{})
			one := gasless.Chain{
				Provider: gasless.ProviderERC7677, Kind: userop.KindLight, BundlerURL: s.URL, Context: `{"policyId":"` + gateway.Policy + `"}`,
				Pricing: userop.PricingPimlico, MaxFeePerGas: big.NewInt(1e11), MaxCost: big.NewInt(1e17), Timeout: 5 * time.Second,
			}
			if c.setup != nil {
				c.setup(&one)
			}
			setup := &GaslessSetup{Table: userop.At(sandbox), Chains: map[asset.ChainID]gasless.Chain{sandbox: one}}
			var wrong []string
			d := &doctor{report: func(f Finding) {
				if strings.Contains(f.Detail, s.URL) {
					t.Errorf("the address is in %+v", f)
				}
				if !f.OK {
					wrong = append(wrong, strings.TrimPrefix(f.Check, chains[0].Network+" gas "))
				}
			}}
			d.gasless(t.Context(), Setup{
				Book: book, Registry: official.Default(), Gasless: setup, Log: slog.New(slog.DiscardHandler),
				Chains: []ChainSetup{{ID: sandbox, Endpoints: []chain.Endpoint{{URL: s.Chain.URL()}}}, {ID: 77}},
			})
			if !slices.Equal(wrong, c.wrong) || d.failed != (len(c.wrong) > 0) {
				t.Errorf("wrong is %v, want %v", wrong, c.wrong)
			}
		})
	}
	(&doctor{}).gasless(t.Context(), Setup{})
}
