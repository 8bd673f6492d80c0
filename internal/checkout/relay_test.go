package checkout_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// relay is smart accounts, a sponsor, a bundler and their chains, as the port shows
// them. The blocks of all its chains are those of block(n, 0).
type relay struct {
	mu     sync.Mutex
	head   int // of all chains
	final  int
	done   []carried
	taken  []string              // hashes that the bundler has
	allows map[asset.Address]int // by owner, what his account may take
	asked  []checkout.GaslessKind
	budget checkout.GaslessBudget

	off     bool               // nobody pays for gas at the moment
	dead    error              // the chains do not answer
	sponsor error              // of the sponsor
	send    func(sentOp) error // of the bundler; nil if it takes what it gets
	refuses string             // a check that refuses whatever is asked
	flawed  string             // a check that refuses what the sponsor made of it
	lie     func(*checkout.GaslessSight)
}

// carried is an operation that was executed.
type carried struct {
	chain   asset.ChainID
	account asset.Address
	hash    string
	nonce   uint64
	ok      bool
	block   int
	tx      string
}

// operation is a user operation of these tests.
type operation struct {
	Owner  string `json:"owner"`
	Nonce  uint64 `json:"nonce"`
	Pays   string `json:"pays"`   // a request's topic
	Permit int64  `json:"permit"` // its deadline in Unix seconds, 0 without one
	Paid   bool   `json:"paid"`   // somebody pays for its gas
	Signed string `json:"signed"`
}

// opCost is what an operation costs at the most, gasPaid what it does.
const (
	opCost  = 600
	gasPaid = 250
)

func (o operation) json() []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return b
}

func (o operation) hash(chain asset.ChainID) string {
	o.Signed = ""
	return fmt.Sprintf("0x%x", sha256.Sum256(fmt.Appendf(nil, "%d %s", chain, o.json())))
}

func newRelay() *relay {
	return &relay{
		head: noBlock, final: noBlock, allows: map[asset.Address]int{},
		budget: checkout.GaslessBudget{Payment: big.NewInt(3000), Grants: 4, WalletDay: big.NewInt(1_000_000), ChainDay: big.NewInt(1_000_000)},
	}
}

func (r *relay) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *relay) Offer(chain asset.ChainID) (checkout.GaslessOffer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return checkout.GaslessOffer{Sponsor: "Relay", Kind: "test", MaxCost: big.NewInt(1000), Budget: r.budget}, !r.off && (chain == base || chain == arbitrum)
}

func accountOf(owner asset.Address) asset.Address {
	owner[0] = 0x4a
	return owner
}

func (r *relay) Account(chain asset.ChainID, owner asset.Address) (asset.Address, bool) {
	return accountOf(owner), chain == base || chain == arbitrum
}

// nonce is an account's next at the head.
func (r *relay) nonce(chain asset.ChainID, account asset.Address) (next uint64) {
	for _, c := range r.done {
		if c.chain == chain && c.account == account && c.block <= r.head {
			next = max(next, c.nonce+1)
		}
	}
	return next
}

func (r *relay) Read(_ context.Context, chain asset.ChainID, owner, token asset.Address) (checkout.GaslessState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return checkout.GaslessState{
		Account: accountOf(owner), Nonce: new(big.Int).SetUint64(r.nonce(chain, accountOf(owner))), Balance: big.NewInt(1000),
		Allowance: big.NewInt(int64(r.allows[owner])), Block: uint64(r.head),
		Permit: &checkout.GaslessTerms{Name: "USD Coin", ChainID: chain, Contract: token, Nonce: new(big.Int)},
	}, r.dead
}

func (r *relay) Parse(chain asset.ChainID, op []byte) (checkout.GaslessOp, error) {
	var o operation
	if json.Unmarshal(op, &o) != nil {
		return checkout.GaslessOp{}, fault.Field("userOperation", "op_invalid", "It cannot be read.")
	}
	owner, err := asset.ParseAddress(o.Owner)
	return checkout.GaslessOp{Hash: o.hash(chain), Sender: accountOf(owner), Nonce: new(big.Int).SetUint64(o.Nonce), Cost: big.NewInt(opCost), JSON: op}, err
}

func (r *relay) Check(ctx context.Context, plan checkout.GaslessPlan, text []byte) (checkout.GaslessOp, []rail.Check, error) {
	op, err := r.Parse(plan.Chain, text)
	if err != nil {
		return op, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var o operation
	if err := json.Unmarshal(text, &o); err != nil {
		return op, nil, err
	}
	op.Block = uint64(r.head)
	if o.Permit != 0 {
		op.Deadline = time.Unix(o.Permit, 0).UTC()
	}
	if plan.Own {
		op.Sender = plan.Owner
	}
	var checks []rail.Check
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{"op_sender", o.Owner == plan.Owner.String()}, {"op_nonce", o.Nonce == r.nonce(plan.Chain, op.Sender)},
		{"op_calls", o.Pays == string(plan.Steps[0].Data) && plan.Amount.Int64() == 100 && len(plan.Steps) == 1},
		{"op_permit", op.Deadline.Before(plan.Until.Add(time.Second))},
		{r.refuses, r.refuses == ""},
	} {
		outcome := rail.Passed
		if !c.ok {
			outcome = rail.Refused
		}
		checks = append(checks, rail.Check{Name: c.name, Outcome: outcome, Detail: "It says " + c.name + "."})
	}
	return op, checks, r.dead
}

