package checkout_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// vault is Safes on chains, and a Transaction Service, as the port shows them. The
// blocks of all its chains are those of block(n, 0).
type vault struct {
	mu       sync.Mutex
	safes    map[asset.ChainID]map[asset.Address]*rail.Multisig
	head     int // of all chains
	final    int
	done     []execution
	perLook  int // how many blocks a look searches at the most, 0 for all
	sent     map[string]bool
	service  map[string]*checkout.SafeNews
	dead     error // nobody answers
	mute     error // the service does not answer
	lie      func(*checkout.SafeSight)
	accounts int // how often an account was read
	looks    int
	asks     int
}

// execution is an event of a Safe.
type execution struct {
	chain asset.ChainID
	safe  asset.Address
	hash  string
	nonce uint64
	ok    bool
	block int
	tx    string
}

var (
	box     = asset.Address{19: 0xb0} // a Safe
	boxTwo  = asset.Address{19: 0xb2} // another
	keyOne  = asset.Address{19: 0x01}
	keyTwo  = asset.Address{19: 0x02}
	noBlock = 1000 // where everything was begun
)

func newVault() *vault {
	v := &vault{
		safes: map[asset.ChainID]map[asset.Address]*rail.Multisig{}, head: noBlock, final: noBlock, sent: map[string]bool{}, service: map[string]*checkout.SafeNews{},
	}
	for _, chain := range []asset.ChainID{base, arbitrum} {
		v.safes[chain] = map[asset.Address]*rail.Multisig{}
		for _, at := range []asset.Address{box, boxTwo} {
			v.safes[chain][at] = &rail.Multisig{Chain: chain, Address: at, Version: "1.4.1", Owners: []asset.Address{keyOne, keyTwo}, Threshold: 2, Nonce: 7}
		}
	}
	return v
}

func (v *vault) set(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
}

func (v *vault) Account(_ context.Context, chain asset.ChainID, address asset.Address) (*rail.Multisig, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.accounts++
	if v.dead != nil {
		return nil, v.dead
	}
	on, ok := v.safes[chain]
	if !ok {
		return nil, fault.Field("wallet", "safe_unsupported", "Not on this chain.")
	}
	m, ok := on[address]
	if !ok {
		return nil, fault.Field("wallet", "no_contract", "Nobody is there.")
	}
	copied := *m
	copied.Owners, copied.Block = slices.Clone(m.Owners), uint64(v.head)
	return &copied, nil
}

// note is a Safe transaction of these tests. What it does is its calls' data.
type note struct {
	Nonce uint64 `json:"nonce"`
	Does  string `json:"does"`
}

// paying is a Safe transaction that pays p, until a time unless that is zero.
func paying(p *payment.Payment, nonce uint64, by time.Time) note {
	n := note{Nonce: nonce, Does: "0 " + p.Terms.Requests[0].Topic}
	if !by.IsZero() {
		n.Does = fmt.Sprint(by.Unix(), " ", p.Terms.Requests[0].Topic)
	}
	return n
}

func (n note) json() []byte {
	b, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	return b
}

func (n note) hash(chain asset.ChainID, safe asset.Address) string {
	return fmt.Sprintf("0x%x", sha256.Sum256(fmt.Appendf(nil, "%d %s %d %s", chain, safe, n.Nonce, n.Does)))
}

func (v *vault) Read(chain asset.ChainID, account asset.Address, hash string, tx []byte) (checkout.SafeTx, error) {
	var n note
	if json.Unmarshal(tx, &n) != nil {
		return checkout.SafeTx{}, fault.Field("safeTx", "safe_tx_invalid", "It cannot be read.")
	}
	if n.hash(chain, account) != hash {
		return checkout.SafeTx{}, fault.Field("safeTx", "safe_hash", "The hash is another's.")
	}
	var calls []rail.Call
	for _, does := range strings.Split(n.Does, "; ") {
		calls = append(calls, rail.Call{Data: []byte(does)})
	}
	return checkout.SafeTx{Nonce: n.Nonce, Calls: calls, JSON: n.json()}, nil
}

// sign is an owner's signature.
func sign(owner asset.Address, hash string) []byte { return []byte(owner.String() + hash) }

func (v *vault) Signers(hash string, signatures [][]byte) (out []asset.Address) {
	for _, s := range signatures {
		if a, err := asset.ParseAddress(string(s[:min(len(s), 42)])); err == nil && string(s) == string(sign(a, hash)) {
			out = append(out, a)
		}
	}
	return out
}

