package evmref

import (
	"fmt"
	"strconv"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Filter says which logs of a chain are this rail's evidence: the payment
// events of both fee proxies, whatever the number of payments that are open.
// It is empty for a chain without official proxies.
func (r *Rail) Filter(id asset.ChainID) chain.Filter {
	var f chain.Filter
	if c, ok := r.registry.Contract(id, official.ERC20FeeProxy); ok {
		f.Addresses, f.Topics0 = append(f.Addresses, c.Address), append(f.Topics0, official.TopicERC20Paid)
	}
	if c, ok := r.registry.Contract(id, official.EthereumFeeProxy); ok {
		f.Addresses, f.Topics0 = append(f.Addresses, c.Address), append(f.Topics0, official.TopicEthPaid)
	}
	return f
}

// Decode reads one log as evidence that value reached somebody. It is pure. An
// error means that the log is no payment event of an official contract of this
// chain, or not in its form: it is then no evidence of anything.
//
// The event does not say who paid, so the evidence has no payer.
func (r *Rail) Decode(id asset.ChainID, l chain.Log) (rail.Sighting, error) {
	contract, ok := r.registry.At(id, l.Address)
	if !ok {
		return rail.Sighting{}, fmt.Errorf("log of %s on chain %d: not an official contract", l.Address, id)
	}
	paid, kind, err := official.DecodePaid(official.Event{Address: l.Address, Topics: l.Topics, Data: l.Data})
	if err != nil {
		return rail.Sighting{}, fmt.Errorf("log of %s on chain %d: %w", l.Address, id, err)
	}
	if kind != contract.Kind {
		return rail.Sighting{}, fmt.Errorf("log of %s on chain %d: event of %s from %s", l.Address, id, kind, contract.Kind)
	}
	return rail.Sighting{
		Rail: ID, Handle: paid.Topic, Key: Key(id, l.Tx, l.Index), Chain: id,
		Token: paid.Token, To: paid.Payee, Amount: paid.Amount, Fee: paid.Fee, FeeTo: paid.FeePayee,
		Contract: l.Address, At: l.Block.Time,
		Evidence: payment.Evidence{
			Chain: id, Block: l.Block.Number, BlockHash: l.Block.Hash, Tx: l.Tx, LogIndex: l.Index,
		},
	}, nil
}

// Key names the transfer that one log proves.
func Key(id asset.ChainID, tx string, index uint) string {
	return string(ID) + ":" + strconv.FormatUint(uint64(id), 10) + ":" + tx + ":" + strconv.FormatUint(uint64(index), 10)
}
