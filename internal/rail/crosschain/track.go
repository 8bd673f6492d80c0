package crosschain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/lifi"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/safe"
)

// topicCompleted is LiFiTransferCompleted(bytes32,address,address,uint256,uint256)
// of LI.FI's executors. Source: ILiFi, lifinance/contracts @ef00558.
const topicCompleted = "0xb8c86983f929c6b770461983d1bbde1870408120f07123e9c12d49f35a0b4c4b"

// TrackerConfig is what a Tracker is made of.
type TrackerConfig struct {
	Book   *asset.Book
	Client *lifi.Client // its Table is what routes are held against
	// Nodes are the chains that can be asked, Finality the rules by which their
	// blocks are there for good.
	Nodes    map[asset.ChainID]chain.Batcher
	Finality map[asset.ChainID]chain.Finality
	// Safes knows the contracts of Safe accounts. With nil their transactions are
	// not read.
	Safes *safe.Table
}

// Tracker follows transfers over bridges: what their chains show of them is
// evidence, what LI.FI says is news. It is safe for concurrent use.
type Tracker struct {
	book     *asset.Book
	client   *lifi.Client
	table    *lifi.Table
	nodes    map[asset.ChainID]chain.Batcher
	finality map[asset.ChainID]chain.Finality
	safes    *safe.Table
}

// NewTracker returns a Tracker. It asks nobody.
func NewTracker(c TrackerConfig) *Tracker {
	return &Tracker{book: c.Book, client: c.Client, table: c.Client.Table(), nodes: c.Nodes, finality: c.Finality, safes: c.Safes}
}

// Prove looks for an announced transaction on its chain and reads what it does:
// a call of LI.FI's pinned contract that would have passed the safety check for a
// payment to this payee, with this reference and in this asset, of whatever
// amount. The call is one that the payer's account sends itself, or one of a Safe:
// then nothing but its approvals may stand before it, the Safe must say that it
// made exactly that, and the money must have left it for LI.FI's contract. A Safe
// is executed by a transaction to itself, or inside of another contract's call if
// a safe_tx attempt of the payment has its transaction and names this one as what
// executed it.
//
// Or it is one of a user operation in a bundle that is sent to the EntryPoint: of the
// smart account of whoever's money it takes, as package userop derives it, with
// nothing but the permit, the transfer to the account and the approvals before it. Of
// a bundle with operations that user_op attempts of the payment name only those
// count; the EntryPoint must say that it succeeded, and the money must have left the
// account while it was executed. What other smart accounts do inside of another
// contract's call is Unknown, and its arrival is seen all the same.
//
// Errors are of the chain, which may be asked again.
func (t *Tracker) Prove(ctx context.Context, p *payment.Payment, a payment.Attempt) (rail.Proof, error) {
	node, known := t.nodes[a.Chain]
	if _, pinned := t.table.Network(a.Chain); !known || !pinned {
		return unknown(a), nil
	}
	tx, receipt, top, err := t.look(ctx, node, a)
	switch {
	case err != nil:
		return rail.Proof{}, err
	case tx == nil:
		proof := unknown(a)
		proof.Route.Progress = payment.Sent
		return proof, nil
	}
	// The hash fixes the calldata, so what is not this payment's never will be. A
	// failure is told all the same: its sender may have meant well.
	proof, call, made, ours := t.reads(p, a, tx, receipt)
	if !ours {
		proof = unknown(a)
	}
	if receipt == nil {
		if ours {
			proof.Route.Progress = payment.Sent
		}
		return proof, nil
	}
	proof.Route.Final = receipt.Block.Number <= top
	if !receipt.Succeeded {
		proof.Route.Progress = payment.Broken
		return proof, nil
	}
	if !ours {
		return proof, nil
	}
	if made != nil {
		switch end, logs, err := made.became(ctx, node, receipt); {
		case err != nil:
			return rail.Proof{}, err
		case end == failed:
			proof.Route.Progress = payment.Broken
			return proof, nil
		case end != succeeded || !left(made, call, logs):
			final := proof.Route.Final
			proof = unknown(a)
			proof.Route.Final = final
			return proof, nil
		}
	}
	sent, err := minedAt(ctx, node, receipt)
	if err != nil {
		return rail.Proof{}, err
	}
	proof.Route.Progress, proof.Route.SentAt = payment.Bridging, sent
	proof.Payer, proof.Until = tx.From.String(), until(call, sent)
	if made != nil {
		proof.Payer = made.account.String()
	}
	return proof, nil
}

