package lifi

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// Selector names a function of LI.FI's Diamond.
type Selector [4]byte

// The functions that are decoded; every other is refused. The packed ones and
// AcrossV4Swap hide what they do in bytes that only LI.FI's backend can read.
var (
	AcrossStart   = Selector{0xa1, 0xf1, 0xce, 0x43} // startBridgeTokensViaAcrossV4(BridgeData,AcrossV4Data)
	AcrossSwap    = Selector{0x17, 0x94, 0x95, 0x8f} // swapAndStartBridgeTokensViaAcrossV4(BridgeData,SwapData[],AcrossV4Data)
	StargateStart = Selector{0x14, 0xd5, 0x30, 0x77} // startBridgeTokensViaStargate(BridgeData,StargateData)
	StargateSwap  = Selector{0xa6, 0x01, 0x0a, 0x66} // swapAndStartBridgeTokensViaStargate(BridgeData,SwapData[],StargateData)
	SwapSingle    = Selector{0x46, 0x66, 0xfc, 0x80} // swapTokensSingleV3ERC20ToERC20(bytes32,string,string,address,uint256,SwapData)
	SwapMultiple  = Selector{0x5f, 0xd9, 0xae, 0x2e} // swapTokensMultipleV3ERC20ToERC20(bytes32,string,string,address,uint256,SwapData[])
)

// ErrSelector is a call of a function that is not decoded.
var ErrSelector = errors.New("not a function that can be verified")

// Call is the calldata of one call of the Diamond. Which parts there are
// follows from the selector: Bridge with Across or Stargate, or Swap.
type Call struct {
	Selector Selector
	Bridge   *BridgeData
	Swaps    []SwapData // on the source chain, before the bridge or as the whole
	Across   *AcrossData
	Stargate *StargateData
	Swap     *GenericSwap
}

// BridgeData is ILiFi.BridgeData.
type BridgeData struct {
	TransactionID      [32]byte
	Bridge, Integrator string
	Referrer           asset.Address
	SendingAsset       asset.Address
	Receiver           asset.Address
	MinAmount          *big.Int
	DestinationChain   *big.Int
	HasSourceSwaps     bool
	HasDestinationCall bool
}

// SwapData is LibSwap.SwapData: one call on the way, of a DEX, a collector of
// fees or, on the destination, of the contract that is paid.
type SwapData struct {
	CallTo, ApproveTo            asset.Address
	SendingAsset, ReceivingAsset asset.Address
	FromAmount                   *big.Int
	CallData                     []byte
	RequiresDeposit              bool
}

// AcrossData is AcrossFacetV4.AcrossV4Data. Its addresses fill whole words,
// because Across also serves chains with longer ones.
type AcrossData struct {
	Receiver, Refund, SendingAsset, ReceivingAsset [32]byte
	OutputAmount                                   *big.Int // not used after source swaps
	OutputMultiplier                               *big.Int // 1e18 is one for one, in base units of both chains
	ExclusiveRelayer                               [32]byte
	QuoteTimestamp, FillDeadline                   uint32 // Unix seconds
	Exclusivity                                    uint32 // none, seconds from the deposit, or above a year Unix seconds
	Message                                        []byte
}

// StargateData is StargateFacetV2.StargateData with its SendParam and
// MessagingFee.
type StargateData struct {
	AssetID      uint16
	DstEID       uint32 // LayerZero's number of the destination
	To           [32]byte
	Amount       *big.Int // overwritten by the facet
	MinAmount    *big.Int // in the source chain's base units
	ExtraOptions []byte
	ComposeMsg   []byte
	OFTCmd       []byte
	NativeFee    *big.Int // wei
	LZTokenFee   *big.Int
	Refund       asset.Address // gets native currency that is left over
}

// GenericSwap holds what GenericSwapFacetV3 takes beside the swaps.
type GenericSwap struct {
	TransactionID        [32]byte
	Integrator, Referrer string
	Receiver             asset.Address
	MinAmountOut         *big.Int
}

// maxSwaps is more than any route has: two fee legs and a DEX.
const maxSwaps = 8

// DecodeCall reads calldata that is exactly what Encode makes of the result:
// one of the six functions, every dynamic part directly behind the one before,
// no dirty bits, no byte that belongs to nothing. Any other bytes are an error,
// even where the contract would accept them. Errors: ErrSelector, or the first
// field that is wrong.
func DecodeCall(data []byte) (*Call, error) {
	if len(data) < 4 || len(data) > maxCalldata {
		return nil, fmt.Errorf("calldata of %d bytes: expected 4 to %d", len(data), maxCalldata)
	}
	c := &Call{Selector: Selector(data[:4])}
	var f *frame
	switch c.Selector {
	case AcrossStart, StargateStart:
		f = newFrame(data[4:], 2)
		c.Bridge = readBridge(f)
		c.readBridgeFacet(f)
	case AcrossSwap, StargateSwap:
		f = newFrame(data[4:], 3)
		c.Bridge = readBridge(f)
		c.Swaps = readSwaps(f)
		c.readBridgeFacet(f)
	case SwapSingle, SwapMultiple:
		f = newFrame(data[4:], 6)
		c.readSwap(f)
	default:
		return nil, fmt.Errorf("selector 0x%x: %w", data[:4], ErrSelector)
	}
	if err := f.end(); err != nil {
		return nil, err
	}
	// The reader is strict; that nothing but these bytes means this call is
	// proven by writing them.
	again, err := c.Encode()
	if err != nil || !bytes.Equal(again, data) {
		return nil, errors.New("the calldata is not the one encoding of what it says")
	}
	return c, nil
}

