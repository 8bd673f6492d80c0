package config

import (
	"fmt"
	"io"
	"sort"
	"strings"
)

// Print writes the settings as they are understood, one a line, with where the
// value came from where that is the environment. Secrets are hidden.
func (c *Config) Print(w io.Writer, getenv func(string) string) error {
	lines := map[string]any{
		"base_url": c.BaseURL, "listen": c.Listen, "admin_listen": c.AdminListen, "database": databaseKind(c.Database), "keys": fmt.Sprintf("%d set", len(c.Keys)),
		"trusted_proxies": c.TrustedProxies, "frame_ancestors": c.FrameAncestors, "window": c.Window, "grace": c.Grace, "drain": c.Drain,
		"log_level": c.LogLevel, "compat.placeholder_checksums": c.Compat.PlaceholderChecksums, "webhooks.allow_loopback": c.Webhooks.AllowLoopback,
	}
	if s := c.Screening; s.SanctionsList != "" || len(s.Providers) > 0 {
		lines["screening.sanctions_list"], lines["screening.default"], lines["screening.providers"] = s.SanctionsList, s.Default, s.ProviderNames()
	}
	c.Tracing.print(lines)
	c.Data.print(lines)
	c.Pages.print(lines)
	c.Routing.print(lines)
	c.Safe.print(lines)
	for network, g := range c.Gasless {
		g.print("gasless."+network, lines)
	}
	c.printPrices(lines)
	if c.Sandbox {
		lines["sandbox"] = true
	}
	lines["accounts.open_signup"] = c.Accounts.OpenSignup
	for name, r := range c.Limits.fields() {
		lines["limits."+name] = *r
	}
	for name, ch := range c.Chains {
		f := "chains." + name + "."
		lines[f+"rpc"] = fmt.Sprintf("%d endpoints", len(ch.RPC))
		lines[f+"public_rpc"] = ch.PublicRPC
		lines[f+"confirmations"] = orDefault(ch.Confirmations)
		lines[f+"finalized_tag"] = ch.FinalizedTag
		lines[f+"agree"] = orDefault(ch.Agree)
		lines[f+"confirm_above"] = ch.ConfirmAbove
		lines[f+"start_block"] = ch.StartBlock
		lines[f+"max_range"] = ch.MaxRange
		lines[f+"pins"] = fmt.Sprintf("%d contracts", len(ch.Pins))
	}
	var names []string
	for n := range lines {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		from := ""
		if getenv(prefix+strings.ToUpper(strings.NewReplacer("chains.", "chain_", ".", "_", "-", "_").Replace(n))) != "" {
			from = "  (environment)"
		}
		if _, err := fmt.Fprintf(w, "%s: %v%s\n", n, lines[n], from); err != nil {
			return fmt.Errorf("print configuration: %w", err)
		}
	}
	return nil
}

func orDefault(n int) string {
	if n == 0 {
		return "default"
	}
	return fmt.Sprint(n)
}

// databaseKind hides everything of a DSN but its kind: it may hold a password.
func databaseKind(dsn Secret) string {
	kind, rest, _ := strings.Cut(string(dsn), ":")
	if kind == "sqlite" {
		return "sqlite:" + rest
	}
	return kind + "://[secret]"
}