func (v *vault) Ask(_ context.Context, _ asset.ChainID, hash string) (*checkout.SafeNews, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asks++
	if v.mute != nil {
		return nil, v.mute
	}
	if news, ok := v.service[hash]; ok {
		copied := *news
		return &copied, nil
	}
	return nil, nil
}

func (v *vault) Look(ctx context.Context, chain asset.ChainID, among []asset.Address, hash string, nonce *uint64, from uint64) (checkout.SafeSight, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.looks++
	if v.dead != nil {
		return checkout.SafeSight{}, v.dead
	}
	to := v.final
	if v.perLook > 0 {
		to = min(to, int(from)+v.perLook-1)
	}
	sight := checkout.SafeSight{SafeOutcome: checkout.SafeOutcome{Fate: checkout.SafeWaiting}, Next: max(from, uint64(to)+1), More: to < v.final}
	if to >= int(from) {
		sight.Time = block(to, 0).Time
	}
	for _, e := range v.done {
		if e.block < int(from) || e.chain != chain || !slices.Contains(among, e.safe) {
			continue
		}
		o := e.outcome(hash, v.final)
		if o.Fate == checkout.SafeReplaced && (nonce == nil || e.nonce != *nonce || len(among) > 1) {
			continue
		}
		switch {
		case e.block <= to && sight.Fate == checkout.SafeWaiting:
			sight.SafeOutcome = o
		case e.block > v.final && e.block <= v.head && !sight.More:
			sight.Ahead = &o
		}
	}
	if m := v.safes[chain][among[0]]; len(among) == 1 && m != nil {
		current := m.Nonce
		sight.Nonce, sight.Owners, sight.Threshold = &current, slices.Clone(m.Owners), m.Threshold
	}
	if v.lie != nil {
		v.lie(&sight)
	}
	return sight, ctx.Err()
}

func (e execution) outcome(hash string, final int) checkout.SafeOutcome {
	o := checkout.SafeOutcome{Fate: checkout.SafeReplaced, Account: e.safe, Tx: e.tx, At: block(e.block, 0).Time, Final: e.block <= final}
	switch {
	case e.hash != hash:
	case e.ok:
		o.Fate = checkout.SafeExecuted
	default:
		o.Fate = checkout.SafeFailed
	}
	return o
}

func (v *vault) Outcome(_ context.Context, chain asset.ChainID, among []asset.Address, hash, tx string) (*checkout.SafeOutcome, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.done {
		if e.tx == tx && e.hash == hash && e.chain == chain && slices.Contains(among, e.safe) {
			o := e.outcome(hash, v.final)
			return &o, v.dead
		}
	}
	return nil, v.dead
}

func (v *vault) Sent(_ context.Context, _ asset.ChainID, tx string) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sent[tx], v.dead
}

// executes has a Safe execute a transaction in a block, which is the new head.
func (v *vault) executes(chain asset.ChainID, safe asset.Address, hash string, nonce uint64, ok bool, n int) (tx string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.head = max(v.head, n)
	if m := v.safes[chain][safe]; m != nil {
		m.Nonce = nonce + 1
	}
	tx = fmt.Sprintf("0x%064x", 1_000_000+len(v.done))
	v.done = append(v.done, execution{chain, safe, hash, nonce, ok, n, tx})
	return tx
}

// mined has the chains reach a block, and makes all that is there final.
func (v *vault) mined(n int) {
	v.set(func() { v.head, v.final = max(v.head, n), max(v.final, n) })
}

var errSilent = errors.New("nobody answers")

// safeWorld is a world with Safes and bridges.
func safeWorld(t testing.TB) *world {
	t.Helper()
	return safeWorldOn(t, "sqlite:"+t.TempDir()+"/test.db")
}

func safeWorldOn(t testing.TB, dsn string) *world {
	t.Helper()
	w := worldOn(t, dsn)
	w.span = &span{proof: seeing(payment.Sent), news: rail.News{Progress: payment.Sent}}
	w.vault = newVault()
	w.at = block(noBlock, 0).Time
	w.restart()
	must(t, w.sweep(noBlock, block(noBlock, 0)))
	return w
}

// until lets the time and the vault's chains reach a block.
func (w *world) until(n int) {
	w.mu.Lock()
	w.at = block(n, 0).Time
	w.mu.Unlock()
	w.vault.mined(n)
}

