package lifitest

import (
	"bytes"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/official"
)

// Thief gets the money in lies about receivers.
var Thief = asset.Address{0x66, 0x66, 19: 0x66}

// Trait says which routes a lie can be told about.
type Trait string

// The traits.
const (
	AnyRoute    Trait = "any"
	Bridges     Trait = "bridges"
	Across      Trait = "across"
	AcrossSwap  Trait = "across after source swaps"
	AcrossFee   Trait = "across after a fee leg only"
	AcrossStart Trait = "across without source swaps"
	Stargate    Trait = "stargate"

	AcrossScaled   Trait = "across after source swaps, between different decimals"
	StargateScaled Trait = "stargate between different decimals"

	Swaps     Trait = "swaps on one chain"
	FeeLegs   Trait = "routes with a fee leg"
	DEXLegs   Trait = "routes with an exchange"
	FeeAndDEX Trait = "routes with an exchange after a fee leg"
)

// Lie changes one thing in an honest route so that it costs the payer or the
// merchant money, and says which checks must refuse it: no others.
type Lie struct {
	Name    string
	About   Trait
	Refuses []string

	// The layers, of which one is changed before the next is built from it.
	Payment func(*official.ERC20Payment)
	Fee     func(*lifi.FeeCall)
	DEX     func(*lifi.DEXCall)
	Message func(*lifi.Message)
	Call    func(*lifi.Call)
	Tx      func(*lifi.Transaction)
}

func (l Lie) applies(d *draft) bool {
	swaps := d.exchanges() || !d.b.NoFeeLeg
	switch l.About {
	case Bridges:
		return d.bridge != ""
	case Across:
		return d.bridge == lifi.BridgeAcross
	case AcrossSwap:
		return d.bridge == lifi.BridgeAcross && swaps
	case AcrossFee:
		return d.bridge == lifi.BridgeAcross && !d.b.NoFeeLeg && !d.exchanges()
	case AcrossStart:
		return d.bridge == lifi.BridgeAcross && !swaps
	case Stargate:
		return d.bridge == lifi.BridgeStargate
	case AcrossScaled:
		return d.bridge == lifi.BridgeAcross && swaps && d.bridged.Decimals != d.q.to.Decimals
	case StargateScaled:
		return d.bridge == lifi.BridgeStargate && d.bridged.Decimals != d.q.to.Decimals
	case Swaps:
		return d.bridge == ""
	case FeeLegs:
		return !d.b.NoFeeLeg
	case DEXLegs:
		return d.exchanges()
	case FeeAndDEX:
		return d.exchanges() && !d.b.NoFeeLeg
	}
	return true
}

// Lies are all of them, each with its own name.
func Lies() []Lie {
	var all []Lie
	all = append(all, transactionLies()...)
	all = append(all, sourceLies()...)
	all = append(all, bridgeLies()...)
	all = append(all, acrossLies()...)
	all = append(all, stargateLies()...)
	all = append(all, messageLies()...)
	all = append(all, paymentLies()...)
	return append(all, byteLies()...)
}

func transactionLies() []Lie {
	tx := func(name, check string, lie func(*lifi.Transaction)) Lie {
		return Lie{Name: name, About: AnyRoute, Refuses: []string{check}, Tx: lie}
	}
	return []Lie{
		tx("tx.to", lifi.CheckTarget, func(t *lifi.Transaction) { t.To = Thief }),
		tx("tx.chainId", lifi.CheckTarget, func(t *lifi.Transaction) { t.Chain = 10143 }),
		tx("tx.from", lifi.CheckTarget, func(t *lifi.Transaction) { t.From = Thief }),
		tx("tx.value", lifi.CheckValue, func(t *lifi.Transaction) { t.Value = new(big.Int).Add(t.Value, ether) }),
		tx("approvalAddress", lifi.CheckApproval, func(t *lifi.Transaction) { t.Spender = Thief }),
	}
}

