package config_test

import (
	"strings"
	"testing"
	"time"

	"quittance/internal/config"
)

const onBase = "chains: {base: {rpc: [\"https://rpc.example\"]}, arbitrum-one: {rpc: [\"https://arb.example\"]}}\n"

// gasless is a configuration with one sponsored network.
func gasless(settings string) string { return good + onBase + "gasless: {base: {" + settings + "}}\n" }

// Nobody pays for gas unless the operator says so; then little has to be said.
func TestGasless(t *testing.T) {
	c, err := load(t, good, none)
	if err != nil || len(c.Gasless) != 0 || strings.Contains(printed(t, c, none), "gasless") {
		t.Fatalf("by default: %+v, %v", c.Gasless, err)
	}
	if c, err = load(t, gasless(`provider: alchemy, bundler_url: "https://base.g.example/v2/HIDDEN", policy: HIDDENPOLICY`), none); err != nil {
		t.Fatal(err)
	}
	g := c.Gasless["base"]
	if g.Sponsor != "Alchemy" || g.Prices != "rundler" || g.Account != "light-account-2.0.0" || string(g.PaymasterURL) != "https://base.g.example/v2/HIDDEN" ||
		g.MaxFeePerGas.Units(9).String() != "5000000000" || g.MaxCost.Units(18).String() != "2000000000000000" || g.Budget.Payment.String() != "0.006" ||
		g.Budget.WalletDay.String() != "0.02" || g.Budget.ChainDay.String() != "0.2" || g.Budget.Grants != 5 || time.Duration(g.Timeout) != 8*time.Second {
		t.Errorf("by default: %+v", g)
	}
	got := printed(t, c, none)
	for _, line := range []string{
		"gasless.base.provider: alchemy\n", "gasless.base.bundler_url: [secret]\n", "gasless.base.policy: [secret]\n", "gasless.base.context: none\n",
		"gasless.base.max_cost: 0.002\n", "gasless.base.budget.grants: 5\n", "gasless.base.budget.chain_day: 0.2\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing from:\n%s", line, got)
		}
	}
	if strings.Contains(got, "HIDDEN") {
		t.Errorf("a secret is printed:\n%s", got)
	}
	c, err = load(t, gasless(`provider: erc7677, bundler_url: "http://127.0.0.1:1/", paymaster_url: "https://pm.example/?key=HIDDEN", context: '{"a": "HIDDEN"}', sponsor: Our shop,
  account: safe-4337-0.3.0, prices: pimlico, max_fee_per_gas: "0.5", max_cost: 0.01, timeout: 2s, budget: {payment: "0.02", grants: 3, wallet_day: "1", chain_day: 12.5}`), none)
	if err != nil {
		t.Fatal(err)
	}
	g = c.Gasless["base"]
	if g.Sponsor != "Our shop" || g.Prices != "pimlico" || g.Account != "safe-4337-0.3.0" || !strings.HasPrefix(string(g.PaymasterURL), "https://pm.example/") || string(g.Context) != `{"a": "HIDDEN"}` ||
		g.MaxFeePerGas.Units(9).String() != "500000000" || g.MaxCost.String() != "0.01" || g.Budget.Payment.String() != "0.02" || g.Budget.Grants != 3 ||
		g.Budget.WalletDay.String() != "1" || g.Budget.ChainDay.Units(18).String() != "12500000000000000000" || time.Duration(g.Timeout) != 2*time.Second {
		t.Errorf("as set: %+v", g)
	}
}

