package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/config"
	"quittance/internal/official"
	"quittance/web/pay"
)

// finality is what each network needs before we call money settled, unless the
// operator says otherwise. Reorganisations deeper than this have not been seen
// in normal operation of these networks; a merchant of expensive goods sets
// finalized_tag.
var finality = map[string]int{
	"mainnet": 12, "arbitrum-one": 20, "base": 12, "optimism": 12, "matic": 32, "bsc": 15, "sepolia": 6,
}

// tagDepth is about how many blocks lie between a network's head and its
// finalized tag, so that a page that waits for the tag shows sensible progress.
var tagDepth = map[string]int{
	"mainnet": 80, "arbitrum-one": 4500, "base": 550, "optimism": 550, "matic": 5, "bsc": 5, "sepolia": 80,
}

// Serve builds the production server and answers on the configured address
// until ctx ends. level is from which on log logs, nil if that cannot be changed.
func Serve(ctx context.Context, cfg *config.Config, log *slog.Logger, level *slog.LevelVar) error {
	if cfg.Sandbox {
		return errors.New("configuration: sandbox: only `quittance demo` serves sandbox chains")
	}
	s, err := production(cfg, log)
	if err != nil {
		return err
	}
	s.LogLevel = level
	if len(s.Chains) == 0 {
		return errors.New("configuration: chains: at least one chain is needed")
	}
	if err := pinned(s); err != nil {
		return err
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	admin, err := adminListener(cfg)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	a, err := New(ctx, s)
	if err != nil {
		if admin != nil {
			err = errors.Join(err, admin.Close())
		}
		return errors.Join(err, l.Close())
	}
	a.WatchOn(admin)
	log.InfoContext(ctx, "serving", "listen", l.Addr().String(), "base_url", cfg.BaseURL, "chains", cfg.Names())
	return errors.Join(a.Run(ctx, l), a.Close())
}

// production turns a configuration into a setup.
func production(cfg *config.Config, log *slog.Logger) (Setup, error) {
	book, registry, chains, err := realChains(cfg)
	if err != nil {
		return Setup{}, err
	}
	proxies, err := cfg.Proxies()
	if err != nil {
		return Setup{}, err
	}
	routes, err := realRouting(cfg.Routing, book)
	if err != nil {
		return Setup{}, err
	}
	safes, err := realSafe(cfg.Safe, book)
	if err != nil {
		return Setup{}, err
	}
	gas, err := realGasless(cfg.Gasless, book)
	if err != nil {
		return Setup{}, err
	}
	dollars, err := realDeposits(cfg.Deposits, cfg.Prices, book)
	if err != nil {
		return Setup{}, err
	}
	return Setup{
		BaseURL: cfg.BaseURL, Database: string(cfg.Database), Keys: cfg.RawKeys(), Book: book, Registry: registry, Chains: chains,
		Window: time.Duration(cfg.Window), Grace: time.Duration(cfg.Grace), Drain: time.Duration(cfg.Drain), Keeping: keeping(cfg.Data), Proxies: proxies, FrameAncestors: framers(cfg),
		Placeholders: cfg.Compat.PlaceholderChecksums, AllowLoopback: cfg.Webhooks.AllowLoopback, Limits: limits(cfg.Limits), Streams: pay.Bounds{Total: cfg.Pages.Open, PerAddress: cfg.Pages.OpenPerAddress}, OpenSignup: cfg.Accounts.OpenSignup, Screening: realScreening(cfg.Screening), Routing: routes, Safe: safes, Gasless: gas, Deposits: dollars, Tracing: realTracing(cfg.Tracing), Log: log,
	}, nil
}

// keeping is how long what is over stays. What is never is less than no time there and here.
func keeping(d config.Data) Keeping {
	return Keeping{Archive: time.Duration(d.ArchiveAfter), Messages: time.Duration(d.KeepMessages)}
}

// realChains are the configured chains, their tokens and official contracts.
func realChains(cfg *config.Config) (*asset.Book, *official.Registry, []ChainSetup, error) {
	allChains, allTokens := asset.Real()
	if cfg.Sandbox {
		allChains, allTokens = asset.Sandbox()
	}
	var chains []asset.Chain
	var setups []ChainSetup
	pins := official.Pins{}
	for _, c := range allChains {
		conf, ok := cfg.Chains[c.Network]
		if !ok {
			continue
		}
		chains = append(chains, c)
		setup := realChain(c, conf)
		var err error
		if setup.ConfirmAbove, err = confirmAbove(c, conf, allTokens); err != nil {
			return nil, nil, nil, err
		}
		setups = append(setups, setup)
		if len(conf.Pins) > 0 {
			pins[c.ID] = map[official.Kind]official.Hash{}
		}
		for name, text := range conf.Pins {
			hash, err := official.ParseHash(text)
			if err != nil {
				return nil, nil, nil, fmt.Errorf("configuration: chains.%s.pins.%s: %w", c.Network, name, err)
			}
			pins[c.ID][official.Kind(name)] = hash
		}
	}
	if len(chains) != len(cfg.Chains) {
		return nil, nil, nil, fmt.Errorf("configuration: chains: only these networks are known: %v", config.Networks())
	}
	var tokens []asset.Token
	for _, t := range allTokens {
		if _, ok := cfg.Chains[t.Network]; ok {
			tokens = append(tokens, t)
		}
	}
	book, err := asset.NewBook(chains, tokens)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("token table: %w", err)
	}
	registry, err := official.Default().WithPins(pins)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("configuration: %w", err)
	}
	return book, registry, setups, nil
}

func realChain(c asset.Chain, conf config.Chain) ChainSetup {
	s := ChainSetup{
		ID: c.ID, PublicRPC: conf.PublicRPC, Confirmations: conf.Confirmations, FinalizedTag: conf.FinalizedTag,
		Agree: conf.Agree, StartBlock: conf.StartBlock, MaxRange: conf.MaxRange,
	}
	if s.Confirmations == 0 {
		s.Confirmations = finality[c.Network]
	}
	if s.FinalizedTag {
		s.Confirmations = tagDepth[c.Network]
	}
	if s.Agree == 0 {
		s.Agree = min(2, conf.Hosts())
	}
	for _, e := range conf.RPC {
		s.Endpoints = append(s.Endpoints, chain.Endpoint{URL: string(e.URL), Name: e.Name, PerSecond: e.PerSecond})
	}
	return s
}

// pinned refuses to serve a chain whose fee proxies' code is not pinned: its
// safety check could never pass.
func pinned(s Setup) error {
	for _, c := range s.Chains {
		for _, kind := range []official.Kind{official.ERC20FeeProxy, official.EthereumFeeProxy} {
			if k, ok := s.Registry.Contract(c.ID, kind); ok && k.CodeHash.IsZero() {
				return fmt.Errorf("chain %d: the code of %s is not pinned; run `quittance doctor --pin` first", c.ID, kind)
			}
		}
	}
	return nil
}