func (c *Call) readBridgeFacet(f *frame) {
	if c.Selector == AcrossStart || c.Selector == AcrossSwap {
		c.Across = readAcross(f)
	} else {
		c.Stargate = readStargate(f)
	}
}

func (c *Call) readSwap(f *frame) {
	s := &GenericSwap{
		TransactionID: f.bytes32("transactionId"), Integrator: f.text("integrator"), Referrer: f.text("referrer"),
		Receiver: f.address("receiver"), MinAmountOut: f.uint(256, "minAmountOut"),
	}
	if c.Swap = s; c.Selector == SwapMultiple {
		c.Swaps = readSwaps(f)
		return
	}
	f.tuple(swapWords, "swapData", func(f *frame) { c.Swaps = []SwapData{readSwapData(f)} })
}

// Encode returns the calldata. It fails if an amount does not fit its word or
// if a part that the selector demands is missing.
func (c *Call) Encode() ([]byte, error) {
	var args []byte
	var err error
	switch {
	case c.Bridge != nil && c.Across != nil && c.Selector == AcrossStart:
		args, err = encodeBridged(c.Bridge, nil, false, c.Across.encode)
	case c.Bridge != nil && c.Across != nil && c.Selector == AcrossSwap:
		args, err = encodeBridged(c.Bridge, c.Swaps, true, c.Across.encode)
	case c.Bridge != nil && c.Stargate != nil && c.Selector == StargateStart:
		args, err = encodeBridged(c.Bridge, nil, false, c.Stargate.encode)
	case c.Bridge != nil && c.Stargate != nil && c.Selector == StargateSwap:
		args, err = encodeBridged(c.Bridge, c.Swaps, true, c.Stargate.encode)
	case c.Swap != nil && (c.Selector == SwapMultiple || c.Selector == SwapSingle && len(c.Swaps) == 1):
		args, err = c.encodeSwap()
	default:
		return nil, fmt.Errorf("encoding a call of 0x%x: incomplete", c.Selector)
	}
	if err != nil {
		return nil, fmt.Errorf("encoding a call of 0x%x: %w", c.Selector, err)
	}
	return append(c.Selector[:len(c.Selector):len(c.Selector)], args...), nil
}

func encodeBridged(b *BridgeData, swaps []SwapData, withSwaps bool, facet func() ([]byte, error)) ([]byte, error) {
	words := 2
	if withSwaps {
		words = 3
	}
	t := newTuple(words)
	t.inner(b.encode())
	if withSwaps {
		t.inner(encodeList(swaps, SwapData.encode))
	}
	t.inner(facet())
	return t.end()
}

func (c *Call) encodeSwap() ([]byte, error) {
	t := newTuple(6)
	t.bytes32(c.Swap.TransactionID)
	t.bytes([]byte(c.Swap.Integrator))
	t.bytes([]byte(c.Swap.Referrer))
	t.address(c.Swap.Receiver)
	t.uint(256, c.Swap.MinAmountOut)
	if c.Selector == SwapSingle {
		t.inner(c.Swaps[0].encode())
	} else {
		t.inner(encodeList(c.Swaps, SwapData.encode))
	}
	return t.end()
}

// Deposit is what the Diamond pulls from the caller: what an approval must
// allow, and all that it may. It assumes that all swaps that pull spend the
// same asset, which Verify checks.
func (c *Call) Deposit() *big.Int {
	switch {
	case c.Selector == SwapSingle: // the facet pulls whatever requiresDeposit says
		return new(big.Int).Set(c.Swaps[0].FromAmount)
	case c.Selector == AcrossStart, c.Selector == StargateStart:
		return new(big.Int).Set(c.Bridge.MinAmount)
	}
	sum := new(big.Int)
	for _, s := range c.Swaps {
		if s.RequiresDeposit {
			sum.Add(sum, s.FromAmount)
		}
	}
	return sum
}

// Fees is what the fee legs take of the deposit, in the payer's asset.
func (c *Call) Fees() *big.Int {
	sum := new(big.Int)
	for _, s := range c.Swaps {
		if fee, err := DecodeFeeCall(s.CallData); err == nil {
			sum.Add(sum, fee.Total())
		}
	}
	return sum
}

// Arrives is what is sure to arrive, in base units of to. bridged is the asset
// that goes into the bridge, which BridgeData.SendingAsset names.
func (c *Call) Arrives(bridged, to asset.Token) *big.Int {
	switch {
	case c.Selector == AcrossSwap:
		// The facet puts what the swaps left, at least MinAmount, in place of OutputAmount.
		out := new(big.Int).Mul(c.Bridge.MinAmount, c.Across.OutputMultiplier)
		return out.Quo(out, one)
	case c.Across != nil:
		return new(big.Int).Set(c.Across.OutputAmount)
	case c.Stargate != nil:
		return rescale(c.Stargate.MinAmount, bridged.Decimals, to.Decimals)
	}
	return new(big.Int).Set(c.Swap.MinAmountOut)
}

// message is what the bridge carries to LI.FI's receiver on the destination.
func (c *Call) message() []byte {
	switch {
	case c.Across != nil:
		return c.Across.Message
	case c.Stargate != nil:
		return c.Stargate.ComposeMsg
	}
	return nil
}
