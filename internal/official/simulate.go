package official

import (
	"fmt"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/rail"
)

// The first topics of the events that matter: 0x and 64 lower-case digits.
const (
	// TopicERC20Paid is TransferWithReferenceAndFee(address,address,uint256,bytes,uint256,address).
	TopicERC20Paid = "0x9f16cbcc523c67a60c450e5ffe4f3b7b6dbe772e7abcadb2686ce029a9a0a2b6"
	// TopicEthPaid is TransferWithReferenceAndFee(address,uint256,bytes,uint256,address).
	TopicEthPaid = "0xa1c241e337c4610a9d0f881111e977e9dc8690c85fe2108897bb1483c66e6a96"
	// TopicTransfer is Transfer(address,address,uint256) of ERC-20 and of ERC-721.
	TopicTransfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
	// topicTransferSingle and topicTransferBatch are ERC-1155's.
	topicTransferSingle = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
	topicTransferBatch  = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"
	// topicApproval is Approval(address,address,uint256) of ERC-20 and of ERC-721.
	topicApproval = "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"
)

// NativeTracer is the address whose Transfer events stand for moves of native
// currency in a simulation (eth_simulateV1 with traceTransfers; ERC-7528).
var NativeTracer = asset.Address{
	0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee,
	0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee,
}

// Event is one event log. Topics are 0x and 64 lower-case hexadecimal digits.
type Event struct {
	Address asset.Address
	Topics  []string
	Data    []byte
}

// Paid is what a fee proxy's event says happened.
type Paid struct {
	Topic    string        // keccak256 of the payment reference
	Token    asset.Address // zero for the native currency
	Payee    asset.Address
	Amount   *big.Int
	Fee      *big.Int
	FeePayee asset.Address
}

// DecodePaid reads a fee proxy's event as strictly as calldata is read. It does
// not look at the emitter: whoever asks must know that the contract is official
// and of the kind that emits this event, which is returned.
func DecodePaid(e Event) (Paid, Kind, error) {
	if len(e.Topics) != 2 {
		return Paid{}, "", fmt.Errorf("event has %d topics, expected 2", len(e.Topics))
	}
	topic, err := ParseHash(e.Topics[1])
	if err != nil {
		return Paid{}, "", fmt.Errorf("reference of the event: %w", err)
	}
	p, kind := Paid{Topic: topic.String()}, EthereumFeeProxy
	r := &reader{rest: e.Data}
	words := 4
	switch e.Topics[0] {
	case TopicERC20Paid:
		kind, words = ERC20FeeProxy, 5
	case TopicEthPaid:
	default:
		return Paid{}, "", fmt.Errorf("event %s is no payment", e.Topics[0])
	}
	if len(e.Data) != words*word {
		return Paid{}, "", fmt.Errorf("event has %d bytes of data, expected %d", len(e.Data), words*word)
	}
	if kind == ERC20FeeProxy {
		p.Token = r.address("token")
	}
	p.Payee, p.Amount, p.Fee, p.FeePayee = r.address("payee"), r.uint(), r.uint(), r.address("fee address")
	if r.err != nil {
		return Paid{}, "", r.err
	}
	if kind == ERC20FeeProxy && p.Token.IsZero() {
		return Paid{}, "", fmt.Errorf("event names no token")
	}
	return p, kind, nil
}

// SimulatedCall is the outcome of one call of a simulation, native transfers
// shown as events of NativeTracer.
type SimulatedCall struct {
	Kind      rail.CallKind
	Succeeded bool
	Events    []Event
}

// SimulationMatches tells whether the simulated calls of one payer do exactly
// what was displayed: every call succeeds; what leaves the payer, and the
// contracts it goes through, is each amount to its payee and each fee to its
// payee, and nothing else; no allowance is given but those that are needed; and
// the official contracts emit one event for each payment, which says the same.
func (r *Registry) SimulationMatches(order Order, payer asset.Address, calls []SimulatedCall) rail.Check {
	o, err := r.outline(order)
	if err != nil {
		return outcome(CheckSimulation, "Nothing can be compared: "+err.Error()+".", "")
	}
	s := simulation{outline: o, payer: topicOf(payer), effects: order.effects(o, payer)}
	return outcome(CheckSimulation, s.run(calls), "A trial run on the chain moves exactly the amounts that are shown.")
}

// move is one transfer of an asset; NativeTracer is the native currency.
type move struct {
	asset, from, to asset.Address
	amount          string // base units
}

// effects are what an order must do on its chain.
type effects struct {
	assets  map[asset.Address]bool
	senders map[asset.Address]bool // whose moves of these assets are all accounted for
	emitter map[asset.Address]Kind // whose payment events are all accounted for
	moves   map[move]int           // how often each must happen
	order   []move                 // the same, to name the first that is missing
	paid    map[string]Paid        // by topic
}

func newEffects(payer asset.Address) effects {
	return effects{
		assets: map[asset.Address]bool{}, senders: map[asset.Address]bool{payer: true}, emitter: map[asset.Address]Kind{},
		moves: map[move]int{}, paid: map[string]Paid{},
	}
}

// move expects a transfer; of nothing, none.
func (f *effects) move(what, from, to asset.Address, amount *big.Int) {
	f.assets[what] = true
	if amount.Sign() > 0 {
		m := move{what, from, to, amount.String()}
		f.moves[m]++
		f.order = append(f.order, m)
	}
}

