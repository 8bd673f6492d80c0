package lifitest

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/official"
)

// question is what a quote was asked for.
type question struct {
	from, to  asset.Token
	payer     asset.Address
	amount    *big.Int // base units of to
	fallback  asset.Address
	callTo    asset.Address
	approveTo asset.Address
	callData  []byte // of the one call on the destination
	bridges   []string
}

func (q question) crosses() bool { return q.from.Chain != q.to.Chain }

// errNoQuote is a question that has no answer.
var errNoQuote = errors.New("no available quotes for the requested transfer")

// draft is a route in the making: every layer is built from the one before it,
// and a lie may change any.
type draft struct {
	r        *Router
	q        question
	b        Behaviour
	lie      Lie
	now      time.Time
	txID     [32]byte
	from, to lifi.Network

	bridge  string // "" on one chain
	bridged asset.Token
	given   *big.Int // what the payer gives, base units of from
	fee     *big.Int // LI.FI's part of it
	into    *big.Int // what the bridge gets, or the exchange gives at least
	sure    *big.Int // what arrives, base units of to
	call    lifi.Call
	tx      lifi.Transaction
}

var (
	million = big.NewInt(1_000_000)
	ether   = big.NewInt(1e18)
)

// LI.FI's fee and what an exchange takes, in millionths.
const (
	lifiFee     = 2500
	exchangeFee = 500
)

// deadlines of an Across quote.
const fillTime = 3 * time.Hour

func (r *Router) build(q question) (*draft, error) {
	d := &draft{r: r, q: q, b: r.behaviour()}
	d.now = r.now().Add(-d.b.Age)
	if d.b.NoQuote {
		return nil, errNoQuote
	}
	d.from, _ = r.table.Network(q.from.Chain)
	d.to, _ = r.table.Network(q.to.Chain)
	d.txID = sha256.Sum256(fmt.Append(nil, q.payer, q.amount, d.now.UnixNano()))
	if err := d.pickTool(); err != nil {
		return nil, err
	}
	for _, l := range Lies() {
		if l.Name == d.b.Lie && l.applies(d) {
			d.lie = l
		}
	}
	d.price()
	if err := d.compose(); err != nil {
		return nil, err
	}
	return d, d.sign()
}

func (d *draft) pickTool() error {
	if !d.q.crosses() {
		d.bridged = d.q.to
		return nil
	}
	for _, s := range d.from.Stables {
		if s.Symbol == d.q.to.Symbol {
			d.bridged = s
		}
	}
	offered := []string{lifi.BridgeAcross, lifi.BridgeStargate}
	if d.b.Bridge != "" {
		offered = []string{d.b.Bridge}
	}
	for _, name := range offered {
		if d.bridged.Address.IsZero() || !slices.Contains(d.q.bridges, name) ||
			name == lifi.BridgeAcross && d.to.ReceiverAcross.IsZero() || name == lifi.BridgeStargate && d.to.ReceiverStargate.IsZero() {
			continue
		}
		d.bridge = name
		return nil
	}
	return errNoQuote
}

// exchanges reports whether a DEX is on the way.
func (d *draft) exchanges() bool { return d.bridged.Address != d.q.from.Address }

// price goes backwards from what must arrive to what the payer gives.
func (d *draft) price() {
	d.sure, d.into = d.q.amount, d.q.amount
	if d.bridge != "" {
		kept := new(big.Int).Sub(million, new(big.Int).Mul(big.NewInt(100), big.NewInt(int64(d.cost()))))
		d.into = ceil(rescaleUp(d.sure, d.q.to.Decimals, d.bridged.Decimals), million, kept)
	}
	net := d.into
	if d.exchanges() {
		net = ceil(rescaleUp(d.into, d.bridged.Decimals, d.q.from.Decimals), million, big.NewInt(1_000_000-exchangeFee))
	}
	d.given, d.fee = net, new(big.Int)
	if !d.b.NoFeeLeg {
		d.given = ceil(net, million, big.NewInt(1_000_000-lifiFee))
		d.fee = new(big.Int).Sub(d.given, net)
	}
}

