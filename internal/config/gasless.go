package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Gasless says who pays for payers' gas on one network, and how much. It is off where
// nothing is configured.
type Gasless struct {
	// Provider is alchemy, pimlico, or erc7677 for any paymaster's service with any
	// ERC-4337 bundler for EntryPoint 0.7.
	Provider string `yaml:"provider"`
	// BundlerURL is where operations are handed in. It may carry a key and is never
	// shown.
	BundlerURL Secret `yaml:"bundler_url"`
	// PaymasterURL is where gas is asked for. Default the bundler's.
	PaymasterURL Secret `yaml:"paymaster_url"`
	// Policy is the provider's: a gas policy's id of Alchemy, which has to be there, or a
	// sponsorship policy's of Pimlico. Default none.
	Policy Secret `yaml:"policy"`
	// Context is what an erc7677 service is told with each question: a JSON object.
	// Default none.
	Context Secret `yaml:"context"`
	// Sponsor is who pays, for people. Default the provider.
	Sponsor string `yaml:"sponsor"`
	// Account is the kind of smart account: light-account-2.0.0 or safe-4337-0.3.0.
	// Default the first.
	Account string `yaml:"account"`
	// Prices is how the bundler is asked what gas costs: pimlico, rundler or chain.
	// Default pimlico's own way for pimlico, rundler for alchemy, and the chain's for
	// others.
	Prices string `yaml:"prices"`
	// MaxFeePerGas is the dearest gas that is paid for, in thousand millionths of a
	// native coin (gwei). Default the network's own.
	MaxFeePerGas Coins `yaml:"max_fee_per_gas"`
	// MaxCost is what one operation may cost, in native coins. Default the network's own.
	MaxCost Coins `yaml:"max_cost"`
	// Budget bounds what all of them may cost.
	Budget GasBudget `yaml:"budget"`
	// Timeout is for one question. Default 8s, at most 15s.
	Timeout Duration `yaml:"timeout"`
}

// GasBudget bounds what is spent on gas, in native coins. Days are those of UTC.
type GasBudget struct {
	// Payment is for one payment. Default three times max_cost.
	Payment Coins `yaml:"payment"`
	// Grants is how many operations a sponsor is asked about for one payment. Default 5.
	Grants int `yaml:"grants"`
	// WalletDay is for one wallet and day. Default ten times max_cost.
	WalletDay Coins `yaml:"wallet_day"`
	// ChainDay is for the whole network and day. Default a hundred times max_cost.
	ChainDay Coins `yaml:"chain_day"`
}

// Coins is an amount written as a decimal number with at most 18 decimals. The zero
// value means the default.
type Coins struct{ text string }

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (c *Coins) UnmarshalYAML(b []byte) error {
	return c.parse(strings.Trim(strings.TrimSpace(string(b)), `"'`))
}

