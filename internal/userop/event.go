package userop

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"unicode"

	"github.com/ethereum/go-ethereum/accounts/abi"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
)

// The first topics of the EntryPoint's events.
const (
	// TopicOperation is
	// UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256).
	TopicOperation = "0x49628fd1471006c1482da88028e9ce4dbb080b815c9b0344d39e5a8e6ec1419f"
	// TopicReason is UserOperationRevertReason(bytes32,address,uint256,bytes), which
	// stands before the operation's event if its call failed and said why.
	TopicReason = "0x1c4fada7374c0a9ee8841fc38afe82932dc0f8e69012e927f061a8bae611a201"
	// TopicDeployed is AccountDeployed(bytes32,address,address,address).
	TopicDeployed = "0xd51a9c61267aa6196961883ecf5ff2da6619c37dac0fa92122513fb32c032d2d"
)

// ErrEvent is a log that is no such event of the EntryPoint.
var ErrEvent = errors.New("not an event of the EntryPoint")

// Outcome is what the EntryPoint says became of an operation. It is no proof that
// anybody was paid.
type Outcome struct {
	Hash      official.Hash // the userOpHash
	Sender    asset.Address
	Paymaster asset.Address // zero if the account paid by itself
	Nonce     *big.Int
	Success   bool     // false: the call failed, in a transaction that succeeded
	GasCost   *big.Int // wei that was paid
	GasUsed   *big.Int

	// Reason is what a failed call returned, 2048 bytes at the most.
	Reason []byte
	// Deployed tells that the account was made by this operation.
	Deployed bool

	Block chain.Block
	Tx    string // 0x and 64 hex digits
	Index uint   // of the log in its block
}

var (
	outcomeArgs = arguments(uintType, abiType("bool"), uintType, uintType)
	reasonArgs  = arguments(uintType, blobType)
)

// DecodeOutcome reads an operation's event, without the reason, which is in another.
// Who emitted it is for the caller to know. Errors: ErrEvent.
func DecodeOutcome(l chain.Log) (Outcome, error) {
	o := Outcome{Block: l.Block, Tx: l.Tx, Index: l.Index}
	if len(l.Topics) != 4 || l.Topics[0] != TopicOperation {
		return Outcome{}, ErrEvent
	}
	var errs [3]error
	o.Hash, errs[0] = official.ParseHash(l.Topics[1])
	o.Sender, errs[1] = topicAddress(l.Topics[2])
	o.Paymaster, errs[2] = topicAddress(l.Topics[3])
	err := errors.Join(errs[:]...)
	if err == nil {
		err = unpackAnswer(l.Data, outcomeArgs, &o.Nonce, &o.Success, &o.GasCost, &o.GasUsed)
	}
	if err == nil {
		var again []byte
		if again, err = outcomeArgs.Pack(o.Nonce, o.Success, o.GasCost, o.GasUsed); !bytes.Equal(again, l.Data) {
			err = ErrEvent
		}
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	return o, nil
}

func topicAddress(topic string) (asset.Address, error) {
	h, err := official.ParseHash(topic)
	if err != nil || [12]byte(h[:12]) != [12]byte{} {
		return asset.Address{}, ErrEvent
	}
	return asset.Address(h[12:]), nil
}

// Outcomes returns what the EntryPoint's logs say of operations, in their order and
// with the reasons of those that failed. Logs of other contracts are left out.
func Outcomes(logs []chain.Log) []Outcome {
	var out []Outcome
	reasons, deployed := map[official.Hash][]byte{}, map[official.Hash]bool{}
	for _, l := range logs {
		if l.Address != EntryPoint || len(l.Topics) < 2 {
			continue
		}
		hash, err := official.ParseHash(l.Topics[1])
		if err != nil {
			continue
		}
		switch l.Topics[0] {
		case TopicDeployed:
			deployed[hash] = true
		case TopicReason:
			var nonce *big.Int
			var reason []byte
			if unpackAnswer(l.Data, reasonArgs, &nonce, &reason) == nil {
				reasons[hash] = bytes.Clone(reason[:min(len(reason), maxReason)])
			}
		case TopicOperation:
			if o, err := DecodeOutcome(l); err == nil {
				o.Reason, o.Deployed = reasons[hash], deployed[hash]
				out = append(out, o)
			}
		}
	}
	return out
}

// maxReason is how much the EntryPoint itself keeps of a reason.
const maxReason = 2048

// Why says in printable words why the call failed: the contract's own text, or the
// beginning of what it returned. It is a stranger's text: for logs, and to be
// escaped elsewhere. It is "" if nothing was said.
func (o Outcome) Why() string {
	if len(o.Reason) == 0 {
		return ""
	}
	text, err := abi.UnpackRevert(o.Reason)
	if err != nil {
		return "0x" + hex.EncodeToString(o.Reason[:min(len(o.Reason), 36)])
	}
	clean := []rune(text)
	for i, r := range clean {
		if !unicode.IsPrint(r) {
			clean[i] = ' '
		}
	}
	return string(clean[:min(len(clean), 200)])
}

// LogsCall asks for the events of all of an account's operations in the blocks
// from..to, both included: what replaced one is among them. Decode with Result.Logs,
// and that with Outcomes.
func LogsCall(account asset.Address, from, to uint64) chain.Call {
	quantity := func(n uint64) string { return "0x" + new(big.Int).SetUint64(n).Text(16) }
	return chain.Call{Method: "eth_getLogs", Params: []any{map[string]any{
		"address": EntryPoint.Lower(), "fromBlock": quantity(from), "toBlock": quantity(to),
		"topics": []any{[]string{TopicOperation, TopicReason, TopicDeployed}, nil, official.Hash(addressWord(account)).String()},
	}}}
}