// calldataChecks are all that depend on calldata.
func calldataChecks(about Trait) []string {
	if about == Swaps {
		return []string{lifi.CheckValue, lifi.CheckCalldata, lifi.CheckApproval, lifi.CheckSource, lifi.CheckReceiver, lifi.CheckOutput}
	}
	return []string{lifi.CheckValue, lifi.CheckCalldata, lifi.CheckApproval, lifi.CheckSource, lifi.CheckBridge, lifi.CheckReceiver,
		lifi.CheckRefund, lifi.CheckOutput, lifi.CheckDeadline, lifi.CheckPayment}
}

// byteLies are about the encoding. Nothing can be told of calldata that cannot
// be read, so every check that needs it refuses.
func byteLies() []Lie {
	var lies []Lie
	for _, about := range []Trait{Bridges, Swaps} {
		lie := func(name string, change func([]byte) []byte) {
			lies = append(lies, Lie{Name: name + " of " + string(about), About: about, Refuses: calldataChecks(about),
				Tx: func(t *lifi.Transaction) { t.Data = change(t.Data) }})
		}
		lie("trailing bytes", func(d []byte) []byte { return append(d, 0xde, 0xad) })
		lie("trailing word", func(d []byte) []byte { return append(d, make([]byte, 32)...) })
		lie("cut short", func(d []byte) []byte { return d[:len(d)-32] })
		lie("packed selector", func(d []byte) []byte { return append([]byte{0x36, 0xb9, 0x24, 0x04}, d[4:]...) })
		lie("V4Swap selector", func(d []byte) []byte { return append([]byte{0x9b, 0x05, 0x4b, 0xc4}, d[4:]...) })
		lie("unknown selector", func(d []byte) []byte { return append([]byte{0xde, 0xad, 0xbe, 0xef}, d[4:]...) })
		lie("no calldata but a selector", func(d []byte) []byte { return d[:4] })
		offset := 4 // a bridge's first word is one; before a swap's stands its id
		if about == Swaps {
			offset += 32
		}
		lie("offset beyond the end", func(d []byte) []byte { d[offset+30] = 0xff; return d })
		lie("huge offset", func(d []byte) []byte { copy(d[offset:], bytes.Repeat([]byte{0xff}, 32)); return d })
		lie("dirty address in calldata", func(d []byte) []byte {
			at := bytes.Index(d, append(make([]byte, 12), d[firstAddress(d):firstAddress(d)+20]...))
			d[at] = 1
			return d
		})
	}
	return append(lies, Lie{Name: "function of the other kind", About: Swaps, Refuses: calldataChecks(Swaps), Call: func(c *lifi.Call) {
		swaps := c.Swaps
		*c = lifi.Call{Selector: lifi.AcrossSwap, Swaps: swaps, Bridge: &lifi.BridgeData{MinAmount: c.Swap.MinAmountOut, DestinationChain: big.NewInt(1)},
			Across: &lifi.AcrossData{OutputAmount: c.Swap.MinAmountOut, OutputMultiplier: ether}}
	}})
}

// firstAddress finds a receiver that is an address by type: BridgeData's asset
// or GenericSwap's receiver.
func firstAddress(d []byte) int {
	if s := lifi.Selector(d[:4]); s == lifi.SwapSingle || s == lifi.SwapMultiple {
		return 4 + 3*32 + 12
	}
	c, err := lifi.DecodeCall(d)
	if err != nil {
		return 4
	}
	return bytes.Index(d, append(make([]byte, 12), c.Bridge.SendingAsset[:]...)) + 12
}

