package config

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// prefix of every environment variable we read.
const prefix = "QUITTANCE_"

// environment lets variables override the file. A chain's settings are named
// QUITTANCE_CHAIN_<NETWORK>_<FIELD>, with dashes as underscores:
// QUITTANCE_CHAIN_ARBITRUM_ONE_RPC. Lists are separated by commas.
func (c *Config) environment(getenv func(string) string) error {
	text := func(name string, to *string) {
		if v := getenv(prefix + name); v != "" {
			*to = v
		}
	}
	secret := func(name string, to *Secret) {
		if v := getenv(prefix + name); v != "" {
			*to = Secret(v)
		}
	}
	text("BASE_URL", &c.BaseURL)
	text("LISTEN", &c.Listen)
	text("LOG_LEVEL", &c.LogLevel)
	secret("DATABASE", &c.Database)
	if v := getenv(prefix + "KEYS"); v != "" {
		c.Keys = nil
		for _, k := range list(v) {
			c.Keys = append(c.Keys, Secret(k))
		}
	}
	if v := getenv(prefix + "TRUSTED_PROXIES"); v != "" {
		c.TrustedProxies = list(v)
	}
	for name, to := range map[string]*Duration{"WINDOW": &c.Window, "GRACE": &c.Grace, "DRAIN": &c.Drain} {
		if v := getenv(prefix + name); v != "" {
			if err := to.UnmarshalYAML([]byte(v)); err != nil {
				return fmt.Errorf("%s%s: %w", prefix, name, err)
			}
		}
	}
	c.screeningEnvironment(getenv)
	if err := c.Limits.environment(getenv); err != nil {
		return err
	}
	if err := c.watchEnvironment(getenv); err != nil {
		return err
	}
	if err := errors.Join(c.Data.environment(getenv), c.Pages.environment(getenv)); err != nil {
		return err
	}
	if err := c.Routing.environment(getenv); err != nil {
		return err
	}
	if err := c.Safe.environment(getenv); err != nil {
		return err
	}
	if err := c.gaslessEnvironment(getenv); err != nil {
		return err
	}
	if err := c.pricesEnvironment(getenv); err != nil {
		return err
	}
	for _, network := range Networks() {
		if err := c.chainEnvironment(network, getenv); err != nil {
			return err
		}
	}
	return nil
}

// Networks are the names under which chains can be configured.
func Networks() []string {
	return []string{"mainnet", "arbitrum-one", "base", "optimism", "matic", "bsc", "sepolia"}
}

func (c *Config) chainEnvironment(network string, getenv func(string) string) error {
	name := prefix + "CHAIN_" + strings.ToUpper(strings.ReplaceAll(network, "-", "_")) + "_"
	rpc, public, confirmations := getenv(name+"RPC"), getenv(name+"PUBLIC_RPC"), getenv(name+"CONFIRMATIONS")
	if rpc == "" && public == "" && confirmations == "" {
		return nil
	}
	ch := c.Chains[network]
	if rpc != "" {
		ch.RPC = nil
		for _, u := range list(rpc) {
			ch.RPC = append(ch.RPC, RPC{URL: Secret(u)})
		}
	}
	if public != "" {
		ch.PublicRPC = list(public)
	}
	if confirmations != "" {
		n, err := strconv.Atoi(confirmations)
		if err != nil {
			return fmt.Errorf("%sCONFIRMATIONS: not a number", name)
		}
		ch.Confirmations = n
	}
	if c.Chains == nil {
		c.Chains = map[string]Chain{}
	}
	c.Chains[network] = ch
	return nil
}

func list(v string) []string {
	var out []string
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// Names returns the configured chains' names in order.
func (c *Config) Names() []string {
	var out []string
	for name := range c.Chains {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}
