package safe

import (
	"cmp"
	"errors"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
)

// The first topics of a Safe's execution events, in all versions.
const (
	// TopicSuccess is ExecutionSuccess(bytes32,uint256).
	TopicSuccess = "0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e"
	// TopicFailure is ExecutionFailure(bytes32,uint256).
	TopicFailure = "0x23428b18acfb3ea64b08dc0c1d296ea9c09702c09083ca5272e64d115b687d23"
)

// Execution is what a Safe says became of one of its transactions.
type Execution struct {
	Safe    asset.Address
	Hash    official.Hash // the safeTxHash
	Success bool          // false: the call failed, and cannot be made again
	Payment *big.Int      // what was paid for gas

	Block chain.Block
	Tx    string // 0x and 64 hex digits
	Index uint   // of the log in its block
}

// Filter asks for the execution events of Safes.
func Filter(safes ...asset.Address) chain.Filter {
	return chain.Filter{Addresses: slices.Clone(safes), Topics0: []string{TopicSuccess, TopicFailure}}
}

// ErrEvent is a log that is no execution event of a known version.
var ErrEvent = errors.New("not an execution event of a Safe")

// DecodeExecution reads an execution event: the hash is the second topic, or
// with version 1.3.0 the first word of the data. Who emitted it is for the
// caller to know. Errors: ErrEvent.
func DecodeExecution(l chain.Log) (Execution, error) {
	e := Execution{Safe: l.Address, Block: l.Block, Tx: l.Tx, Index: l.Index}
	if len(l.Topics) == 0 || l.Topics[0] != TopicSuccess && l.Topics[0] != TopicFailure {
		return Execution{}, ErrEvent
	}
	e.Success = l.Topics[0] == TopicSuccess
	switch {
	case len(l.Topics) == 1 && len(l.Data) == 2*word:
		e.Hash = official.Hash(l.Data[:word])
		e.Payment = new(big.Int).SetBytes(l.Data[word:])
	case len(l.Topics) == 2 && len(l.Data) == word:
		h, err := official.ParseHash(l.Topics[1])
		if err != nil {
			return Execution{}, ErrEvent
		}
		e.Hash, e.Payment = h, new(big.Int).SetBytes(l.Data)
	default:
		return Execution{}, ErrEvent
	}
	return e, nil
}

// Executions returns what logs say of a Safe's transactions, in their order.
// Logs of others, and what a Safe emitted that only looks alike, are left out: by
// a delegatecall its owners can make it emit anything.
func Executions(safe asset.Address, logs []chain.Log) []Execution {
	var out []Execution
	for _, l := range logs {
		if l.Address != safe {
			continue
		}
		if e, err := DecodeExecution(l); err == nil {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, order)
	return out
}

func order(a, b Execution) int {
	return cmp.Or(cmp.Compare(a.Block.Number, b.Block.Number), cmp.Compare(a.Index, b.Index))
}
