package contracts

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Relay is Across' V3RelayData: a deposit as relayers fill it. Addresses fill whole words.
type Relay struct {
	Depositor, Recipient, ExclusiveRelayer [32]byte
	InputToken, OutputToken                [32]byte
	InputAmount, OutputAmount              *big.Int // base units of either token
	OriginChainId, DepositId               *big.Int // the ABI's names
	FillDeadline, ExclusivityDeadline      uint32   // Unix seconds
	Message                                []byte
}

// Deposit is what a SpokePool took, and the chain it is to arrive on.
type Deposit struct {
	Relay
	Destination uint64
}

// ReadDeposit reads the FundsDeposited event that the SpokePool of the chain origin has emitted; false
// is for any other log.
func ReadDeposit(origin uint64, log *types.Log) (Deposit, bool) {
	event := Get(SpokePool).ABI.Events["FundsDeposited"]
	if log.Address != Address(SpokePool) || len(log.Topics) != 4 || log.Topics[0] != event.ID {
		return Deposit{}, false
	}
	var in struct {
		InputToken, OutputToken                           [32]byte
		InputAmount, OutputAmount                         *big.Int
		QuoteTimestamp, FillDeadline, ExclusivityDeadline uint32
		Recipient, ExclusiveRelayer                       [32]byte
		Message                                           []byte
	}
	if err := Get(SpokePool).ABI.UnpackIntoInterface(&in, event.Name, log.Data); err != nil || !log.Topics[1].Big().IsUint64() {
		return Deposit{}, false
	}
	return Deposit{
		Relay: Relay{
			Depositor: log.Topics[3], Recipient: in.Recipient, ExclusiveRelayer: in.ExclusiveRelayer,
			InputToken: in.InputToken, OutputToken: in.OutputToken, InputAmount: in.InputAmount, OutputAmount: in.OutputAmount,
			OriginChainId: new(big.Int).SetUint64(origin), DepositId: log.Topics[2].Big(),
			FillDeadline: in.FillDeadline, ExclusivityDeadline: in.ExclusivityDeadline, Message: in.Message,
		},
		Destination: log.Topics[1].Big().Uint64(),
	}, true
}

// Fill encodes the SpokePool's call that fills a deposit on its destination. The caller must have
// allowed the SpokePool to take Output's amount.
func (d Deposit) Fill() []byte {
	return Call(SpokePool, "fillRelay", d.Relay, d.OriginChainId, d.Depositor)
}

// Output is what arrives: a token and its base units.
func (d Deposit) Output() (token common.Address, amount *big.Int) {
	return common.BytesToAddress(d.OutputToken[:]), d.OutputAmount
}

// Input is what the bridge took.
func (d Deposit) Input() (token common.Address, amount *big.Int) {
	return common.BytesToAddress(d.InputToken[:]), d.InputAmount
}

// leg is LibSwap.SwapData.
type leg struct {
	CallTo, ApproveTo, SendingAssetId, ReceivingAssetId common.Address // the ABI's names
	FromAmount                                          *big.Int
	CallData                                            []byte
	RequiresDeposit                                     bool
}

// CutShort returns the deposit with a message whose calls cannot succeed: of each only the selector is
// left. Who fills it sends all the money to the message's receiver, as with a call that fails for any
// other reason. A SpokePool cannot tell: it knows the deposits of its own chain only.
func (d Deposit) CutShort() (Deposit, error) {
	legs := Get(Executor).ABI.Methods["swapAndCompleteBridgeTokens"].Inputs[1].Type
	word, _ := abi.NewType("bytes32", "", nil)
	account, _ := abi.NewType("address", "", nil)
	content := abi.Arguments{{Type: word}, {Type: legs}, {Type: account}}
	values, err := content.Unpack(d.Message)
	if err != nil {
		return Deposit{}, fmt.Errorf("message of a deposit: %w", err)
	}
	calls := *abi.ConvertType(values[1], new([]leg)).(*[]leg)
	for i := range calls {
		calls[i].CallData = calls[i].CallData[:min(4, len(calls[i].CallData))]
	}
	if d.Message, err = content.Pack(values[0], calls, values[2]); err != nil {
		return Deposit{}, fmt.Errorf("message of a deposit: %w", err)
	}
	return d, nil
}