// sourceLies are those about the chain that the money leaves. It is long because it is a
// table, a row each.
func sourceLies() []Lie {
	legs := func(name string, about Trait, lie func(*lifi.Call)) Lie {
		return Lie{Name: name, About: about, Refuses: []string{lifi.CheckSource}, Call: lie}
	}
	fee := func(name string, lie func(*lifi.FeeCall)) Lie {
		return Lie{Name: name, About: FeeLegs, Refuses: []string{lifi.CheckSource}, Fee: lie}
	}
	dex := func(name string, lie func(*lifi.DEXCall)) Lie {
		return Lie{Name: name, About: DEXLegs, Refuses: []string{lifi.CheckSource}, DEX: lie}
	}
	last := func(c *lifi.Call) *lifi.SwapData { return &c.Swaps[len(c.Swaps)-1] }
	return []Lie{
		fee("fee.amount", func(f *lifi.FeeCall) { f.Shares[0].Amount = times(f.Shares[0].Amount, 2) }),
		fee("fee.amount huge", func(f *lifi.FeeCall) { f.Shares[0].Amount = huge() }),
		fee("fee.receiver nobody", func(f *lifi.FeeCall) { f.Shares[0].To = asset.Address{} }),
		fee("fee.token", func(f *lifi.FeeCall) { f.Token = Thief }),
		fee("fee.second share", func(f *lifi.FeeCall) {
			f.Shares = append(f.Shares, lifi.FeeShare{To: Thief, Amount: f.Shares[0].Amount})
		}),
		fee("fee by the other contract's function", func(f *lifi.FeeCall) {
			f.Collected, f.Shares = true, append(f.Shares, lifi.FeeShare{Amount: new(big.Int)})
		}),
		legs("feeLeg.callTo", FeeLegs, func(c *lifi.Call) { c.Swaps[0].CallTo, c.Swaps[0].ApproveTo = Thief, Thief }),
		legs("feeLeg.approveTo", FeeLegs, func(c *lifi.Call) { c.Swaps[0].ApproveTo = Thief }),
		legs("feeLeg.sendingAsset", FeeLegs, func(c *lifi.Call) { c.Swaps[0].SendingAsset = Thief }),
		legs("feeLeg.receivingAsset", FeeLegs, func(c *lifi.Call) { c.Swaps[0].ReceivingAsset = Thief }),
		legs("feeLeg.fromAmount double", FeeLegs, func(c *lifi.Call) { c.Swaps[0].FromAmount = times(c.Swaps[0].FromAmount, 2) }),
		legs("feeLeg.fromAmount zero", FeeLegs, func(c *lifi.Call) { c.Swaps[0].FromAmount = new(big.Int) }),
		legs("feeLeg.fromAmount huge", FeeLegs, func(c *lifi.Call) { c.Swaps[0].FromAmount = huge() }),
		legs("feeLeg.requiresDeposit", FeeLegs, func(c *lifi.Call) { c.Swaps[0].RequiresDeposit = false }),
		legs("bridge.minAmount double", AcrossStart, func(c *lifi.Call) { c.Bridge.MinAmount = times(c.Bridge.MinAmount, 2) }),
		legs("feeLeg is a transfer", FeeLegs, func(c *lifi.Call) { c.Swaps[0].CallData = []byte{0xa9, 0x05, 0x9c, 0xbb} }),
		legs("feeLeg twice", FeeLegs, func(c *lifi.Call) {
			again := c.Swaps[0]
			again.RequiresDeposit = false
			c.Swaps = append([]lifi.SwapData{c.Swaps[0], again}, c.Swaps[1:]...)
		}),
		legs("leg that calls anyone", FeeLegs, func(c *lifi.Call) {
			c.Swaps = append([]lifi.SwapData{c.Swaps[0], {CallTo: Thief, ApproveTo: Thief, SendingAsset: c.Swaps[0].SendingAsset,
				ReceivingAsset: c.Swaps[0].SendingAsset, FromAmount: c.Swaps[0].FromAmount}}, c.Swaps[1:]...)
		}),
		legs("dex.callTo", DEXLegs, func(c *lifi.Call) { last(c).CallTo, last(c).ApproveTo = Thief, Thief }),
		legs("dex.approveTo", DEXLegs, func(c *lifi.Call) { last(c).ApproveTo = Thief }),
		legs("dex.fromAmount", DEXLegs, func(c *lifi.Call) { last(c).FromAmount = half(last(c).FromAmount) }),
		legs("dex is not last", DEXLegs, func(c *lifi.Call) {
			c.Swaps = append(c.Swaps, *last(c))
			if c.Selector == lifi.SwapSingle {
				c.Selector = lifi.SwapMultiple
			}
		}),
		legs("dex is a transfer", DEXLegs, func(c *lifi.Call) { last(c).CallData = append([]byte{0xa9, 0x05, 0x9c, 0xbb}, last(c).CallData[4:]...) }),
		legs("dex with trailing bytes", DEXLegs, func(c *lifi.Call) { last(c).CallData = append(bytes.Clone(last(c).CallData), 0) }),
		legs("dex takes half", FeeAndDEX, func(c *lifi.Call) {
			last(c).FromAmount = half(last(c).FromAmount)
			exchange(last(c), func(x *lifi.DEXCall) { x.AmountIn = last(c).FromAmount })
		}),
		{Name: "dex gives an unknown asset", About: Swaps, Refuses: []string{lifi.CheckSource, lifi.CheckReceiver}, Call: func(c *lifi.Call) {
			last(c).ReceivingAsset = Thief
			exchange(last(c), func(x *lifi.DEXCall) { x.TokenOut = Thief })
		}},
		{Name: "dex gives what it takes", About: Swaps, Refuses: []string{lifi.CheckSource, lifi.CheckReceiver}, Call: func(c *lifi.Call) {
			last(c).ReceivingAsset = last(c).SendingAsset
			exchange(last(c), func(x *lifi.DEXCall) { x.TokenOut = x.TokenIn })
		}},
		dex("dex.to", func(x *lifi.DEXCall) { x.To = Thief }),
		dex("dex.tokenIn", func(x *lifi.DEXCall) { x.TokenIn = Thief }),
		dex("dex.amountIn", func(x *lifi.DEXCall) { x.AmountIn = half(x.AmountIn) }),
		dex("dex.tokenOut", func(x *lifi.DEXCall) { x.TokenOut = Thief }),
		{Name: "swap.receiver", About: Swaps, Refuses: []string{lifi.CheckReceiver}, Call: func(c *lifi.Call) { c.Swap.Receiver = Thief }},
		{Name: "swap.minAmountOut", About: Swaps, Refuses: []string{lifi.CheckOutput}, Call: func(c *lifi.Call) {
			c.Swap.MinAmountOut = half(c.Swap.MinAmountOut)
		}},
		{Name: "swap.minAmountOut zero", About: Swaps, Refuses: []string{lifi.CheckOutput}, Call: func(c *lifi.Call) { c.Swap.MinAmountOut = new(big.Int) }},
	}
}

