package deposit

import (
	"bytes"
	"fmt"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// Gas that a plain transfer takes at most where a trial run could not tell: native to an
// account costs 21,000 by the protocol, rollups and tokens more.
const (
	typicalNativeGas = 30_000
	typicalTokenGas  = 75_000
)

// selectorTransfer is transfer(address,uint256) of ERC-20.
var selectorTransfer = []byte{0xa9, 0x05, 0x9c, 0xbb}

// transfer is a plain transfer of an asset.
type transfer struct {
	of     asset.Token
	to     asset.Address
	amount *big.Int
}

// call builds the transfer.
func (x transfer) call() rail.Call {
	if x.of.Native {
		return rail.Call{Kind: rail.Pay, To: x.to, Value: new(big.Int).Set(x.amount)}
	}
	data := append(bytes.Clone(selectorTransfer), make([]byte, 12)...)
	data = append(data, x.to[:]...)
	return rail.Call{
		Kind: rail.Pay, To: x.of.Address, Data: append(data, x.amount.FillBytes(make([]byte, 32))...), Value: new(big.Int),
	}
}

// matches reads a call again, byte by byte, and compares it with the transfer. It trusts
// nothing that built it.
func (x transfer) matches(c rail.Call) rail.Check {
	refused := func(format string, args ...any) rail.Check {
		return rail.Check{Name: official.CheckCalldata, Outcome: rail.Refused, Detail: fmt.Sprintf(format, args...)}
	}
	passed := rail.Check{Name: official.CheckCalldata, Outcome: rail.Passed, Detail: "The transaction says exactly what is shown: asset, address and amount."}
	if x.of.Native {
		switch {
		case c.To != x.to:
			return refused("The transaction goes to %s in place of %s.", c.To, x.to)
		case len(c.Data) != 0:
			return refused("The transaction carries data, which a plain transfer does not.")
		case c.Value == nil || c.Value.Cmp(x.amount) != 0:
			return refused("The transaction moves %s in place of %s.", c.Value, x.amount)
		}
		return passed
	}
	switch {
	case c.To != x.of.Address:
		return refused("The transaction calls %s in place of the token %s.", c.To, x.of.Address)
	case c.Value == nil || c.Value.Sign() != 0:
		return refused("The transaction moves native currency as well.")
	case len(c.Data) != 68 || !bytes.Equal(c.Data[:4], selectorTransfer) || !bytes.Equal(c.Data[4:16], make([]byte, 12)):
		return refused("The transaction is no plain transfer.")
	case !bytes.Equal(c.Data[16:36], x.to[:]):
		return refused("The transaction goes to 0x%x in place of %s.", c.Data[16:36], x.to)
	case new(big.Int).SetBytes(c.Data[36:]).Cmp(x.amount) != 0:
		return refused("The transaction moves %s in place of %s.", new(big.Int).SetBytes(c.Data[36:]), x.amount)
	}
	return passed
}

// tried judges a trial run: the money moves from the wallet to the address, once, and
// nothing else of the wallet's does. Nodes that cannot try calls out leave the check
// waiting: what a plain transfer does, its bytes say.
func (x transfer) tried(wallet asset.Address, r chain.Result) (c rail.Check, gas uint64, why error) {
	c = rail.Check{Name: official.CheckSimulation, Outcome: rail.Waiting, Detail: "The network could not try this transfer out."}
	outcomes, err := r.Simulated()
	if err != nil {
		return c, 0, err
	}
	c.Outcome = rail.Refused
	if len(outcomes) != 1 {
		c.Detail = "The trial run was of something else."
		return c, 0, fmt.Errorf("%d outcomes of one call", len(outcomes))
	}
	o := outcomes[0]
	if !o.Succeeded {
		c.Detail = "The transfer failed when it was tried out."
		if o.Err != nil {
			why = o.Err
		}
		return c, 0, why
	}
	if c.Detail = x.moved(wallet, o.Logs); c.Detail != "" {
		return c, 0, nil
	}
	c.Outcome, c.Detail = rail.Passed, "In a trial run the address received exactly this amount."
	return c, o.GasUsed, nil
}

// moved reads who sent what to whom in a trial run, and says what is wrong, if anything is.
func (x transfer) moved(wallet asset.Address, logs []chain.Log) (wrong string) {
	at, done := x.of.Address, 0
	if x.of.Native {
		at = chain.TransferTracer
	}
	for _, l := range logs {
		if len(l.Topics) == 0 || l.Topics[0] != official.TopicTransfer {
			continue
		}
		if len(l.Topics) != 3 || len(l.Data) != 32 {
			return "In a trial run something moved that is no amount of a token."
		}
		from, okFrom := indexed(l.Topics[1])
		to, okTo := indexed(l.Topics[2])
		mine := l.Address == at && from == wallet && to == x.to && new(big.Int).SetBytes(l.Data).Cmp(x.amount) == 0
		switch {
		case !okFrom || !okTo:
			return "In a trial run something moved whose owner cannot be read."
		case mine && done == 0:
			done++
		case from == wallet:
			return "In a trial run more would leave the wallet than is shown."
		}
	}
	if done == 0 {
		return "In a trial run the address would not receive this amount."
	}
	return ""
}

// nativeNeeded is what the payer must hold of the native currency: gas, unless whoever
// executes a Safe's transaction pays that, and the amount if it is native.
func (x transfer) nativeNeeded(c rail.Call, price *big.Int, payer rail.Payer) *big.Int {
	gas := new(big.Int)
	switch {
	case payer.Safe:
	case c.Gas > 0:
		gas.SetUint64(c.Gas)
	case x.of.Native:
		gas.SetUint64(typicalNativeGas)
	default:
		gas.SetUint64(typicalTokenGas)
	}
	return gas.Add(rail.HoldForGas(gas, price), c.Value)
}