// through accounts for all that a contract sends and announces.
func (f *effects) through(c Contract) {
	f.senders[c.Address], f.emitter[c.Address] = true, c.Kind
}

func (f *effects) announce(e Expectation, feePayee asset.Address) {
	topic := e.Reference.Topic().String()
	f.paid[topic] = Paid{Topic: topic, Token: e.Token, Payee: e.Payee, Amount: e.Amount, Fee: e.Fee, FeePayee: feePayee}
}

type simulation struct {
	outline
	effects
	payer string // as an indexed argument
	moved []move
	told  []Paid
}

// run returns what is wrong, or "".
func (s *simulation) run(calls []SimulatedCall) string {
	pays := 0
	for _, c := range calls {
		if !c.Succeeded {
			return fmt.Sprintf("In a trial run the %s transaction fails.", c.Kind)
		}
		if c.Kind == rail.Pay {
			pays++
		}
		for _, ev := range c.Events {
			if why := s.event(c.Kind, ev); why != "" {
				return why
			}
		}
	}
	if pays != 1 {
		return fmt.Sprintf("The trial run has %d payments instead of one.", pays)
	}
	if why := s.amounts(); why != "" {
		return why
	}
	return s.announced()
}

// event takes note of one event, or says why it must not happen.
func (s *simulation) event(during rail.CallKind, ev Event) string {
	if len(ev.Topics) == 0 {
		return ""
	}
	switch ev.Topics[0] {
	case TopicTransfer:
		return s.transfer(during, ev)
	case topicApproval:
		return s.approval(ev)
	case topicTransferSingle, topicTransferBatch:
		// operator, from, to
		if len(ev.Topics) > 2 && ev.Topics[2] == s.payer {
			return fmt.Sprintf("In a trial run tokens of %s leave the payer.", ev.Address)
		}
	case TopicERC20Paid, TopicEthPaid:
		emitter, ours := s.emitter[ev.Address]
		if !ours || during != rail.Pay {
			return ""
		}
		p, kind, err := DecodePaid(ev)
		if err != nil || kind != emitter {
			return "In a trial run the official contract emits an event that cannot be read."
		}
		s.told = append(s.told, p)
	}
	return ""
}

func (s *simulation) transfer(during rail.CallKind, ev Event) string {
	if len(ev.Topics) < 3 {
		// Before ERC-20 was settled some tokens indexed nothing: such an event
		// cannot be told from one that takes the payer's money.
		return fmt.Sprintf("In a trial run %s emits a transfer that cannot be read.", ev.Address)
	}
	if !s.assets[ev.Address] || len(ev.Topics) != 3 {
		if ev.Topics[1] == s.payer {
			return fmt.Sprintf("In a trial run another asset leaves the payer: %s.", ev.Address)
		}
		return ""
	}
	from, ok := addressOf(ev.Topics[1])
	if !ok || !s.senders[from] {
		return ""
	}
	r := &reader{rest: ev.Data}
	to, ok := addressOf(ev.Topics[2])
	if len(ev.Data) != word || !ok {
		return fmt.Sprintf("In a trial run %s emits a transfer that cannot be read.", ev.Address)
	}
	if during != rail.Pay {
		return fmt.Sprintf("In a trial run the %s transaction moves money.", during)
	}
	if amount := r.uint(); amount.Sign() > 0 {
		s.moved = append(s.moved, move{ev.Address, from, to, amount.String()})
	}
	return ""
}

// approval lets nobody but the official contract have an allowance over the
// payer's tokens. The amount is proven by the calldata; tokens also announce
// what is left of an allowance after spending it.
func (s *simulation) approval(ev Event) string {
	if len(ev.Topics) < 3 || ev.Topics[1] != s.payer {
		return ""
	}
	if s.token(ev.Address) >= 0 && ev.Topics[2] == topicOf(s.target().Address) {
		return ""
	}
	return fmt.Sprintf("In a trial run another contract gets an allowance over the payer's %s.", ev.Address)
}

// amounts compares what moved with what must.
func (s *simulation) amounts() string {
	for _, m := range s.moved {
		if s.moves[m] == 0 {
			return fmt.Sprintf("In a trial run %s goes to %s, which is not shown.", m.amount, m.to)
		}
		s.moves[m]--
	}
	for _, m := range s.effects.order {
		if s.moves[m] > 0 {
			return fmt.Sprintf("In a trial run %s does not get %s.", m.to, m.amount)
		}
	}
	return ""
}

func (s *simulation) announced() string {
	if len(s.told) != len(s.paid) {
		return fmt.Sprintf("In a trial run the official contract announces %d payments instead of %d.", len(s.told), len(s.paid))
	}
	for _, got := range s.told {
		want, ok := s.paid[got.Topic]
		if !ok || got.Token != want.Token || got.Payee != want.Payee || got.FeePayee != want.FeePayee ||
			got.Amount.Cmp(want.Amount) != 0 || got.Fee.Cmp(want.Fee) != 0 {
			return "In a trial run the official contract announces another payment than the one that is shown."
		}
		delete(s.paid, got.Topic) // told twice is another payment
	}
	return ""
}

// topicOf is an address as an indexed argument.
func topicOf(a asset.Address) string { return "0x000000000000000000000000" + a.Lower()[2:] }

func addressOf(topic string) (asset.Address, bool) {
	if len(topic) != 66 || topic[:26] != "0x000000000000000000000000" {
		return asset.Address{}, false
	}
	a, err := asset.ParseAddress("0x" + topic[26:])
	return a, err == nil
}