// exchange changes what an exchange's leg says to the DEX.
func exchange(leg *lifi.SwapData, lie func(*lifi.DEXCall)) {
	x, err := lifi.DecodeDEXCall(leg.CallData)
	if err != nil {
		return // the router built it: it can be read
	}
	lie(&x)
	if data, err := x.Encode(); err == nil {
		leg.CallData = data
	}
}

func bridgeLies() []Lie {
	lie := func(name string, lie func(*lifi.Call), checks ...string) Lie {
		return Lie{Name: name, About: Bridges, Refuses: checks, Call: lie}
	}
	return []Lie{
		lie("bridge.destinationChainId", func(c *lifi.Call) { c.Bridge.DestinationChain = big.NewInt(43114) }, lifi.CheckBridge),
		lie("bridge.destinationChainId Solana", func(c *lifi.Call) { c.Bridge.DestinationChain = big.NewInt(1151111081099710) }, lifi.CheckBridge),
		lie("bridge.destinationChainId huge", func(c *lifi.Call) { c.Bridge.DestinationChain = huge() }, lifi.CheckBridge),
		lie("bridge.hasDestinationCall", func(c *lifi.Call) { c.Bridge.HasDestinationCall = false }, lifi.CheckBridge),
		lie("bridge.hasSourceSwaps", func(c *lifi.Call) { c.Bridge.HasSourceSwaps = !c.Bridge.HasSourceSwaps }, lifi.CheckBridge),
		lie("bridge.receiver nobody", func(c *lifi.Call) { c.Bridge.Receiver = asset.Address{} }, lifi.CheckBridge),
	}
}