// maxCost is half of what goes in: more is no price.
const maxCost = 5000

func (d *draft) cost() uint16 {
	if d.b.Cost == 0 {
		return 10
	}
	return min(uint16(d.b.Cost), maxCost)
}

// ceil is v*num/den, rounded up.
func ceil(v, num, den *big.Int) *big.Int {
	n := new(big.Int).Mul(v, num)
	n.Add(n, den).Sub(n, big.NewInt(1))
	return n.Quo(n, den)
}

func rescaleUp(v *big.Int, from, to uint8) *big.Int { return ceil(v, pow10(to), pow10(from)) }

func pow10(n uint8) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// compose builds the call, layer by layer.
func (d *draft) compose() error {
	swaps, err := d.swaps()
	if err != nil {
		return err
	}
	if d.bridge == "" {
		least := new(big.Int).Sub(d.q.amount, d.b.Aims.Of(d.q.amount))
		d.call = lifi.Call{Selector: lifi.SwapMultiple, Swaps: swaps, Swap: &lifi.GenericSwap{
			TransactionID: d.txID, Integrator: "sandbox", Referrer: "0x0000000000000000000000000000000000000000",
			Receiver: d.q.payer, MinAmountOut: least,
		}}
		if len(swaps) == 1 {
			d.call.Selector = lifi.SwapSingle
		}
		return nil
	}
	message, err := d.message()
	if err != nil {
		return err
	}
	d.call = lifi.Call{Swaps: swaps, Bridge: &lifi.BridgeData{
		TransactionID: d.txID, Bridge: d.bridge, Integrator: "sandbox", SendingAsset: d.bridged.Address, Receiver: d.q.fallback,
		MinAmount: d.into, DestinationChain: new(big.Int).SetUint64(uint64(d.q.to.Chain)),
		HasSourceSwaps: len(swaps) > 0, HasDestinationCall: true,
	}}
	if d.bridge == lifi.BridgeAcross {
		d.across(message)
	} else {
		d.stargate(message)
	}
	return nil
}

func (d *draft) swaps() (swaps []lifi.SwapData, err error) {
	spent := d.given
	if !d.b.NoFeeLeg {
		fee := lifi.FeeCall{Token: d.q.from.Address, Shares: []lifi.FeeShare{{To: d.r.feeTo, Amount: d.fee}}}
		data, err := change(fee, d.lie.Fee).Encode()
		if err != nil {
			return nil, err
		}
		swaps = append(swaps, lifi.SwapData{
			CallTo: d.from.FeeForwarder, ApproveTo: d.from.FeeForwarder, SendingAsset: d.q.from.Address, ReceivingAsset: d.q.from.Address,
			FromAmount: d.given, CallData: data, RequiresDeposit: true,
		})
		spent = new(big.Int).Sub(d.given, d.fee)
	}
	if d.exchanges() {
		if len(d.from.DEXes) == 0 {
			return nil, errNoQuote
		}
		dex := lifi.DEXCall{
			TokenIn: d.q.from.Address, AmountIn: spent, TokenOut: d.bridged.Address, MinOut: d.into, To: d.from.Diamond,
			Route: []byte{2, 0xd1, 0xce}, // opaque
		}
		data, err := change(dex, d.lie.DEX).Encode()
		if err != nil {
			return nil, err
		}
		swaps = append(swaps, lifi.SwapData{
			CallTo: d.from.DEXes[0], ApproveTo: d.from.DEXes[0], SendingAsset: d.q.from.Address, ReceivingAsset: d.bridged.Address,
			FromAmount: spent, CallData: data, RequiresDeposit: len(swaps) == 0,
		})
	}
	return swaps, nil
}