// minedAt is the time of a receipt's block. errMoved if another one has taken its place.
func minedAt(ctx context.Context, node chain.Batcher, receipt *chain.Receipt) (time.Time, error) {
	header, err := chain.Ask(ctx, node, chain.HeaderCall(chain.AtBlock(receipt.Block.Number)), chain.Result.Header)
	if err != nil {
		return time.Time{}, err
	}
	if header == nil || header.Hash != receipt.Block.Hash {
		return time.Time{}, errMoved
	}
	return header.Time, nil
}

func unknown(a payment.Attempt) rail.Proof {
	proof := rail.Proof{Route: payment.Route{Progress: payment.Unknown}}
	if a.Route != nil {
		proof.Route.To = a.Route.To
	}
	return proof
}

// errMoved is a chain that changed between two questions, or nodes that disagree.
var errMoved = errors.New("the transaction's block changed while it was read")

// look asks for a transaction, its outcome and the height up to which blocks are
// there for good, in one round trip. tx is nil if the node does not know it,
// receipt if it is in no block.
func (t *Tracker) look(ctx context.Context, node chain.Batcher, a payment.Attempt) (tx *chain.Transaction, receipt *chain.Receipt, final uint64, err error) {
	rule := t.finality[a.Chain]
	at := chain.Latest
	if rule.Tag {
		at = chain.Finalized
	}
	answers, err := node.Batch(ctx, []chain.Call{chain.TransactionCall(a.Handle), chain.ReceiptCall(a.Handle), chain.HeaderCall(at)})
	if err != nil {
		return nil, nil, 0, err
	}
	if tx, err = answers[0].Transaction(); err != nil {
		return nil, nil, 0, fmt.Errorf("read the transaction: %w", err)
	}
	if receipt, err = answers[1].Receipt(); err != nil {
		return nil, nil, 0, fmt.Errorf("read its receipt: %w", err)
	}
	if tx == nil && receipt != nil {
		return nil, nil, 0, errMoved
	}
	if tx != nil && tx.Hash != a.Handle || receipt != nil && receipt.Tx != a.Handle {
		return nil, nil, 0, errors.New("the node answered with another transaction")
	}
	if receipt != nil && tx.Block != nil && tx.Block.Hash != receipt.Block.Hash {
		return nil, nil, 0, errMoved
	}
	// A node that names no final block leaves everything open: that is no error.
	header, err := answers[2].Header()
	if err != nil || header == nil {
		return tx, receipt, 0, nil
	}
	if rule.Tag {
		return tx, receipt, header.Number, nil
	}
	if rule.Confirmations == 0 || header.Number+1 < rule.Confirmations {
		return tx, receipt, 0, nil
	}
	return tx, receipt, header.Number + 1 - rule.Confirmations, nil
}

// deed is what a transaction has an account do that did not send it.
type deed struct {
	account asset.Address
	calls   []rail.Call
	token   asset.Address // all that the calls may spend, zero for anything
	// became says what a receipt shows of it, and which of the logs are its own.
	became func(ctx context.Context, node chain.Batcher, receipt *chain.Receipt) (end, []chain.Log, error)
}

// end is what became of a deed.
type end int

const (
	untold end = iota // the receipt says nothing of it, or nobody that can be believed does
	failed
	succeeded
)

// reads decodes a transaction: a call of LI.FI's contract, or what it has an account
// do.
func (t *Tracker) reads(p *payment.Payment, a payment.Attempt, tx *chain.Transaction, receipt *chain.Receipt) (proof rail.Proof, call *lifi.Call, made *deed, ours bool) {
	deeds := t.deeds(p, a, tx, receipt)
	if len(deeds) == 0 {
		signed := lifi.Transaction{Chain: a.Chain, From: tx.From, To: tx.To, Data: tx.Data, Value: tx.Value}
		proof, call, ours = t.read(p, a, signed, nil)
		return proof, call, nil, ours
	}
	for _, made = range deeds {
		last := len(made.calls) - 1
		signed := lifi.Transaction{Chain: a.Chain, From: made.account, To: made.calls[last].To, Data: made.calls[last].Data, Value: made.calls[last].Value}
		proof, call, ours = t.read(p, a, signed, official.Named(made.calls)[:last])
		if ours && !made.token.IsZero() && made.token != spent(call) {
			proof, call, ours = rail.Proof{}, nil, false
		}
		if ours {
			break
		}
	}
	return proof, call, made, ours
}

