package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/safe"
)

// safe checks that Safes can pay on each chain, and that the Transaction Service
// answers.
func (d *doctor) safe(ctx context.Context, s Setup) {
	if s.Safe == nil {
		return
	}
	for _, c := range s.Chains {
		info, _ := s.Book.Chain(c.ID)
		found, err := safeContracts(ctx, s, c)
		d.check(info.Network+" Safe contracts", err, found)
	}
	d.safeService(ctx, s)
}

// framing says who may open the page in a frame, with Safes or without.
func (d *doctor) framing(s Setup) {
	framing := "nobody may: the page is no Safe App"
	if len(s.FrameAncestors) > 0 {
		framing = strings.Join(s.FrameAncestors, ", ")
	}
	d.check("framing", nil, framing)
}

// safeContracts tells for which versions the contracts are there that batches
// need. A Safe makes none without, so it cannot pay with a token.
func safeContracts(ctx context.Context, s Setup, c ChainSetup) (string, error) {
	client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: s.Log})
	if err != nil {
		return "", err
	}
	defer client.Close()
	contracts := s.Safe.Table.Contracts(c.ID, safe.MultiSendCallOnly)
	addresses := make([]asset.Address, len(contracts))
	for i, k := range contracts {
		addresses[i] = k.Address
	}
	codes, err := CodeReader(map[asset.ChainID]chain.Batcher{c.ID: client})(ctx, c.ID, addresses)
	if err != nil {
		return "", err
	}
	there := map[safe.Version]bool{}
	for i, k := range contracts {
		there[k.Version] = there[k.Version] || official.CodeHash(codes[i]) == k.CodeHash
	}
	var versions []string
	for _, v := range safe.Versions() {
		if there[v] {
			versions = append(versions, string(v))
		}
	}
	if len(versions) == 0 {
		return "", fmt.Errorf("%s is there for no version: Safes cannot pay with tokens", safe.MultiSendCallOnly)
	}
	return "Safes of " + strings.Join(versions, ", ") + " can pay", nil
}

// safeService asks for a transaction that there is not: an answer of that kind is
// all that is needed.
func (d *doctor) safeService(ctx context.Context, s Setup) {
	if s.Safe.Service == nil {
		return
	}
	service, err := safe.NewService(*s.Safe.Service)
	if err != nil {
		d.check("Safe service", err, "")
		return
	}
	defer service.Close()
	for _, c := range s.Chains {
		if !service.Knows(c.ID) {
			continue
		}
		info, _ := s.Book.Chain(c.ID)
		_, err := service.Transaction(ctx, c.ID, official.Hash{1})
		switch f := fault.From(err); {
		case fault.Is(err, fault.NotFound):
			err = nil
		case err != nil && errors.Unwrap(f) != nil:
			err = errors.Unwrap(f) // the cause, which the words for payers leave out
		}
		d.check(info.Network+" Safe service", err, "it answers")
	}
}
