package app

import (
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/userop"
)

// payer reads from a receipt who paid what a sighting is of, zero if it does not say.
// A transaction may hold several payments of several accounts, those of a bundle of
// user operations for one: so it is the last transfer before the payment's event that
// counts, which the fee proxy makes and tells of at once. What a batch contract pays it
// has taken from its caller, and native currency is that of the account whose operation
// was being executed.
func (s *sink) payer(x rail.Sighting, r *chain.Receipt) asset.Address {
	if x.Token.IsZero() {
		if o := userop.During(r.Logs, x.Evidence.LogIndex); o != nil {
			return o.Sender
		}
		return r.From
	}
	who := sender(r.Logs, x, x.To, x.Amount)
	if k, known := s.registry.At(x.Chain, who); known && k.Kind == official.BatchPayments {
		who = sender(r.Logs, x, who, nil)
	}
	return who
}

// sender is who made the last transfer of a sighting's token before its event to an
// account, of an amount or of any if it is nil; zero if there is none.
func sender(logs []chain.Log, x rail.Sighting, to asset.Address, amount *big.Int) (who asset.Address) {
	for _, l := range logs {
		if l.Index >= x.Evidence.LogIndex || l.Address != x.Token || len(l.Topics) != 3 || l.Topics[0] != official.TopicTransfer || len(l.Data) != 32 {
			continue
		}
		if "0x"+l.Topics[2][26:] != to.Lower() || amount != nil && amount.Cmp(new(big.Int).SetBytes(l.Data)) != 0 {
			continue
		}
		if from, err := asset.ParseAddress("0x" + l.Topics[1][26:]); err == nil {
			who = from
		}
	}
	return who
}