func (r *relay) Sponsor(ctx context.Context, plan checkout.GaslessPlan, q checkout.GaslessQuestion) (checkout.GaslessGrant, error) {
	var o operation
	if err := json.Unmarshal(q.Op, &o); err != nil {
		return checkout.GaslessGrant{}, err
	}
	o.Paid = true
	op, checks, err := r.Check(ctx, plan, o.json())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, q.Kind)
	if r.sponsor != nil || err != nil {
		return checkout.GaslessGrant{}, r.sponsor
	}
	if r.flawed != "" {
		return checkout.GaslessGrant{Op: op, Checks: append(checks, rail.Check{Name: r.flawed, Outcome: rail.Refused})}, nil
	}
	return checkout.GaslessGrant{Op: op, Checks: checks, Result: o.json()}, nil
}

func (r *relay) Ask(_ context.Context, chain asset.ChainID, q checkout.GaslessQuestion) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, q.Kind)
	if q.Kind != checkout.GaslessSend {
		return fmt.Appendf(nil, "%q", q.Method+q.Hash), nil
	}
	var o operation
	if err := json.Unmarshal(q.Op, &o); err != nil {
		return nil, err
	}
	hash := o.hash(chain)
	if r.send != nil {
		err := r.send(sentOp{hash, o})
		if err != nil {
			return nil, err
		}
	}
	if !slices.Contains(r.taken, hash) {
		r.taken = append(r.taken, hash)
	}
	return fmt.Appendf(nil, "%q", hash), nil
}

func (r *relay) Revoke(token, account asset.Address) rail.Call {
	return rail.Call{Kind: rail.Revoke, To: token, Data: account[:], Value: new(big.Int)}
}

func (r *relay) Look(ctx context.Context, chain asset.ChainID, account asset.Address, hash string, nonce *big.Int, from uint64) (checkout.GaslessSight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sight := checkout.GaslessSight{Fate: checkout.OpExecutable, Next: max(from, uint64(r.final)+1), Time: block(r.head, 0).Time}
	for _, c := range r.done {
		if c.chain != chain || c.account != account || c.block > r.head || c.nonce != nonce.Uint64() || c.block < int(from) {
			continue
		}
		sight.Tx, sight.At, sight.Final = c.tx, block(c.block, 0).Time, c.block <= r.final
		switch {
		case c.hash != hash:
			sight.Fate = checkout.OpReplaced
		case c.ok:
			sight.Fate, sight.Cost = checkout.OpSucceeded, big.NewInt(gasPaid)
		default:
			sight.Fate, sight.Cost, sight.Why = checkout.OpFailed, big.NewInt(gasPaid), "no money"
		}
	}
	if r.lie != nil {
		r.lie(&sight)
	}
	if r.dead != nil {
		return checkout.GaslessSight{}, r.dead
	}
	return sight, ctx.Err()
}

// executes has a chain execute an operation in a block, which is the new head.
func (r *relay) executes(chain asset.ChainID, owner asset.Address, hash string, nonce uint64, ok bool, n int) (tx string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.head = max(r.head, n)
	tx = fmt.Sprintf("0x%064x", 2_000_000+len(r.done))
	r.done = append(r.done, carried{chain, accountOf(owner), hash, nonce, ok, n, tx})
	return tx
}

// sentOp is what the bundler is handed.
type sentOp struct {
	hash string
	op   operation
}

// gasWorld is a world in which somebody pays for gas, and with bridges.
func gasWorld(t testing.TB) *world {
	t.Helper()
	return gasWorldOn(t, "sqlite:"+t.TempDir()+"/test.db")
}

func gasWorldOn(t testing.TB, dsn string) *world {
	t.Helper()
	w := worldOn(t, dsn)
	w.span = &span{proof: seeing(payment.Sent), news: rail.News{Progress: payment.Sent}}
	w.relay = newRelay()
	w.at = block(noBlock, 0).Time
	w.restart()
	must(t, w.sweep(noBlock, block(noBlock, 0)))
	return w
}

// reach lets the time and the relay's chains reach a block, and makes all that is
// there final.
func (w *world) reach(n int) {
	w.ahead(n)
	w.relay.set(func() { w.relay.final = max(w.relay.final, n) })
}

