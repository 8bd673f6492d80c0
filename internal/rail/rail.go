// Package rail is the contract between the checkout and the ways money moves:
// what a rail can offer, what it makes the payer do, and how it reports what it
// saw. It knows no rail in particular, no HTTP and no database.
package rail

import (
	"context"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// ID names a rail. It is stored and sent on wires: it never changes.
type ID string

// Payer is what we know of who is about to pay.
type Payer struct {
	Wallet asset.Address // zero until a wallet is connected
	// Safe tells that the wallet is a Safe multisig account. Its calls are then the
	// same whatever it has allowed before: approvals are always among them, because
	// owners sign for hours, and nothing is asked of its native currency for gas,
	// which whoever executes pays.
	Safe bool
	// Owner is the wallet whose money it is, where Wallet is that wallet's smart
	// account (ERC-4337), which takes what it pays from the owner first and whose gas
	// somebody else pays; zero for others. Balances are the owner's then. The calls
	// are the account's, the same whatever it has allowed before, approvals always
	// among them, and nothing is asked of anybody's native currency for gas. What a
	// bridge gives back goes to the owner: the account may be on one chain only.
	Owner asset.Address
}

// Person is the wallet that somebody holds: the owner of a smart account, else the
// wallet itself. Screening and lists of who may pay are about it.
func (p Payer) Person() asset.Address {
	if !p.Owner.IsZero() {
		return p.Owner
	}
	return p.Wallet
}

// Rail moves money from a payer to a payee in one particular way.
type Rail interface {
	ID() ID

	// Offer returns how the payer can pay over this rail, or none if it does
	// not fit: that is no fault, and an error is one of ours. It is called on every
	// page load: no side effects, and no calls to a chain.
	Offer(ctx context.Context, p *payment.Payment, payer Payer) ([]Option, error)

	// Prepare commits to one option and returns what the payer must do. Called
	// again with the same option and facts, it returns the same Instruction.
	//
	// Faults: NotFound if the option was never offered; Conflict if nothing is
	// missing any more; Unavailable if the chain does not answer; Check.Unsafe
	// if a safety check fails.
	Prepare(ctx context.Context, p *payment.Payment, optionID string, payer Payer) (Instruction, error)
}

// Guard is implemented by rails whose target can be proven before a wallet is
// connected. The checks are the first and third layer of the safety check.
type Guard interface {
	Guard(ctx context.Context, p *payment.Payment) []Check
}

// Naming is implemented by rails that recognise money by a name which each
// request gets at creation: a contract reference, a deposit address.
type Naming interface {
	// Name fills in the request's id, reference and handle. It is called once,
	// before the payment is stored; p.ID and p.Terms are complete but for them.
	Name(p *payment.Payment, r *payment.Request) error
}

// Addressed is implemented by the rail that recognises money by an address which was made
// for one request.
type Addressed interface {
	Rail
	// HandleOf names the request that an address was made for.
	HandleOf(a asset.Address) payment.Handle
}

// Booked is implemented by rails whose evidence is in the statements of banks. People bring
// those to the checkout, which records what a booking is for as a transfer of the rail.
type Booked interface {
	Rail
	// Books reports whether a booking can pay a payment, whatever has come of it since.
	Books(p *payment.Payment) bool
}

// Pricer is implemented by rails whose ways have a price that has to be asked
// for.
type Pricer interface {
	// Price returns the option with what it costs this payer now. What was offered
	// is kept for Prepare, as long as it is fresh.
	//
	// Faults: as Rail.Prepare; NotFound "no_route" if nobody offers this way.
	Price(ctx context.Context, p *payment.Payment, optionID string, payer Payer) (Option, error)
}

// Explainer is implemented by rails that may have to leave ways out which a
// payer could expect.
type Explainer interface {
	// Missing says what is left out and why. It asks nobody.
	Missing(ctx context.Context, p *payment.Payment) []Missing
}

// PayerExplainer is implemented by rails that leave ways out for some payers only.
type PayerExplainer interface {
	// MissingFor says what is left out for one payer beside what Missing says, as
	// far as it was found out by pricing and preparing. It asks nobody.
	MissingFor(ctx context.Context, p *payment.Payment, payer Payer) []Missing
}

// Missing is a way to pay that is not offered, or all of a rail.
type Missing struct {
	Chain asset.ChainID // 0 for all but the payment's own
	Asset asset.ID      // "" for all of the chain
	Code  string        // stable: "routing_unavailable", "routing_off", "amount_too_small", "no_bridge", "safe_not_there"
	Why   string        // one sentence for the payer
}

// RouteType says what kind of way an option is. The words for ways over chains are the
// Request API's.
type RouteType string

// The types of ways.
const (
	SameChain  RouteType = "samechain"            // the payment's own asset on its own chain
	Conversion RouteType = "samechain_conversion" // another asset of the payment's chain, exchanged first
	Crosschain RouteType = "crosschain"           // from another chain, over a bridge
	Bank       RouteType = "bank"                 // a bank transfer, on no chain
)

// Option is one concrete way to pay: a route the payer may choose.
type Option struct {
	// ID is stable for the payment's life: "evmref:base:USDC-base", "evmref:base:batch",
	// "evmref:base:USDC-base:quoted", "crosschain:matic:USDT-matic", "sepa:de".
	ID    string
	Rail  ID
	Type  RouteType
	Chain asset.ChainID // where the payer signs, 0 for bank transfers
	Costs []Cost        // what the payer gives, fees of the route included, gas not; one for each asset; none while a quote has to be asked for
	Asset asset.ID      // what is sent of an amount in a fiat currency, at a quote; "" for others and for bank transfers

	// Spender is the contract that pulls the first cost, zero for native currency.
	Spender asset.Address
	// Estimated tells that Costs is what the way takes at most, and that only a
	// Pricer can tell more.
	Estimated bool
	// Least is what the payer must hold at the least for a price to be worth asking
	// for, nil if Costs says it all.
	Least *big.Int
	// Fee is the part of the first cost that the way itself takes, nil for none.
	Fee *big.Int
	// Duration is how long the money is under way, 0 where the next block has it.
	Duration time.Duration
}

// Cost is an amount of one asset.
type Cost struct {
	Asset  asset.ID
	Amount *big.Int // base units
}

// Instruction is what a payer must do. The set is closed: templates and
// dialects switch on it and never on the rail.
type Instruction interface{ instruction() }

// Calls are transactions for the payer's own wallet, in order.
type Calls struct {
	Chain  asset.ChainID
	Steps  []Call
	Funds  Funds
	Checks []Check
	Route  *Route // nil for the payment's own asset on its own chain
	// Safe is the account that makes the calls as one Safe transaction, nil for
	// others. The checkout fills it in.
	Safe *Multisig
	// Gasless tells that somebody would pay for these calls' gas, if they were made
	// as a user operation. The checkout fills it in.
	Gasless bool
}

// Multisig is a Safe as its chain shows it.
type Multisig struct {
	Chain     asset.ChainID
	Address   asset.Address
	Version   string // "1.3.0", "1.4.1", "1.5.0"
	Owners    []asset.Address
	Threshold uint64 // how many owners must sign
	Nonce     uint64 // of the next transaction
	// MultiSend is the official MultiSendCallOnly of this version, zero if the
	// chain does not have it: then no batch can be made.
	MultiSend asset.Address
	Warnings  []Warning
	Block     uint64 // at which it was read
}

// SameOwners reports whether it takes the same people, and as many of them, to move
// money of two Safes: then whoever has it on one has it on the other.
func (m *Multisig) SameOwners(other *Multisig) bool {
	inOrder := func(as []asset.Address) []asset.Address {
		return slices.SortedFunc(slices.Values(as), func(a, b asset.Address) int { return slices.Compare(a[:], b[:]) })
	}
	return m.Threshold == other.Threshold && slices.Equal(inOrder(m.Owners), inOrder(other.Owners))
}

// SafeNotThere is the code of a Safe that its owners do not have on the payment's
// chain.
const SafeNotThere = "safe_not_there"

// Warning is something that does not keep an account from paying, and that its
// owners may want to know.
type Warning struct {
	Code string // stable: "safe_modules", "safe_guard"
	Text string // one sentence
}

// Claimer is implemented by rails that can tell of calls somebody else has put
// together whether they pay a payment.
type Claimer interface {
	// Claims tells whether calls that a wallet makes on a chain, in this order and
	// no others, would pay p over this rail, and nothing else: the calls this rail
	// hands out to a Safe, of whatever amount. It asks no chain, and trusts nothing
	// that built the calls. Of a call only To, Data and Value are looked at.
	Claims(p *payment.Payment, chain asset.ChainID, payer Payer, calls []Call, now time.Time) (Claim, bool)
}

// Claim is what calls that pay a payment are worth to it.
type Claim struct {
	Type RouteType
	Cost Cost // what leaves the payer
	// Deadline is when the contracts refuse the calls, zero if they never do.
	Deadline time.Time
}

// Route is what is known of calls that go over a bridge or an exchange.
type Route struct {
	Type           RouteType
	Tool, ToolName string // the bridge or exchange: "across", "Across"
	Give           Cost   // what leaves the payer
	Arrives        Cost   // what is sure to arrive at the payment, by the calldata
	Fee            *big.Int
	// Fees are the parts of Fee that are known by name, for display.
	Fees      []NamedCost
	FetchedAt time.Time
	// ExpiresAt is when the offer is stale and must be asked for anew.
	ExpiresAt time.Time
	// Deadline is when the contracts refuse the calldata, zero if they never do. For
	// a Safe it is the last moment to execute that leaves time for the delivery,
	// before the payment closes too.
	Deadline time.Time
	Duration time.Duration // until the payee has it
	Raw      []byte        // the routing service's step as JSON, for having it stamped anew
}

// NamedCost is a cost with its name.
type NamedCost struct {
	Name string
	Cost
}

func (*Calls) instruction() {}

// Deposit is a plain transfer of one asset to an address that was made for this payment
// alone, by whatever means.
type Deposit struct {
	Address asset.Address
	Asset   asset.ID
	Amount  *big.Int // base units: what makes up all that is missing, by the quote's Ask
	URI     string   // ERC-681, for wallets that scan it
	Quote   payment.Quote
	Checks  []Check
	// Calls is the same transfer for the payer's own wallet, nil while none is connected.
	Calls *Calls
}

func (*Deposit) instruction() {}

// BankTransfer is a SEPA credit transfer of all that is missing, rounded up to a cent.
type BankTransfer struct {
	payment.BankTransfer
	Cents int64
	Code  string // the text of the code that banking apps scan (EPC069-12)
}

func (*BankTransfer) instruction() {}

// CallKind says what a call is for.
type CallKind string

// The kinds of calls.
const (
	Reset   CallKind = "reset"   // sets an allowance to zero, for tokens that demand it first
	Approve CallKind = "approve" // allows the official contract exactly what is needed
	Revoke  CallKind = "revoke"  // takes from a smart account what the wallet has allowed it, before the wallet pays by itself
	Swap    CallKind = "swap"    // exchanges what the payer has for what is due, into the payer's own wallet
	Pay     CallKind = "pay"     // moves the money
)

// Call is one unsigned transaction.
type Call struct {
	Kind  CallKind
	To    asset.Address
	Data  []byte
	Value *big.Int // wei
	Gas   uint64   // an estimate for display, 0 if it could not be had
	Asset asset.ID // whose allowance a reset or an approval sets, "" for a payment
}

// Funds compares what the payer holds with what the calls take. Balances are
// nil where they could not be read.
type Funds struct {
	Assets       []Holding // one for each asset the calls move, in the order of the requests
	NativeNeeded *big.Int  // wei for gas, and for amounts that are native
	Native       *big.Int  // wei the payer holds
	GasPrice     *big.Int  // wei
}

// Holding is what the calls take of one asset, and what the payer has of it.
type Holding struct {
	Asset     asset.ID
	Needed    *big.Int // base units, fees included
	Balance   *big.Int
	Allowance *big.Int // of the contract that pulls, nil for native currency
	// ContractFee is the part of Needed that a contract on the way asks for
	// itself, nil for none.
	ContractFee *big.Int
}

// HoldForGas is the native currency, in wei, that a payer is told to hold for an
// estimate of gas: five quarters of it. A wallet sets a higher limit than what is
// used, and prices move before it signs.
func HoldForGas(gas, price *big.Int) *big.Int {
	total := new(big.Int).Mul(gas, price)
	return total.Mul(total, big.NewInt(5)).Quo(total, big.NewInt(4))
}

// Enough reports whether the payer holds what is needed.
func (h Holding) Enough() bool { return h.Balance != nil && h.Balance.Cmp(h.Needed) >= 0 }

// safeGas is what a Safe takes for itself on top of its calls: 57,000 with two
// signatures, measured with the official contracts of all versions, and some
// 6,500 for each more.
const safeGas = 75_000

// SizeForSafe adds to the gas of the last step what a Safe takes for itself, so
// that all steps together suffice for its one transaction. Estimates that could
// not be had stay zero.
func (c *Calls) SizeForSafe() {
	if last := &c.Steps[len(c.Steps)-1]; last.Gas > 0 {
		last.Gas += safeGas
	}
}

// EnoughBalance reports whether the payer holds every amount.
func (f Funds) EnoughBalance() bool {
	return !slices.ContainsFunc(f.Assets, func(h Holding) bool { return !h.Enough() })
}

// EnoughGas reports whether the payer holds the native currency that is needed.
func (f Funds) EnoughGas() bool { return f.Native != nil && f.Native.Cmp(f.NativeNeeded) >= 0 }

// Outcome of a check.
type Outcome string

// The outcomes of a check.
const (
	Passed  Outcome = "passed"
	Refused Outcome = "failed"  // the payment must not go on
	Waiting Outcome = "pending" // cannot be told yet: no wallet, or not enough money to simulate
)

// Check is one named question of the safety check and its answer.
type Check struct {
	Name    string // stable: "contract_official", "code_pinned", "calldata_matches", "simulation_matches"
	Outcome Outcome
	Detail  string // one sentence for people
}

// CodeUnsafe is the code of the fault that a refused check raises.
const CodeUnsafe = "unsafe"

// Unsafe is the fault of a check that was refused: Forbidden, in the check's words, with
// its name as the field.
func (c Check) Unsafe() *fault.Error {
	return fault.New(fault.Forbidden, CodeUnsafe, c.Detail).At(c.Name)
}

// Failed returns the first check that was refused, and whether there is one.
func Failed(checks []Check) (Check, bool) {
	for _, c := range checks {
		if c.Outcome == Refused {
			return c, true
		}
	}
	return Check{}, false
}

// Sighting is what a rail made of outside evidence: value that names a handle.
// Whether the handle belongs to a payment, and what the value is worth to it,
// the checkout decides.
type Sighting struct {
	Rail     ID
	Handle   string // for contract references the event's topic, 0x and 64 hex digits
	Key      string // names the place of the evidence; with the handle, the transfer's key
	Chain    asset.ChainID
	Token    asset.Address // zero for native currency
	To       asset.Address
	Amount   *big.Int
	Fee      *big.Int
	FeeTo    asset.Address
	Contract asset.Address // who emitted the event
	At       time.Time     // the block's time
	Evidence payment.Evidence
}

// Recovery is evidence that a bridge delivered money whose payment on the
// destination failed: To has it, and the payment does not.
type Recovery struct {
	Route  string // the transfer's id, 0x and 64 hex digits
	Chain  asset.ChainID
	Token  asset.Address
	To     asset.Address
	Amount *big.Int // base units
	Tx     string
	At     time.Time // the block's time
}