// deeds are what a transaction may have accounts do for a payment.
func (t *Tracker) deeds(p *payment.Payment, a payment.Attempt, tx *chain.Transaction, receipt *chain.Receipt) []*deed {
	if e := t.execution(p, a, tx, receipt); e != nil {
		return []*deed{t.ofSafe(a.Chain, e)}
	}
	return operations(p, a, tx, receipt)
}

// left reports whether the tokens that a route takes went from the account to the
// routing contract. Who has an account can have it emit any event of its own; the
// token's events, of a pinned token, they cannot.
func left(made *deed, call *lifi.Call, logs []chain.Log) bool {
	token, from, to := spent(call), topicOf(made.account), topicOf(made.calls[len(made.calls)-1].To)
	sum := new(big.Int)
	for _, l := range logs {
		if l.Address == token && len(l.Data) == 32 && slices.Equal(l.Topics, []string{official.TopicTransfer, from, to}) {
			sum.Add(sum, new(big.Int).SetBytes(l.Data))
		}
	}
	return sum.Cmp(call.Deposit()) >= 0
}

// read decodes a call and holds it against the payment, with the approvals that
// stand before it. ours is false for what does not pay it.
func (t *Tracker) read(p *payment.Payment, a payment.Attempt, signed lifi.Transaction, approvals []rail.Call) (proof rail.Proof, call *lifi.Call, ours bool) {
	from, _ := t.table.Network(a.Chain)
	call, err := lifi.DecodeCall(signed.Data)
	if err != nil || call.Bridge == nil || signed.To != from.Diamond {
		return rail.Proof{}, nil, false
	}
	gives, ok := from.Stable(spent(call))
	if !ok {
		return rail.Proof{}, nil, false
	}
	message, paid, ok := arrival(call)
	if !ok {
		return rail.Proof{}, nil, false
	}
	q, takes, ok := due(t.book, p, paid)
	if !ok {
		return rail.Proof{}, nil, false
	}
	in := lifi.Intent{
		Payer: signed.From, From: gives, MaxFrom: call.Deposit(), To: takes, Payment: paid,
		Refund: refundOf(call), Fallback: message.Receiver, MaxFee: anyFee,
	}
	for _, c := range t.table.Verify(in, signed, approvals, a.At) {
		// What was too late to be signed was not too late for the contracts.
		if c.Outcome == rail.Refused && c.Name != lifi.CheckDeadline {
			return rail.Proof{}, nil, false
		}
	}
	route := payment.Route{
		ID: fmt.Sprintf("0x%x", message.TransactionID), From: gives.ID, Amount: call.Deposit(), To: takes.Chain,
		Request: q.Index, Pays: new(big.Int).Set(paid.Amount), Fallback: message.Receiver.String(),
	}
	route.Tool, route.Expect = lifi.BridgeAcross, usualAcross
	if call.Stargate != nil {
		route.Tool, route.Expect = lifi.BridgeStargate, usualStargate
	}
	return rail.Proof{Route: route}, call, true
}

// anyFee takes every fee leg: who has signed has agreed to it.
const anyFee = 10_000

// How long the bridges usually take from a block on, for display.
const (
	usualAcross   = 2 * time.Minute
	usualStargate = 5 * time.Minute
)

// arrival reads the one call that a bridge carries.
func arrival(call *lifi.Call) (lifi.Message, official.ERC20Payment, bool) {
	var carried []byte
	switch {
	case call.Across != nil:
		carried = call.Across.Message
	case call.Stargate != nil:
		carried = call.Stargate.ComposeMsg
	}
	message, err := lifi.DecodeMessage(carried)
	if err != nil || len(message.Swaps) != 1 {
		return message, official.ERC20Payment{}, false
	}
	paid, err := official.DecodeERC20Payment(message.Swaps[0].CallData)
	return message, paid, err == nil
}

func refundOf(call *lifi.Call) asset.Address {
	if call.Stargate != nil {
		return call.Stargate.Refund
	}
	return asset.Address(call.Across.Refund[12:])
}

