//go:build !nosandbox

package sandbox

import (
	"context"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/sandbox/contracts"
)

// Substates that the bridge says and nobody's decisions depend on.
const (
	waitDestination lifi.Substate = "WAIT_DESTINATION_TRANSACTION"
	unknownFailure  lifi.Substate = "UNKNOWN_FAILED_ERROR"
)

// Status says how a transfer is, in LI.FI's words; false for one that is not known, as right after it
// was sent. It is meant for lifitest.Options.
func (b *Bridge) Status(ctx context.Context, q lifi.StatusQuery) (lifi.Status, bool) {
	hash := common.HexToHash(q.TxHash)
	b.mu.Lock()
	found, says := b.byTx[hash], b.behaviour.Says
	var t transfer
	if found != nil {
		t = *found
	}
	b.mu.Unlock()
	if found == nil {
		return b.withoutBridge(ctx, hash, q)
	}
	s := t.status()
	if says.State == "" {
		return s, true
	}
	return t.claim(s, says), says.State != lifi.StateNotFound
}

// status is the truth about a transfer.
func (t transfer) status() lifi.Status {
	s := t.outline()
	switch t.stage {
	case delivered:
		s.State, s.Substate, s.Receiving = lifi.StateDone, lifi.SubstateCompleted, t.arrival(t.end)
	case recovered:
		s.State, s.Substate, s.Receiving = lifi.StateDone, lifi.SubstatePartial, t.arrival(t.end)
	case refunding:
		s.State, s.Substate = lifi.StatePending, lifi.SubstateRefunding
	case refunded:
		s.State, s.Substate, s.Receiving = lifi.StateDone, lifi.SubstateRefunded, t.way(t.end)
	default:
		s.State, s.Substate = lifi.StatePending, waitDestination
	}
	return s
}

// claim is what shall be said instead. What is claimed to be done names a transaction that nobody made,
// unless there is one.
func (t transfer) claim(s lifi.Status, says Claim) lifi.Status {
	s.State, s.Substate, s.Receiving = says.State, says.Substate, lifi.Leg{Chain: asset.ChainID(t.to.ChainID)}
	end := t.end
	if end == (common.Hash{}) {
		end = crypto.Keccak256Hash(t.tx[:])
	}
	switch {
	case says.Substate == lifi.SubstateRefunded:
		s.Receiving = t.way(end)
	case says.State == lifi.StateDone:
		s.Receiving = t.arrival(end)
	}
	return s
}

func (t transfer) outline() lifi.Status {
	return lifi.Status{
		Tool: lifi.BridgeAcross, TransactionID: t.tx.Hex(), Sending: t.way(t.tx), Receiving: lifi.Leg{Chain: asset.ChainID(t.to.ChainID)},
		Message: "The sandbox bridge has it.",
	}
}

// way is a leg on the chain that the money comes from.
func (t transfer) way(tx common.Hash) lifi.Leg {
	token, amount := t.deposit.Input()
	return t.from.leg(tx, token, amount)
}

func (t transfer) arrival(tx common.Hash) lifi.Leg {
	token, amount := t.deposit.Output()
	return t.to.leg(tx, token, amount)
}

func (c *Chain) leg(tx common.Hash, token common.Address, amount *big.Int) lifi.Leg {
	leg := lifi.Leg{Chain: asset.ChainID(c.ChainID), TxHash: tx.Hex(), Amount: amount}
	leg.Token = lifi.Token{Chain: leg.Chain, Address: asset.Address(token)}
	for symbol, known := range c.Tokens {
		if strings.EqualFold(known.Address, token.Hex()) {
			leg.Token.Symbol, leg.Token.Decimals = symbol, uint8(known.Decimals)
		}
	}
	return leg
}

// withoutBridge answers for calls of the Diamond that put nothing into the bridge: swaps on one chain,
// and calls that were reverted.
func (b *Bridge) withoutBridge(ctx context.Context, hash common.Hash, q lifi.StatusQuery) (lifi.Status, bool) {
	for _, c := range b.chains {
		if q.From != 0 && q.From != asset.ChainID(c.ChainID) {
			continue
		}
		tx, _, err := c.client.TransactionByHash(ctx, hash)
		if err != nil || tx.To() == nil || *tx.To() != contracts.Address(contracts.Diamond) {
			continue
		}
		r, err := c.receipt(ctx, hash)
		if err != nil || r == nil {
			return lifi.Status{}, false
		}
		leg := lifi.Leg{Chain: asset.ChainID(c.ChainID), TxHash: hash.Hex()}
		s := lifi.Status{TransactionID: hash.Hex(), Sending: leg, State: lifi.StateFailed, Substate: unknownFailure}
		if r.Status == 0 {
			return s, true
		}
		s.State, s.Substate, s.Receiving = lifi.StateDone, lifi.SubstateCompleted, leg
		for _, l := range r.Logs {
			if l.Topics[0] == spokePoolEvent("FundsDeposited") {
				return lifi.Status{}, false // not taken up yet
			}
		}
		return s, true
	}
	return lifi.Status{}, false
}