// ahead lets the time and the relay's chains reach a block that is not final.
func (w *world) ahead(n int) {
	w.mu.Lock()
	w.at = block(n, 0).Time
	w.mu.Unlock()
	w.relay.set(func() { w.relay.head = max(w.relay.head, n) })
}

// saver has tokens and no coins.
var saver = asset.Address{19: 0x5a}

// paysBy is a payer with an operation.
type paysBy struct {
	*world
	p  *payment.Payment
	by checkout.GaslessAsker
	op operation
}

// saves has saver pay without gas, with a permit of five minutes unless it is changed.
func (w *world) saves(p *payment.Payment, change ...func(*paysBy)) *paysBy {
	w.relay.mu.Lock()
	nonce := w.relay.nonce(base, accountOf(saver))
	w.relay.mu.Unlock()
	b := &paysBy{world: w, p: p, by: checkout.GaslessAsker{Option: "one", Wallet: saver}, op: operation{
		Owner: saver.String(), Nonce: nonce, Pays: p.Terms.Requests[0].Topic, Permit: w.now().Add(5 * time.Minute).Unix(), Signed: "by saver",
	}}
	for _, f := range change {
		f(b)
	}
	return b
}

func approved(b *paysBy)  { b.op.Permit = 0; b.relay.set(func() { b.relay.allows[saver] = 100 }) }
func overThere(b *paysBy) { b.by.Option = "over" }

func (b *paysBy) asks(kind checkout.GaslessKind) ([]byte, error) {
	return b.AnswerGasless(b.t.Context(), b.p, b.by, checkout.GaslessQuestion{Kind: kind, Method: "m_" + string(kind), Op: b.op.json()})
}

// sponsored has the operation's gas paid for.
func (b *paysBy) sponsored() error {
	answer, err := b.asks(checkout.GaslessSponsor)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, &b.op)
}

func (b *paysBy) hash() string {
	if b.by.Option == "over" {
		return b.op.hash(arbitrum)
	}
	return b.op.hash(base)
}

func (b *paysBy) args() string {
	chain := base
	if b.by.Option == "over" {
		chain = arbitrum
	}
	return checkout.Follow{Payment: b.p.ID, Key: fmt.Sprintf("op:%d:%s", chain, b.hash())}.Args()
}

// sends has the operation sponsored and sent.
func (b *paysBy) sends() *paysBy {
	b.t.Helper()
	must(b.t, b.sponsored())
	_, err := b.asks(checkout.GaslessSend)
	must(b.t, err)
	return b
}

func (b *paysBy) looks() (again time.Time) {
	b.t.Helper()
	again, err := b.TrackGasless(b.t.Context(), b.args())
	must(b.t, err)
	return again
}

// executes has the operation executed.
func (b *paysBy) executes(ok bool, n int) (tx string) {
	chain := base
	if b.by.Option == "over" {
		chain = arbitrum
	}
	return b.relay.executes(chain, saver, b.hash(), b.op.Nonce, ok, n)
}

// is checks how the attempt of the operation stands, and what that means for the payment.
func (b *paysBy) is(stage payment.OpStage, state payment.State, locked bool) payment.Attempt {
	b.t.Helper()
	p := b.load(b.p.ID)
	i := slices.IndexFunc(p.Attempts, func(a payment.Attempt) bool { return a.Handle == b.hash() })
	if i < 0 {
		b.t.Fatalf("%s was not announced", b.hash())
	}
	a := p.Attempts[i]
	if a.OpStage() != stage || p.Standing.State != state || a.Decides {
		b.t.Errorf("the operation is %q (%s %q), the payment %s; want %q, %s", a.OpStage(), a.Stage, a.Reason, p.Standing.State, stage, state)
	}
	if _, is := p.OpLock(b.now()); is != locked {
		b.t.Errorf("locked: %t, want %t", is, locked)
	}
	if err := b.Payable(p); (code(err) == checkout.CodeOpPending) != (locked && state == payment.Open) {
		b.t.Errorf("payable: %v, locked: %t", err, locked)
	}
	return a
}

// code is a fault's code, "" for none.
func code(err error) string {
	if f := fault.From(err); f != nil && err != nil {
		return f.Code
	}
	return ""
}

// arrives is the money of the operation, in a block of the payment's chain.
func (b *paysBy) arrives(tx string, units int64, n int) rail.Sighting {
	return b.pays(b.p, accountOf(saver), tx, units, n)
}

// spent is what counts against the budgets now.
func (w *world) spent(p *payment.Payment) (s checkout.GrantSums) {
	w.t.Helper()
	must(w.t, w.store.Write(w.t.Context(), func(tx checkout.Tx) (err error) {
		s, err = tx.GrantSums(w.t.Context(), checkout.Grant{Payment: p.ID, Chain: base, Owner: saver, At: w.now()}, w.now().Add(-time.Hour))
		return err
	}))
	return s
}