// How long a transfer is waited for.
const (
	// afterFill is for a fill in the last second, and for clocks that differ.
	afterFill = 10 * time.Minute
	// longest is for bridges that name no end, and no calldata may ask for more:
	// Across gives money back within six hours.
	longest = 6*time.Hour + afterFill
)

// until is when a transfer that is in a block is no longer waited for.
func until(call *lifi.Call, sent time.Time) time.Time {
	last := sent.Add(longest)
	if call.Across == nil {
		return last
	}
	if fill := time.Unix(int64(call.Across.FillDeadline), 0).UTC().Add(afterFill); fill.Before(last) {
		return fill
	}
	return last
}

// News asks LI.FI how far a transfer is.
//
// Faults: those of lifi.Client.
func (t *Tracker) News(ctx context.Context, a payment.Attempt) (rail.News, error) {
	status, err := t.client.Status(ctx, lifi.StatusQuery{TxHash: a.Handle, From: a.Chain, To: a.Route.To, Bridge: a.Route.Tool})
	if err != nil {
		return rail.News{}, err
	}
	news := rail.News{Progress: progress(status.Progress()), Tx: strings.ToLower(status.Receiving.TxHash)}
	if news.Progress != payment.Refunded {
		return news, nil
	}
	back := status.Receiving
	token, ok := t.book.TokenAt(back.Token.Chain, back.Token.Address)
	if ok && back.Chain == a.Chain && token.Chain == a.Chain && back.Amount != nil && back.Amount.Sign() > 0 {
		news.Asset, news.Amount = token.ID, back.Amount
	}
	return news, nil
}

func progress(p lifi.Progress) payment.Progress {
	switch p {
	case lifi.Unseen:
		return payment.Sent
	case lifi.Arrived:
		return payment.Arrived
	case lifi.Recovered:
		return payment.Recovered
	case lifi.Refunding:
		return payment.Refunding
	case lifi.Refunded:
		return payment.Refunded
	case lifi.Broken:
		return payment.Broken
	case lifi.Underway:
	}
	return payment.Bridging
}

// Filter says which logs of a chain tell that money of a bridge arrived and its
// call failed: those of LI.FI's pinned receivers.
func (t *Tracker) Filter(id asset.ChainID) chain.Filter {
	var f chain.Filter
	network, _ := t.table.Network(id)
	for _, receiver := range []asset.Address{network.ReceiverAcross, network.ReceiverStargate} {
		if !receiver.IsZero() {
			f.Addresses = append(f.Addresses, receiver)
		}
	}
	if len(f.Addresses) > 0 {
		f.Topics0 = []string{lifi.TopicRecovery}
	}
	return f
}

// Recovery reads one log as such evidence. It is pure. An error means that the
// log is none.
func (t *Tracker) Recovery(id asset.ChainID, l chain.Log) (rail.Recovery, error) {
	network, ok := t.table.Network(id)
	if !ok || l.Address.IsZero() || l.Address != network.ReceiverAcross && l.Address != network.ReceiverStargate {
		return rail.Recovery{}, fmt.Errorf("log of %s on chain %d: not a receiver", l.Address, id)
	}
	r, err := lifi.DecodeRecovery(l.Topics, l.Data)
	if err != nil {
		return rail.Recovery{}, fmt.Errorf("log of %s on chain %d: %w", l.Address, id, err)
	}
	return rail.Recovery{
		Route: fmt.Sprintf("0x%x", r.TransactionID), Chain: id, Token: r.Token, To: r.To, Amount: r.Amount, Tx: l.Tx, At: l.Block.Time,
	}, nil
}

// Executor reports whether an account is the contract that makes the payments of
// bridge transfers on a chain: it is then nobody who paid.
func (t *Tracker) Executor(id asset.ChainID, a asset.Address) bool {
	network, ok := t.table.Network(id)
	return ok && a == network.Executor
}

// Brought finds the bridge transfer whose call emitted the log at an index of a
// transaction: the executor names it when it has made the calls. "" if it names
// none. Anybody can have the executor name any transfer, with money of their own.
func (t *Tracker) Brought(id asset.ChainID, logs []chain.Log, index uint) string {
	for _, l := range logs {
		if l.Index > index && t.Executor(id, l.Address) && len(l.Topics) == 2 && l.Topics[0] == topicCompleted {
			return l.Topics[1]
		}
	}
	return ""
}