func TestGaslessRefuses(t *testing.T) {
	whole := `provider: pimlico, bundler_url: "https://api.example/v2/HIDDEN"`
	for settings, field := range map[string]string{
		`bundler_url: "https://api.example/v2/HIDDEN"`:                 "provider",
		`provider: stackup, bundler_url: "https://api.example/HIDDEN"`: "provider",
		`provider: pimlico`: "bundler_url",
		`provider: pimlico, bundler_url: "http://api.example/v2/HIDDEN"`:       "bundler_url",
		`provider: pimlico, bundler_url: "https://u:HIDDEN@api.example"`:       "bundler_url",
		`provider: alchemy, bundler_url: "https://api.example/HIDDEN"`:         "policy",
		whole + `, paymaster_url: "ftp://x.example/HIDDEN"`:                    "paymaster_url",
		whole + `, policy: 'HIDDEN"'`:                                          "policy",
		whole + `, context: '{"x": "HIDDEN"}'`:                                 "context",
		`provider: erc7677, bundler_url: "https://a.example", policy: x`:       "policy",
		`provider: erc7677, bundler_url: "https://a.example", context: '[1]'`:  "context",
		`provider: erc7677, bundler_url: "https://a.example", context: 'null'`: "context",
		whole + `, account: simple`:                                            "account",
		whole + `, prices: guess`:                                              "prices",
		whole + `, max_fee_per_gas: "0.0000000001"`:                            "max_fee_per_gas",
		whole + `, max_cost: "1"`:                                              "",
		whole + `, max_cost: "1", budget: {payment: "0.5"}`:                    "budget.payment",
		whole + `, budget: {wallet_day: "0.0001"}`:                             "budget.wallet_day",
		whole + `, budget: {chain_day: "0.0001"}`:                              "budget.chain_day",
		whole + `, budget: {grants: -1}`:                                       "budget.grants",
		whole + `, budget: {grants: 100000}`:                                   "budget.grants",
		whole + `, timeout: 1m`:                                                "timeout",
		whole + `, sponsor: "` + strings.Repeat("x", 61) + `"`:                 "sponsor",
	} {
		_, err := load(t, gasless(settings), none)
		if field == "" && err != nil || field != "" && (err == nil || !strings.Contains(err.Error(), "gasless.base."+field+": ")) || err != nil && strings.Contains(err.Error(), "HIDDEN") {
			t.Errorf("%s: got %v, want something about %q", settings, err, field)
		}
	}
	for _, amount := range []string{"0", "0.0", "-1", "1e3", "0.1234567890123456789", ".5", "5.", "1,5", "1234567890123"} {
		if _, err := load(t, gasless(whole+`, max_cost: "`+amount+`"`), none); err == nil || !strings.Contains(err.Error(), "no amount") {
			t.Errorf("%s is taken: %v", amount, err)
		}
	}
	for text, want := range map[string]string{
		good + onBase + "gasless: {tron: {" + whole + "}}\n": "gasless.tron: only these networks", good + onBase + "gasless: {matic: {" + whole + "}}\n": "gasless.matic: this network is not among the chains",
	} {
		if _, err := load(t, text, none); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestGaslessFromTheEnvironment(t *testing.T) {
	p := "QUITTANCE_GASLESS_ARBITRUM_ONE_"
	env := map[string]string{
		p + "PROVIDER": "erc7677", p + "BUNDLER_URL": "https://b.example/HIDDEN", p + "PAYMASTER_URL": "https://p.example/HIDDEN", p + "CONTEXT": `{"k":1}`, p + "SPONSOR": "Us",
		p + "ACCOUNT": "safe-4337-0.3.0", p + "PRICES": "rundler", p + "MAX_FEE_PER_GAS": "2", p + "MAX_COST": "0.004", p + "TIMEOUT": "3s",
		p + "BUDGET_PAYMENT": "0.01", p + "BUDGET_GRANTS": "7", p + "BUDGET_WALLET_DAY": "0.1", p + "BUDGET_CHAIN_DAY": "3",
		"QUITTANCE_GASLESS_BASE_POLICY": "fromenv",
	}
	getenv := func(name string) string { return env[name] }
	c, err := load(t, gasless(`provider: alchemy, bundler_url: "https://x.example", policy: fromfile`), getenv)
	if err != nil {
		t.Fatal(err)
	}
	g := c.Gasless["arbitrum-one"]
	if g.Provider != "erc7677" || string(g.BundlerURL) != "https://b.example/HIDDEN" || string(g.PaymasterURL) != "https://p.example/HIDDEN" || string(g.Context) != `{"k":1}` || g.Sponsor != "Us" ||
		g.Account != "safe-4337-0.3.0" || g.Prices != "rundler" || g.MaxFeePerGas.String() != "2" || g.MaxCost.String() != "0.004" || time.Duration(g.Timeout) != 3*time.Second ||
		g.Budget != (config.GasBudget{Payment: g.Budget.Payment, Grants: 7, WalletDay: g.Budget.WalletDay, ChainDay: g.Budget.ChainDay}) || g.Budget.Payment.String() != "0.01" ||
		g.Budget.WalletDay.String() != "0.1" || g.Budget.ChainDay.String() != "3" || string(c.Gasless["base"].Policy) != "fromenv" {
		t.Errorf("%+v", c.Gasless)
	}
	if got := printed(t, c, getenv); !strings.Contains(got, "gasless.arbitrum-one.max_cost: 0.004  (environment)\n") || !strings.Contains(got, "gasless.arbitrum-one.budget.grants: 7  (environment)\n") {
		t.Errorf("printed:\n%s", got)
	}
	for field, value := range map[string]string{"MAX_COST": "much", "MAX_FEE_PER_GAS": "-1", "BUDGET_GRANTS": "x", "TIMEOUT": "soon", "BUDGET_PAYMENT": "0"} {
		env = map[string]string{p + field: value}
		if _, err := load(t, good+onBase, getenv); err == nil || !strings.Contains(err.Error(), p+field+": ") {
			t.Errorf("%s=%s: %v", field, value, err)
		}
	}
}