func acrossLies() []Lie {
	at := func(about Trait, name, check string, lie func(*lifi.AcrossData)) Lie {
		return Lie{Name: name, About: about, Refuses: []string{check}, Call: func(c *lifi.Call) { lie(c.Across) }}
	}
	lie := func(name, check string, l func(*lifi.AcrossData)) Lie { return at(Across, name, check, l) }
	later := func(v uint32, d time.Duration) uint32 { return v + uint32(d/time.Second) }
	return []Lie{
		lie("across.receiverAddress", lifi.CheckReceiver, func(a *lifi.AcrossData) { a.Receiver = padded(Thief) }),
		lie("across.receiverAddress dirty", lifi.CheckReceiver, func(a *lifi.AcrossData) { a.Receiver[0] = 1 }),
		lie("across.refundAddress", lifi.CheckRefund, func(a *lifi.AcrossData) { a.Refund = padded(Thief) }),
		lie("across.refundAddress dirty", lifi.CheckRefund, func(a *lifi.AcrossData) { a.Refund[11] = 1 }),
		lie("across.sendingAssetId", lifi.CheckBridge, func(a *lifi.AcrossData) { a.SendingAsset = padded(Thief) }),
		lie("across.sendingAssetId dirty", lifi.CheckBridge, func(a *lifi.AcrossData) { a.SendingAsset[3] = 1 }),
		lie("across.receivingAssetId", lifi.CheckReceiver, func(a *lifi.AcrossData) { a.ReceivingAsset = padded(Thief) }),
		lie("across.receivingAssetId dirty", lifi.CheckReceiver, func(a *lifi.AcrossData) { a.ReceivingAsset[0] = 0xff }),
		lie("across.quoteTimestamp old", lifi.CheckDeadline, func(a *lifi.AcrossData) { a.QuoteTimestamp -= 3600 }),
		lie("across.quoteTimestamp future", lifi.CheckDeadline, func(a *lifi.AcrossData) { a.QuoteTimestamp += 3600 }),
		lie("across.fillDeadline past", lifi.CheckDeadline, func(a *lifi.AcrossData) { a.FillDeadline = a.QuoteTimestamp }),
		lie("across.fillDeadline far", lifi.CheckDeadline, func(a *lifi.AcrossData) { a.FillDeadline = later(a.FillDeadline, 90*24*time.Hour) }),
		lie("across.exclusivityParameter long", lifi.CheckDeadline, func(a *lifi.AcrossData) { a.Exclusivity = 3 * 3600 }),
		lie("across.exclusivityParameter far", lifi.CheckDeadline, func(a *lifi.AcrossData) { a.Exclusivity = later(a.FillDeadline, time.Hour) }),
		lie("across.exclusiveRelayer nobody", lifi.CheckDeadline, func(a *lifi.AcrossData) { a.ExclusiveRelayer = [32]byte{} }),
		at(AcrossSwap, "across.outputAmountMultiplier low", lifi.CheckOutput, func(a *lifi.AcrossData) { a.OutputMultiplier = half(a.OutputMultiplier) }),
		at(AcrossSwap, "across.outputAmountMultiplier high", lifi.CheckOutput, func(a *lifi.AcrossData) { a.OutputMultiplier = times(a.OutputMultiplier, 2) }),
		at(AcrossSwap, "across.outputAmountMultiplier zero", lifi.CheckOutput, func(a *lifi.AcrossData) { a.OutputMultiplier = new(big.Int) }),
		at(AcrossStart, "across.outputAmount low", lifi.CheckOutput, func(a *lifi.AcrossData) { a.OutputAmount = less(a.OutputAmount) }),
		at(AcrossStart, "across.outputAmount high", lifi.CheckOutput, func(a *lifi.AcrossData) { a.OutputAmount = times(a.OutputAmount, 2) }),
		at(AcrossStart, "across.outputAmount zero", lifi.CheckOutput, func(a *lifi.AcrossData) { a.OutputAmount = new(big.Int) }),
		at(AcrossStart, "across.outputAmount huge", lifi.CheckOutput, func(a *lifi.AcrossData) { a.OutputAmount = huge() }),
		at(AcrossScaled, "across.outputAmountMultiplier of other decimals", lifi.CheckOutput, func(a *lifi.AcrossData) { a.OutputMultiplier = less(ether) }),
		{Name: "bridge.minAmount low", About: AcrossSwap, Refuses: []string{lifi.CheckOutput}, Call: func(c *lifi.Call) { c.Bridge.MinAmount = half(c.Bridge.MinAmount) }},
		{Name: "bridge.minAmount zero", About: AcrossSwap, Refuses: []string{lifi.CheckBridge, lifi.CheckOutput}, Call: func(c *lifi.Call) { c.Bridge.MinAmount = new(big.Int) }},
		{Name: "bridge.minAmount more than is left", About: AcrossFee, Refuses: []string{lifi.CheckSource}, Call: func(c *lifi.Call) {
			c.Bridge.MinAmount = c.Swaps[0].FromAmount // as if no fee were taken
		}},
		{Name: "bridge.sendingAssetId", About: AcrossSwap, Refuses: []string{lifi.CheckSource, lifi.CheckBridge}, Call: func(c *lifi.Call) {
			c.Bridge.SendingAsset = Thief
			c.Across.SendingAsset = padded(Thief)
		}},
	}
}

