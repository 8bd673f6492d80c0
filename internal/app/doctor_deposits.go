package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/official"
	"quittance/internal/rail/deposit"
	"quittance/internal/rate"
	"quittance/internal/store"
)

// deposits checks that prices can be had and addresses be watched.
func (d *doctor) deposits(ctx context.Context, s Setup) {
	if s.Deposits == nil {
		d.check("prices", nil, "nobody is asked what things cost: nothing is due in dollars, "+byBankOnly)
		return
	}
	nodes := map[asset.ChainID]chain.Batcher{}
	for _, c := range s.Chains {
		client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: s.Log})
		if err != nil {
			d.check("deposits", err, "")
			return
		}
		defer client.Close()
		nodes[c.ID] = client
	}
	prices, err := s.Deposits.Prices.sources(s, nodes)
	var assets []asset.ID
	if err == nil {
		assets, err = s.Deposits.enabled(s.Book, prices.of)
	}
	if !d.check("deposits", err, fmt.Sprintf("paid with %v", assets)) {
		return
	}
	if prices.api != nil {
		defer prices.api.Close()
	}
	for _, c := range s.Chains {
		d.feeds(ctx, s, c, nodes[c.ID])
		d.watches(ctx, s, c, nodes[c.ID])
	}
	if prices.api != nil {
		d.priceAPI(ctx, s, prices.api, assets)
	}
	d.euro(ctx, prices)
	d.euroTokens(s, assets)
}

// byBankOnly is what it means that nothing has a price in euros.
const byBankOnly = "payment links are not quoted, and can be paid by bank only"

// euro asks for the price of a euro, from all sources together.
func (d *doctor) euro(ctx context.Context, prices priceSources) {
	if !slices.Contains(prices.of, asset.EUR) {
		d.check("price of the euro", nil, "none is configured: "+byBankOnly)
		return
	}
	a := rate.Euro{Dollars: prices}.Prices(ctx, []asset.ID{asset.EUR})[asset.EUR]
	if a.Err == nil {
		a = prices.Prices(ctx, []asset.ID{asset.EUR})[asset.EUR]
	}
	if a.Err != nil {
		a.Err = fmt.Errorf("%s while this lasts: %w", byBankOnly, a.Err)
	}
	d.check("price of the euro", a.Err, said(a))
}

// feeds asks each feed of a chain what it is, and for a fresh price.
func (d *doctor) feeds(ctx context.Context, s Setup, c ChainSetup, node chain.Batcher) {
	f, ok := s.Deposits.Prices.Feeds[c.ID]
	if !ok {
		return
	}
	info, _ := s.Book.Chain(c.ID)
	for _, id := range slices.Sorted(maps.Keys(f.Feeds)) {
		name := fmt.Sprintf("%s price of %s", info.Network, id)
		description, err := rate.Describe(ctx, node, f.Feeds[id].Address)
		if err == nil && !slices.Contains(called(id), description) {
			err = fmt.Errorf("the feed at %s calls itself %q: is it another asset's?", f.Feeds[id].Address, description)
		}
		if !d.check(name+" feed", err, description) {
			continue
		}
		one := f
		one.Feeds = map[asset.ID]rate.Feed{id: f.Feeds[id]}
		source, err := one.source(c.ID, s, map[asset.ChainID]chain.Batcher{c.ID: node})
		if !d.check(name, err, "can be asked for") {
			continue
		}
		a := source.Prices(ctx, []asset.ID{id})[id]
		d.check(name+" is fresh", a.Err, said(a))
	}
	sequencer := "none is asked"
	if !f.Sequencer.IsZero() {
		sequencer = f.Sequencer.String() // the prices above needed its word
	}
	d.check(info.Network+" sequencer feed", nil, sequencer)
}

// called are the descriptions that an asset's feed may have. POL was MATIC, and its feed may
// say so for ever.
func called(id asset.ID) []string {
	symbol := pricedAs(id)
	names := []string{symbol + " / USD"}
	if symbol == "POL" {
		names = append(names, "MATIC / USD")
	}
	return names
}

// said words a price.
func said(a rate.Answer) string {
	if a.Err != nil {
		return ""
	}
	return fmt.Sprintf("%s dollars, %s old", a.Price, time.Since(a.Price.At).Round(time.Second))
}

// watches checks that a chain's balances can be asked for as watching needs it: many at
// once, now and some blocks ago.
func (d *doctor) watches(ctx context.Context, s Setup, c ChainSetup, node chain.Batcher) {
	info, _ := s.Book.Chain(c.ID)
	multicall, ok := s.Registry.Contract(c.ID, official.Multicall3)
	if !ok {
		d.check(info.Network+" deposits", errors.New("Multicall3 is not known here: addresses cannot be watched"), "")
		return
	}
	_, err := deposit.Holdings(ctx, node, multicall.Address, nil, []asset.Address{unspent})
	if !d.check(info.Network+" deposit addresses", err, "what they hold comes in one question") {
		return
	}
	head, err := chain.Ask(ctx, node, chain.HeaderCall(chain.Latest), chain.Result.Header)
	if err == nil && head == nil {
		err = errors.New("it has no newest block")
	}
	if err == nil {
		back := chain.AtBlock(head.Number - min(head.Number, stateBack))
		_, err = chain.Ask(ctx, node, chain.BalanceCall(unspent, back), chain.Result.Big)
	}
	d.check(info.Network+" remembers balances", err, fmt.Sprintf("of %d blocks ago", stateBack))
}

// stateBack is how many blocks back balances are asked for (deposit.Config.Horizon).
const stateBack = 100

// priceAPI holds the API's prices against the feeds'.
func (d *doctor) priceAPI(ctx context.Context, s Setup, api *rate.API, assets []asset.ID) {
	var wrong, good []string
	var named []asset.ID
	for _, id := range append(slices.Clone(assets), asset.EUR) {
		if s.Deposits.Prices.API.IDs[id] != "" {
			named = append(named, id)
		}
	}
	for id, a := range api.Prices(ctx, named) {
		if a.Err != nil {
			wrong = append(wrong, a.Err.Error())
			continue
		}
		good = append(good, fmt.Sprintf("%s %s", id, a.Price))
	}
	slices.Sort(good)
	var err error
	if len(wrong) > 0 {
		slices.Sort(wrong)
		err = errors.New(strings.Join(wrong, "; "))
	}
	d.check("price API", err, strings.Join(good, ", "))
}

// branches tells of each active key how many addresses are ready, and reads it: a key
// that was sealed with a lost one is noticed here.
func (d *doctor) branches(ctx context.Context, s Setup, db *store.Store) {
	if s.Deposits == nil {
		return
	}
	all, err := db.Branches(ctx)
	if err != nil {
		d.check("deposit keys", err, "")
		return
	}
	active := 0
	for _, b := range all {
		if !b.Active {
			continue
		}
		active++
		_, err := hdkey.OpenBranch(b.XPub)
		ready := 0
		if err == nil {
			var free []merchant.DepositAddress
			free, err = db.FreeAddresses(ctx, b.ID)
			ready = len(free)
		}
		if err == nil && ready == 0 {
			err = errors.New("no address is ready: the server makes them while it runs and every chain answers")
		}
		d.check("deposit key of merchant "+string(b.Merchant), err, fmt.Sprintf("%d addresses are ready, %d were made", ready, b.NextIndex))
	}
	if active == 0 {
		d.check("deposit keys", nil, "no merchant has one yet: `quittance deposits key` takes it")
	}
}