func (c *Coins) parse(text string) error {
	whole, part, dotted := strings.Cut(text, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	if !digits(whole) || dotted && !digits(part) || len(part) > 18 || len(whole) > 12 || strings.Trim(text, "0.") == "" {
		return fmt.Errorf("%q is no amount like 0.002, above 0 and with at most 18 decimals", text)
	}
	c.text = text
	return nil
}

// String writes the amount as it is configured.
func (c Coins) String() string { return c.text }

// Units is the amount in units of ten to the power of -decimals: wei with 18. What is
// smaller than a unit is cut off.
func (c Coins) Units(decimals int) *big.Int {
	whole, part, _ := strings.Cut(c.text, ".")
	n, ok := new(big.Int).SetString(whole+(part + strings.Repeat("0", 18))[:decimals], 10)
	if !ok {
		return new(big.Int)
	}
	return n
}

// times is so many times as much.
func (c Coins) times(n int64) Coins {
	text := fmt.Sprintf("%019d", new(big.Int).Mul(c.Units(18), big.NewInt(n)))
	whole, part := text[:len(text)-18], strings.TrimRight(text[len(text)-18:], "0")
	return Coins{strings.TrimSuffix(whole+"."+part, ".")}
}

// gasPrices are what gas may cost where nothing is configured: some three times what
// it did in busy hours; and what a first payment costs then.
var gasPrices = map[string]struct{ fee, cost string }{
	"mainnet": {"100", "0.05"}, "arbitrum-one": {"5", "0.002"}, "base": {"5", "0.002"}, "optimism": {"5", "0.002"},
	"matic": {"1500", "1"}, "bsc": {"20", "0.01"}, "sepolia": {"100", "0.05"},
}

// The words that settings may have.
var (
	gasProviders = []string{"alchemy", "pimlico", "erc7677"}
	gasAccounts  = []string{"light-account-2.0.0", "safe-4337-0.3.0"}
	gasPricing   = []string{"chain", "pimlico", "rundler"}
)

const (
	maxGasTimeout = Duration(15 * time.Second)
	maxGrants     = 1000
)

func (g *Gasless) defaults(network string) {
	preset := func(to *Coins, value Coins) {
		if to.text == "" {
			*to = value
		}
	}
	if p, known := gasPrices[network]; known {
		preset(&g.MaxFeePerGas, Coins{p.fee})
		preset(&g.MaxCost, Coins{p.cost})
	}
	if g.MaxCost.text != "" {
		preset(&g.Budget.Payment, g.MaxCost.times(3))
		preset(&g.Budget.WalletDay, g.MaxCost.times(10))
		preset(&g.Budget.ChainDay, g.MaxCost.times(100))
	}
	if g.Budget.Grants == 0 {
		g.Budget.Grants = 5
	}
	if g.Account == "" {
		g.Account = gasAccounts[0]
	}
	if g.PaymasterURL == "" {
		g.PaymasterURL = g.BundlerURL
	}
	if g.Prices == "" {
		g.Prices = map[string]string{"alchemy": "rundler", "pimlico": "pimlico"}[g.Provider]
	}
	if g.Prices == "" {
		g.Prices = "chain"
	}
	if g.Sponsor == "" {
		g.Sponsor = map[string]string{"alchemy": "Alchemy", "pimlico": "Pimlico"}[g.Provider]
	}
	if g.Sponsor == "" {
		g.Sponsor = "The operator of this page"
	}
	if g.Timeout == 0 {
		g.Timeout = Duration(8 * time.Second)
	}
}

func (c *Config) gaslessDefaults() {
	for network, g := range c.Gasless {
		g.defaults(network)
		c.Gasless[network] = g
	}
}

func (c *Config) gaslessErrors() []error {
	var errs []error
	for _, network := range slices.Sorted(maps.Keys(c.Gasless)) {
		field := "gasless." + network
		if !slices.Contains(Networks(), network) {
			errs = append(errs, fmt.Errorf("%s: only these networks are known: %v", field, Networks()))
			continue
		}
		if _, read := c.Chains[network]; !read {
			errs = append(errs, fmt.Errorf("%s: this network is not among the chains", field))
		}
		errs = append(errs, c.Gasless[network].validate(field)...)
	}
	return errs
}

func (g Gasless) validate(field string) []error {
	var errs []error
	wrong := func(f, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %s", field, f, fmt.Sprintf(format, args...)))
	}
	oneOf := func(f, value string, among []string) {
		if !slices.Contains(among, value) {
			wrong(f, "must be one of %v", among)
		}
	}
	oneOf("provider", g.Provider, gasProviders)
	oneOf("account", g.Account, gasAccounts)
	oneOf("prices", g.Prices, gasPricing)
	if err := keyedURL(string(g.BundlerURL)); err != nil {
		wrong("bundler_url", "%v", err)
	}
	if err := keyedURL(string(g.PaymasterURL)); err != nil && g.PaymasterURL != g.BundlerURL {
		wrong("paymaster_url", "%v", err)
	}
	switch {
	case g.Provider == "alchemy" && g.Policy == "":
		wrong("policy", "the id of a gas policy is needed")
	case g.Provider == "erc7677" && g.Policy != "":
		wrong("policy", "an erc7677 service is told its policy in context")
	case strings.ContainsFunc(string(g.Policy), func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }):
		wrong("policy", "has characters that no id has")
	}
	var object map[string]any
	if g.Context != "" && (json.Unmarshal([]byte(g.Context), &object) != nil || object == nil) {
		wrong("context", "must be a JSON object")
	} else if g.Context != "" && g.Provider != "erc7677" {
		wrong("context", "is for erc7677: %s takes a policy", g.Provider)
	}
	if strings.ContainsFunc(g.Sponsor, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(g.Sponsor) > 60 {
		wrong("sponsor", "must be a name of at most 60 bytes")
	}
	if g.MaxFeePerGas.Units(9).Sign() == 0 {
		wrong("max_fee_per_gas", "must be at least 0.000000001")
	}
	for f, c := range map[string]Coins{"budget.payment": g.Budget.Payment, "budget.wallet_day": g.Budget.WalletDay, "budget.chain_day": g.Budget.ChainDay} {
		if c.Units(18).Cmp(g.MaxCost.Units(18)) < 0 {
			wrong(f, "must be at least max_cost (%s): one operation would be too much", g.MaxCost)
		}
	}
	if g.Budget.Grants < 1 || g.Budget.Grants > maxGrants {
		wrong("budget.grants", "must be between 1 and %d", maxGrants)
	}
	if g.Timeout < Duration(100*time.Millisecond) || g.Timeout > maxGasTimeout {
		wrong("timeout", "must be between 100ms and %s", maxGasTimeout)
	}
	return errs
}

// keyedURL takes an https URL, or an http one on this machine, which may hold a key in
// its path or query; the errors do not quote it.
func keyedURL(text string) error {
	if text == "" {
		return errors.New("is needed")
	}
	if err := serviceURL(text); err != nil {
		return err
	}
	if u, err := url.Parse(text); err != nil || u.User != nil || u.Fragment != "" {
		return errors.New("must have no name, password or fragment")
	}
	return nil
}

// gaslessEnvironment reads, for each network with dashes as underscores,
// QUITTANCE_GASLESS_<NETWORK>_PROVIDER, _BUNDLER_URL, _PAYMASTER_URL, _POLICY,
// _CONTEXT, _SPONSOR, _ACCOUNT, _PRICES, _MAX_FEE_PER_GAS, _MAX_COST, _TIMEOUT,
// _BUDGET_PAYMENT, _BUDGET_GRANTS, _BUDGET_WALLET_DAY and _BUDGET_CHAIN_DAY.
func (c *Config) gaslessEnvironment(getenv func(string) string) error {
	for _, network := range Networks() {
		g, there := c.Gasless[network]
		set, err := g.environment(prefix+"GASLESS_"+strings.ToUpper(strings.ReplaceAll(network, "-", "_"))+"_", getenv)
		if err != nil {
			return err
		}
		if !set && !there {
			continue
		}
		if c.Gasless == nil {
			c.Gasless = map[string]Gasless{}
		}
		c.Gasless[network] = g
	}
	return nil
}

func (g *Gasless) environment(name string, getenv func(string) string) (set bool, err error) {
	said := func(field string) (string, bool) {
		v := getenv(name + field)
		set = set || v != ""
		return v, v != ""
	}
	for field, to := range map[string]*Secret{"BUNDLER_URL": &g.BundlerURL, "PAYMASTER_URL": &g.PaymasterURL, "POLICY": &g.Policy, "CONTEXT": &g.Context} {
		if v, ok := said(field); ok {
			*to = Secret(v)
		}
	}
	for field, to := range map[string]*string{"PROVIDER": &g.Provider, "SPONSOR": &g.Sponsor, "ACCOUNT": &g.Account, "PRICES": &g.Prices} {
		if v, ok := said(field); ok {
			*to = v
		}
	}
	for field, to := range map[string]*Coins{
		"MAX_FEE_PER_GAS": &g.MaxFeePerGas, "MAX_COST": &g.MaxCost,
		"BUDGET_PAYMENT": &g.Budget.Payment, "BUDGET_WALLET_DAY": &g.Budget.WalletDay, "BUDGET_CHAIN_DAY": &g.Budget.ChainDay,
	} {
		if v, ok := said(field); ok {
			if err := to.parse(v); err != nil {
				return set, fmt.Errorf("%s%s: %w", name, field, err)
			}
		}
	}
	if v, ok := said("BUDGET_GRANTS"); ok {
		if g.Budget.Grants, err = strconv.Atoi(v); err != nil {
			return set, fmt.Errorf("%sBUDGET_GRANTS: not a number", name)
		}
	}
	if v, ok := said("TIMEOUT"); ok {
		if err := g.Timeout.UnmarshalYAML([]byte(v)); err != nil {
			return set, fmt.Errorf("%sTIMEOUT: %w", name, err)
		}
	}
	return set, nil
}

// print adds the settings as they are understood.
func (g Gasless) print(field string, lines map[string]any) {
	hidden := func(s Secret) string {
		if s == "" {
			return "none"
		}
		return s.String()
	}
	for f, v := range map[string]any{
		"provider": g.Provider, "bundler_url": hidden(g.BundlerURL), "paymaster_url": hidden(g.PaymasterURL), "policy": hidden(g.Policy), "context": hidden(g.Context),
		"sponsor": g.Sponsor, "account": g.Account, "prices": g.Prices, "max_fee_per_gas": g.MaxFeePerGas, "max_cost": g.MaxCost, "timeout": g.Timeout,
		"budget.payment": g.Budget.Payment, "budget.grants": g.Budget.Grants, "budget.wallet_day": g.Budget.WalletDay, "budget.chain_day": g.Budget.ChainDay,
	} {
		lines[field+"."+f] = v
	}
}