func stargateLies() []Lie {
	lie := func(name, check string, l func(*lifi.StargateData)) Lie {
		return Lie{Name: name, About: Stargate, Refuses: []string{check}, Call: func(c *lifi.Call) { l(c.Stargate) }}
	}
	return []Lie{
		lie("stargate.dstEid", lifi.CheckReceiver, func(s *lifi.StargateData) { s.DstEID = 30106 }),
		lie("stargate.to", lifi.CheckReceiver, func(s *lifi.StargateData) { s.To = padded(Thief) }),
		lie("stargate.to dirty", lifi.CheckReceiver, func(s *lifi.StargateData) { s.To[0] = 1 }),
		lie("stargate.minAmountLD low", lifi.CheckOutput, func(s *lifi.StargateData) { s.MinAmount = less(s.MinAmount) }),
		{Name: "stargate.minAmountLD in the destination's decimals", About: StargateScaled, Refuses: []string{lifi.CheckOutput},
			Call: func(c *lifi.Call) {
				m, err := lifi.DecodeMessage(c.Stargate.ComposeMsg)
				if err == nil { // it says how much must arrive
					c.Stargate.MinAmount = m.Swaps[0].FromAmount
				}
			}},
		lie("stargate.minAmountLD zero", lifi.CheckOutput, func(s *lifi.StargateData) { s.MinAmount = new(big.Int) }),
		lie("stargate.minAmountLD huge", lifi.CheckOutput, func(s *lifi.StargateData) { s.MinAmount = huge() }),
		lie("stargate.oftCmd bus", lifi.CheckBridge, func(s *lifi.StargateData) { s.OFTCmd = []byte{1} }),
		lie("stargate.extraOptions native drop", lifi.CheckBridge, func(s *lifi.StargateData) {
			drop := append([]byte{1, 0, 49, 2}, make([]byte, 16)...)
			drop[19] = 0xff
			s.ExtraOptions = append(append([]byte{0, 3}, drop...), append(make([]byte, 12), Thief[:]...)...)
		}),
		lie("stargate.extraOptions without gas", lifi.CheckBridge, func(s *lifi.StargateData) { s.ExtraOptions = composeOptions(20_000) }),
		lie("stargate.extraOptions for another worker", lifi.CheckBridge, func(s *lifi.StargateData) {
			s.ExtraOptions = bytes.Clone(s.ExtraOptions)
			s.ExtraOptions[2] = 2
		}),
		lie("stargate.extraOptions of type 1", lifi.CheckBridge, func(s *lifi.StargateData) { s.ExtraOptions = []byte{0, 1} }),
		lie("stargate.extraOptions cut", lifi.CheckBridge, func(s *lifi.StargateData) { s.ExtraOptions = s.ExtraOptions[:9] }),
		lie("stargate.nativeFee", lifi.CheckValue, func(s *lifi.StargateData) { s.NativeFee = times(s.NativeFee, 1000) }),
		lie("stargate.lzTokenFee", lifi.CheckValue, func(s *lifi.StargateData) { s.LZTokenFee = big.NewInt(1) }),
		lie("stargate.refundAddress", lifi.CheckRefund, func(s *lifi.StargateData) { s.Refund = Thief }),
		lie("stargate.composeMsg none", lifi.CheckPayment, func(s *lifi.StargateData) { s.ComposeMsg = nil }),
		lie("stargate.composeMsg trailing", lifi.CheckPayment, func(s *lifi.StargateData) { s.ComposeMsg = append(s.ComposeMsg, make([]byte, 32)...) }),
		{Name: "stargate.sendingAsset of another kind", About: Stargate, Refuses: []string{lifi.CheckSource, lifi.CheckBridge, lifi.CheckReceiver},
			Call: func(c *lifi.Call) { c.Bridge.SendingAsset = Thief }},
	}
}