// change applies one layer's lie to a copy.
func change[T any](v T, lie func(*T)) T {
	if lie != nil {
		lie(&v)
	}
	return v
}

func (d *draft) message() ([]byte, error) {
	data := d.q.callData
	if d.lie.Payment != nil {
		p, err := official.DecodeERC20Payment(data)
		if err != nil {
			return nil, fmt.Errorf("lying about a payment: %w", err)
		}
		if data, err = change(p, d.lie.Payment).Encode(); err != nil {
			return nil, err
		}
	}
	return change(lifi.Message{
		TransactionID: d.txID, Receiver: d.q.fallback,
		Swaps: []lifi.SwapData{{
			CallTo: d.q.callTo, ApproveTo: d.q.approveTo, SendingAsset: d.q.to.Address, ReceivingAsset: d.q.to.Address,
			FromAmount: d.q.amount, CallData: data,
		}},
	}, d.lie.Message).Encode()
}

func (d *draft) across(message []byte) {
	// So much of what goes in comes out that the payment is just covered.
	multiplier := ceil(d.sure, ether, d.into)
	d.call.Across = &lifi.AcrossData{
		Receiver: padded(d.to.ReceiverAcross), Refund: padded(d.q.payer),
		SendingAsset: padded(d.bridged.Address), ReceivingAsset: padded(d.q.to.Address),
		OutputAmount: d.sure, OutputMultiplier: multiplier,
		ExclusiveRelayer: padded(asset.Address{0xbe, 19: 0x1a}), Exclusivity: 12,
		QuoteTimestamp: uint32(d.now.Unix()), FillDeadline: uint32(d.now.Add(fillTime).Unix()), Message: message,
	}
	d.call.Selector = lifi.AcrossStart
	if d.call.Bridge.HasSourceSwaps {
		d.call.Selector = lifi.AcrossSwap
	}
}

func (d *draft) stargate(message []byte) {
	assets := map[string]uint16{"USDC": 1, "USDT": 2}
	d.call.Stargate = &lifi.StargateData{
		AssetID: assets[d.bridged.Symbol], DstEID: d.to.Endpoint, To: padded(d.to.ReceiverStargate),
		Amount: d.into, MinAmount: rescaleUp(d.sure, d.q.to.Decimals, d.bridged.Decimals),
		ExtraOptions: composeOptions(600_000), ComposeMsg: message,
		NativeFee: new(big.Int).Quo(d.from.MaxNativeFee, big.NewInt(10)), LZTokenFee: new(big.Int), Refund: d.q.payer,
	}
	d.call.Selector = lifi.StargateStart
	if d.call.Bridge.HasSourceSwaps {
		d.call.Selector = lifi.StargateSwap
	}
}

// composeOptions are LayerZero's options with gas for the call on arrival.
func composeOptions(gas uint64) []byte {
	b := []byte{0, 3, 1, 0, 19, 3, 0, 0} // type 3; executor, 19 bytes, lzCompose of message 0
	b = append(b, make([]byte, 8)...)    // gas has 16 bytes
	return binary.BigEndian.AppendUint64(b, gas)
}

func padded(a asset.Address) (w [32]byte) {
	copy(w[12:], a[:])
	return w
}

// sign makes the transaction of the call.
func (d *draft) sign() error {
	if d.lie.Call != nil {
		d.lie.Call(&d.call)
	}
	data, err := d.call.Encode()
	if err != nil {
		return fmt.Errorf("encoding a route: %w", err)
	}
	d.tx = lifi.Transaction{
		Chain: d.q.from.Chain, From: d.q.payer, To: d.from.Diamond, Data: data, Value: new(big.Int), Spender: d.from.Diamond,
	}
	if d.call.Stargate != nil {
		d.tx.Value = new(big.Int).Set(d.call.Stargate.NativeFee)
	}
	if d.lie.Tx != nil {
		d.lie.Tx(&d.tx)
	}
	return nil
}