// proposal is what a test announces, and how.
type proposal struct {
	world *world
	p     *payment.Payment
	note  note
	full  bool // tell the transaction
	keys  []asset.Address
	checkout.SafeIntent
}

// proposes makes an intent for a transaction of box that pays p, with all there is
// to know: the transaction, an owner's signature, and the merchant's own word.
func (w *world) proposes(p *payment.Payment, change ...func(*proposal)) *proposal {
	r := &proposal{world: w, p: p, note: paying(p, 7, time.Time{})}
	r.Chain, r.Safe, r.Vouched = base, box, true
	for _, f := range change {
		f(r)
	}
	if r.Hash == "" {
		r.Hash = r.note.hash(r.Chain, box)
	}
	if r.full {
		r.Tx = r.note.json()
	}
	for _, key := range r.keys {
		r.Signatures = append(r.Signatures, sign(key, r.Hash))
	}
	return r
}

func anonymous(r *proposal) { r.Vouched = false }
func proves(r *proposal)    { r.full = true }
func across(r *proposal)    { r.Chain = arbitrum }
func bySigned(r *proposal)  { r.keys = append(r.keys, keyOne) } // by an owner

func by(at time.Time) func(*proposal) { return func(r *proposal) { r.Deadline = at } }

func (r *proposal) try() (payment.Attempt, error) {
	ctx := r.world.t.Context()
	a, err := r.world.CheckSafe(ctx, r.p, r.SafeIntent)
	if err != nil {
		return a, err
	}
	return r.world.AnnounceSafe(ctx, r.p.ID, a)
}

func (r *proposal) announce() (payment.Attempt, string) {
	r.world.t.Helper()
	a, err := r.try()
	must(r.world.t, err)
	return a, checkout.Follow{Payment: r.p.ID, Key: a.Key}.Args()
}

func (w *world) trackSafe(args string) time.Time {
	w.t.Helper()
	again, err := w.TrackSafe(w.t.Context(), args)
	must(w.t, err)
	return again
}

// stands checks a payment's state and whether a Safe transaction locks it.
func (w *world) stands(p *payment.Payment, state payment.State, locked bool) {
	w.t.Helper()
	got := w.load(p.ID)
	if got.Standing.State != state {
		w.t.Errorf("the payment is %s, want %s", got.Standing.State, state)
	}
	_, is := got.SafeLock(w.now())
	code := ""
	if f := fault.From(w.Payable(got)); f != nil {
		code = f.Code
	}
	if is != locked || (code == checkout.CodeSafePending) != (locked && state == payment.Open) {
		w.t.Errorf("locked: %t, want %t; payable says %q", is, locked, code)
	}
}

// ends checks how the only Safe attempt stands.
func (w *world) ends(p *payment.Payment, stage payment.AttemptStage, reason string) payment.Attempt {
	w.t.Helper()
	var of []payment.Attempt
	for _, a := range w.load(p.ID).Attempts {
		if a.Safe != nil {
			of = append(of, a)
		}
	}
	if len(of) != 1 {
		w.t.Fatalf("%d Safe transactions", len(of))
	}
	if of[0].Stage != stage || of[0].Reason != reason {
		w.t.Errorf("the attempt is %s %q, want %s %q", of[0].Stage, of[0].Reason, stage, reason)
	}
	return of[0]
}

// pays is the money of a Safe's transaction, in a block of the payment's chain.
func (w *world) pays(p *payment.Payment, safe asset.Address, tx string, units int64, n int) rail.Sighting {
	x := w.sighting(p, 1, 0, units, block(n, 0))
	x.Key, x.Evidence.Tx, x.Evidence.Payer = fmt.Sprintf("evmref:%d:%s:0", base, tx), tx, safe.String()
	return x
}

// scan has the watcher of the payment's chain reach a block that holds sightings.
func (w *world) scan(n int, xs ...rail.Sighting) {
	w.t.Helper()
	c, err := w.Cursor(w.t.Context(), base)
	must(w.t, err)
	must(w.t, w.sweep(int(c.Blocks[0].Number)+1, block(n, 0), xs...))
}

// settle makes the money of a block final.
func (w *world) settle(n int) {
	w.t.Helper()
	must(w.t, w.Finalize(w.t.Context(), base, []checkout.Block{block(n, 0)}))
}