func messageLies() []Lie {
	lie := func(name, check string, l func(*lifi.Message)) Lie {
		return Lie{Name: name, About: Bridges, Refuses: []string{check}, Message: l}
	}
	pay := lifi.CheckPayment
	return []Lie{
		lie("message.callTo", pay, func(m *lifi.Message) { m.Swaps[0].CallTo = Thief }),
		lie("message.approveTo", pay, func(m *lifi.Message) { m.Swaps[0].ApproveTo = Thief }),
		lie("message.sendingAssetId", pay, func(m *lifi.Message) { m.Swaps[0].SendingAsset = Thief }),
		lie("message.receivingAssetId", pay, func(m *lifi.Message) { m.Swaps[0].ReceivingAsset = Thief }),
		lie("message.fromAmount", pay, func(m *lifi.Message) { m.Swaps[0].FromAmount = less(m.Swaps[0].FromAmount) }),
		lie("message.fromAmount huge", pay, func(m *lifi.Message) { m.Swaps[0].FromAmount = huge() }),
		lie("message.requiresDeposit", pay, func(m *lifi.Message) { m.Swaps[0].RequiresDeposit = true }),
		lie("message.callData transfer", pay, func(m *lifi.Message) {
			m.Swaps[0].CallData = append([]byte{0xa9, 0x05, 0x9c, 0xbb}, append(make([]byte, 12), Thief[:]...)...)
		}),
		lie("message.callData trailing", pay, func(m *lifi.Message) { m.Swaps[0].CallData = append(bytes.Clone(m.Swaps[0].CallData), 0) }),
		lie("message.callData dirty", pay, func(m *lifi.Message) {
			m.Swaps[0].CallData = bytes.Clone(m.Swaps[0].CallData)
			m.Swaps[0].CallData[4] = 1
		}),
		lie("message.second call", pay, func(m *lifi.Message) { m.Swaps = append(m.Swaps, m.Swaps[0]) }),
		lie("message.no call", pay, func(m *lifi.Message) { m.Swaps = nil }),
		lie("message.receiver", lifi.CheckRefund, func(m *lifi.Message) { m.Receiver = Thief }),
	}
}

func paymentLies() []Lie {
	lie := func(name string, l func(*official.ERC20Payment)) Lie {
		return Lie{Name: name, About: Bridges, Refuses: []string{lifi.CheckPayment}, Payment: l}
	}
	return []Lie{
		lie("payment.token", func(p *official.ERC20Payment) { p.Token = Thief }),
		lie("payment.payee", func(p *official.ERC20Payment) { p.Payee = Thief }),
		lie("payment.amount", func(p *official.ERC20Payment) { p.Amount = less(p.Amount) }),
		lie("payment.reference", func(p *official.ERC20Payment) { p.Reference[7] ^= 1 }),
		lie("payment.fee", func(p *official.ERC20Payment) { p.Fee = new(big.Int).Add(p.Fee, big.NewInt(1)) }),
		lie("payment.feeAddress", func(p *official.ERC20Payment) { p.FeePayee = Thief }),
	}
}

func less(v *big.Int) *big.Int           { return new(big.Int).Sub(v, big.NewInt(1)) }
func half(v *big.Int) *big.Int           { return new(big.Int).Quo(v, big.NewInt(2)) }
func times(v *big.Int, n int64) *big.Int { return new(big.Int).Mul(v, big.NewInt(n)) }
func huge() *big.Int                     { return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)) }
