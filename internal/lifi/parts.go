package lifi

import (
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// How many words the head of each structure has.
const (
	bridgeWords   = 10
	swapWords     = 7
	acrossWords   = 11
	stargateWords = 5
	sendWords     = 7
	messageWords  = 3
)

func readBridge(f *frame) *BridgeData {
	b := &BridgeData{}
	f.tuple(bridgeWords, "bridgeData", func(f *frame) {
		b.TransactionID = f.bytes32("bridgeData.transactionId")
		b.Bridge, b.Integrator = f.text("bridgeData.bridge"), f.text("bridgeData.integrator")
		b.Referrer = f.address("bridgeData.referrer")
		b.SendingAsset = f.address("bridgeData.sendingAssetId")
		b.Receiver = f.address("bridgeData.receiver")
		b.MinAmount = f.uint(256, "bridgeData.minAmount")
		b.DestinationChain = f.uint(256, "bridgeData.destinationChainId")
		b.HasSourceSwaps = f.flag("bridgeData.hasSourceSwaps")
		b.HasDestinationCall = f.flag("bridgeData.hasDestinationCall")
	})
	return b
}

func (b *BridgeData) encode() ([]byte, error) {
	t := newTuple(bridgeWords)
	t.bytes32(b.TransactionID)
	t.bytes([]byte(b.Bridge))
	t.bytes([]byte(b.Integrator))
	t.address(b.Referrer)
	t.address(b.SendingAsset)
	t.address(b.Receiver)
	t.uint(256, b.MinAmount)
	t.uint(256, b.DestinationChain)
	t.flag(b.HasSourceSwaps)
	t.flag(b.HasDestinationCall)
	return t.end()
}

func readSwaps(f *frame) (swaps []SwapData) {
	f.list(swapWords, maxSwaps, "swapData", func(f *frame) { swaps = append(swaps, readSwapData(f)) })
	return swaps
}

func readSwapData(f *frame) SwapData {
	return SwapData{
		CallTo: f.address("swapData.callTo"), ApproveTo: f.address("swapData.approveTo"),
		SendingAsset: f.address("swapData.sendingAssetId"), ReceivingAsset: f.address("swapData.receivingAssetId"),
		FromAmount: f.uint(256, "swapData.fromAmount"), CallData: f.bytes("swapData.callData"),
		RequiresDeposit: f.flag("swapData.requiresDeposit"),
	}
}

func (s SwapData) encode() ([]byte, error) {
	t := newTuple(swapWords)
	t.address(s.CallTo)
	t.address(s.ApproveTo)
	t.address(s.SendingAsset)
	t.address(s.ReceivingAsset)
	t.uint(256, s.FromAmount)
	t.bytes(s.CallData)
	t.flag(s.RequiresDeposit)
	return t.end()
}

func readAcross(f *frame) *AcrossData {
	a := &AcrossData{}
	f.tuple(acrossWords, "acrossData", func(f *frame) {
		a.Receiver, a.Refund = f.bytes32("acrossData.receiverAddress"), f.bytes32("acrossData.refundAddress")
		a.SendingAsset, a.ReceivingAsset = f.bytes32("acrossData.sendingAssetId"), f.bytes32("acrossData.receivingAssetId")
		a.OutputAmount = f.uint(256, "acrossData.outputAmount")
		a.OutputMultiplier = f.uint(128, "acrossData.outputAmountMultiplier")
		a.ExclusiveRelayer = f.bytes32("acrossData.exclusiveRelayer")
		a.QuoteTimestamp = uint32(f.small(32, "acrossData.quoteTimestamp"))
		a.FillDeadline = uint32(f.small(32, "acrossData.fillDeadline"))
		a.Exclusivity = uint32(f.small(32, "acrossData.exclusivityParameter"))
		a.Message = f.bytes("acrossData.message")
	})
	return a
}

func (a *AcrossData) encode() ([]byte, error) {
	t := newTuple(acrossWords)
	t.bytes32(a.Receiver)
	t.bytes32(a.Refund)
	t.bytes32(a.SendingAsset)
	t.bytes32(a.ReceivingAsset)
	t.uint(256, a.OutputAmount)
	t.uint(128, a.OutputMultiplier)
	t.bytes32(a.ExclusiveRelayer)
	t.small(uint64(a.QuoteTimestamp))
	t.small(uint64(a.FillDeadline))
	t.small(uint64(a.Exclusivity))
	t.bytes(a.Message)
	return t.end()
}

func readStargate(f *frame) *StargateData {
	s := &StargateData{}
	f.tuple(stargateWords, "stargateData", func(f *frame) {
		s.AssetID = uint16(f.small(16, "stargateData.assetId"))
		f.tuple(sendWords, "stargateData.sendParams", func(f *frame) {
			s.DstEID = uint32(f.small(32, "sendParams.dstEid"))
			s.To = f.bytes32("sendParams.to")
			s.Amount, s.MinAmount = f.uint(256, "sendParams.amountLD"), f.uint(256, "sendParams.minAmountLD")
			s.ExtraOptions = f.bytes("sendParams.extraOptions")
			s.ComposeMsg = f.bytes("sendParams.composeMsg")
			s.OFTCmd = f.bytes("sendParams.oftCmd")
		})
		s.NativeFee, s.LZTokenFee = f.uint(256, "stargateData.fee.nativeFee"), f.uint(256, "stargateData.fee.lzTokenFee")
		s.Refund = f.address("stargateData.refundAddress")
	})
	return s
}

func (s *StargateData) encode() ([]byte, error) {
	send := newTuple(sendWords)
	send.small(uint64(s.DstEID))
	send.bytes32(s.To)
	send.uint(256, s.Amount)
	send.uint(256, s.MinAmount)
	send.bytes(s.ExtraOptions)
	send.bytes(s.ComposeMsg)
	send.bytes(s.OFTCmd)

	t := newTuple(stargateWords)
	t.small(uint64(s.AssetID))
	t.inner(send.end())
	t.uint(256, s.NativeFee)
	t.uint(256, s.LZTokenFee)
	t.address(s.Refund)
	return t.end()
}

// Message is what a bridge carries to LI.FI's receiver on the destination:
// calls to make with the money, and who gets it if they fail, or what is left.
type Message struct {
	TransactionID [32]byte
	Swaps         []SwapData
	Receiver      asset.Address
}

// DecodeMessage reads a message as strictly as DecodeCall reads calldata.
func DecodeMessage(data []byte) (Message, error) {
	var m Message
	f := newFrame(data, messageWords)
	m.TransactionID = f.bytes32("message.transactionId")
	m.Swaps = readSwaps(f)
	m.Receiver = f.address("message.receiver")
	if err := f.end(); err != nil {
		return Message{}, err
	}
	return m, nil
}

// Encode returns the message. It fails if an amount does not fit its word.
func (m Message) Encode() ([]byte, error) {
	t := newTuple(messageWords)
	t.bytes32(m.TransactionID)
	t.inner(encodeList(m.Swaps, SwapData.encode))
	t.address(m.Receiver)
	return t.end()
}

// The functions of the contracts that take LI.FI's own fee.
var (
	selectorForward = Selector{0x33, 0x2d, 0x74, 0x6b} // FeeForwarder.forwardERC20Fees(address,(address,uint256)[])
	selectorCollect = Selector{0xee, 0xdd, 0x56, 0xe1} // FeeCollector.collectTokenFees(address,uint256,uint256,address)
)

// FeeShare is one part of a fee. To is zero for what LI.FI's collector keeps
// for LI.FI.
type FeeShare struct {
	To     asset.Address
	Amount *big.Int
}

// FeeCall is what a fee leg says. Collected tells the older FeeCollector, which
// knows exactly two shares, the integrator's and LI.FI's, from the FeeForwarder.
type FeeCall struct {
	Token     asset.Address
	Shares    []FeeShare
	Collected bool
}

const maxShares = 8

// DecodeFeeCall reads the calldata of a fee leg. Errors: ErrSelector, or the
// first field that is wrong.
func DecodeFeeCall(data []byte) (FeeCall, error) {
	var c FeeCall
	var f *frame
	switch {
	case len(data) >= 4 && Selector(data[:4]) == selectorForward:
		f = newFrame(data[4:], 2)
		c.Token = f.address("fee.token")
		f.row(2, maxShares, "fee.distributions", func(f *frame) {
			c.Shares = append(c.Shares, FeeShare{To: f.address("fee.recipient"), Amount: f.uint(256, "fee.amount")})
		})
	case len(data) >= 4 && Selector(data[:4]) == selectorCollect:
		f = newFrame(data[4:], 4)
		c.Collected = true
		c.Token = f.address("fee.token")
		integrator, own := f.uint(256, "fee.integratorFee"), f.uint(256, "fee.lifiFee")
		c.Shares = []FeeShare{{To: f.address("fee.integrator"), Amount: integrator}, {Amount: own}}
	default:
		return FeeCall{}, fmt.Errorf("fee leg with selector 0x%x: %w", data[:min(4, len(data))], ErrSelector)
	}
	if err := f.end(); err != nil {
		return FeeCall{}, err
	}
	return c, nil
}

// Encode returns the calldata. It fails if an amount does not fit its word, or
// if a FeeCollector's call does not have its two shares.
func (c FeeCall) Encode() ([]byte, error) {
	if c.Collected {
		if len(c.Shares) != 2 || !c.Shares[1].To.IsZero() {
			return nil, errors.New("the FeeCollector takes two shares, the second one LI.FI's")
		}
		t := newTuple(4)
		t.address(c.Token)
		t.uint(256, c.Shares[0].Amount)
		t.uint(256, c.Shares[1].Amount)
		t.address(c.Shares[0].To)
		return withSelector(selectorCollect, t)
	}
	list := newTuple(0)
	list.small(uint64(len(c.Shares)))
	for _, s := range c.Shares {
		list.address(s.To)
		list.uint(256, s.Amount)
	}
	t := newTuple(2)
	t.address(c.Token)
	t.inner(list.end())
	return withSelector(selectorForward, t)
}

// Total is the sum of the shares.
func (c FeeCall) Total() *big.Int {
	sum := new(big.Int)
	for _, s := range c.Shares {
		sum.Add(sum, s.Amount)
	}
	return sum
}

// selectorRoute is processRoute(address,uint256,address,uint256,address,bytes)
// of the route processors: LI.FI's own and the Sushi one it comes from.
var selectorRoute = Selector{0x26, 0x46, 0x47, 0x8b}

// DEXCall is what a DEX leg says. The route inside is opaque; the contract
// reverts unless To holds MinOut more of TokenOut afterwards, and takes no more
// than AmountIn.
type DEXCall struct {
	TokenIn, TokenOut asset.Address
	AmountIn, MinOut  *big.Int
	To                asset.Address
	Route             []byte
}

// DecodeDEXCall reads the calldata of a DEX leg. Errors: ErrSelector, or the
// first field that is wrong.
func DecodeDEXCall(data []byte) (DEXCall, error) {
	if len(data) < 4 || Selector(data[:4]) != selectorRoute {
		return DEXCall{}, fmt.Errorf("DEX leg with selector 0x%x: %w", data[:min(4, len(data))], ErrSelector)
	}
	f := newFrame(data[4:], 6)
	c := DEXCall{
		TokenIn: f.address("dex.tokenIn"), AmountIn: f.uint(256, "dex.amountIn"),
		TokenOut: f.address("dex.tokenOut"), MinOut: f.uint(256, "dex.amountOutMin"),
		To: f.address("dex.to"), Route: f.bytes("dex.route"),
	}
	if err := f.end(); err != nil {
		return DEXCall{}, err
	}
	return c, nil
}

// Encode returns the calldata. It fails if an amount does not fit its word.
func (c DEXCall) Encode() ([]byte, error) {
	t := newTuple(6)
	t.address(c.TokenIn)
	t.uint(256, c.AmountIn)
	t.address(c.TokenOut)
	t.uint(256, c.MinOut)
	t.address(c.To)
	t.bytes(c.Route)
	return withSelector(selectorRoute, t)
}

func withSelector(s Selector, t *tuple) ([]byte, error) {
	args, err := t.end()
	if err != nil {
		return nil, fmt.Errorf("encoding a call of 0x%x: %w", s, err)
	}
	return append(s[:len(s):len(s)], args...), nil
}
