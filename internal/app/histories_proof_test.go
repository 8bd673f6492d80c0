package app

import (
	"context"
	"flag"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/rail/deposit/deposittest"
)

// coursePayee gets what is paid through the proxies.
var coursePayee = asset.Address{0: 0x74, 19: 0x4e}

// owe makes a payment of any kind: one request or several, in the token or in native
// currency, or one to an address of its own.
func (c *course) owe() {
	i := c.rnd.IntN(len(c.servers))
	d := checkout.Draft{Merchant: historyShop, Dialect: "request", Window: time.Duration(1+c.rnd.IntN(10)) * time.Minute}
	token, _ := c.book.Token([]asset.ID{historyUSDC, historyETH}[c.rnd.IntN(2)])
	if fiat := c.mixed && c.rnd.IntN(3) == 0; fiat {
		c.nonce++
		d.Dialect, d.Alias, d.Exact = "spacepay", fmt.Sprint("alias ", c.nonce), true
		d.Requests = []checkout.DraftRequest{{Fiat: asset.USD, Amount: money.Cents(1 + c.rnd.Int64N(300))}}
	} else {
		for range []int{1, 1, 2, 3}[c.rnd.IntN(4)] {
			d.Requests = append(d.Requests, checkout.DraftRequest{Payee: coursePayee, Token: token, Amount: big.NewInt(1 + c.rnd.Int64N(1000))})
		}
	}
	var made payment.ID
	_, _, err := c.servers[i].service.Create(c.ctx, d, nil, func(p *payment.Payment) (checkout.Answer, error) {
		made = p.ID
		return checkout.Answer{Status: 201}, nil
	})
	if c.servers[i].dying.dead.Load() { // perhaps it was made: whoever asked never heard of it
		if _, gone := c.servers[i].db.Payment(c.ctx, made); fault.Is(gone, fault.NotFound) {
			return
		}
	} else {
		c.must(err)
	}
	c.owed = append(c.owed, made)
	c.say("owe %d of %s at block %d", len(d.Requests), token.ID, c.chain.head().Number)
}

func (c *course) load(id payment.ID) *payment.Payment {
	c.t.Helper()
	p, err := c.servers[0].db.Payment(c.ctx, id)
	c.must(err)
	return p
}

// transactions are some that pay what is owed: some of them too much, too little, twice, to
// the wrong account or in the wrong asset; several requests at once or one.
func (c *course) transactions() (b minedBlock) {
	for range c.rnd.IntN(3) {
		if len(c.ops) > 0 && c.rnd.IntN(3) == 0 {
			c.bundle(&b)
			continue
		}
		p := c.load(c.owed[c.rnd.IntN(len(c.owed))])
		if r := p.Terms.Requests[0]; r.Fiat() {
			c.deposit(&b, r.Payee)
			continue
		}
		c.nonce++
		tx := payTx{hash: deposittest.Digest("paid", c.seed, c.nonce)}
		for _, r := range p.Terms.Requests {
			if c.rnd.IntN(4) > 0 {
				tx.events = append(tx.events, c.pays(r))
			}
		}
		b.paid = append(b.paid, tx)
	}
	return b
}

func (c *course) pays(r payment.Request) proxyEvent {
	token, _ := c.book.Token(r.Asset)
	e := proxyEvent{topic: r.Topic, token: token.Address, to: r.Payee, amount: r.Due.Int64()}
	if token.Native {
		e.token = asset.Address{}
	}
	switch c.rnd.IntN(12) {
	case 0:
		e.amount = 1 + e.amount/2
	case 1:
		e.amount *= 2
	case 2:
		e.amount = 0
	case 3:
		e.to = asset.Address{19: 0x66}
	case 4:
		if e.token.IsZero() {
			e.token = c.chain.token
		} else {
			e.token = asset.Address{}
		}
	}
	return e
}

// deposit sends something to an address.
func (c *course) deposit(b *minedBlock, to asset.Address) {
	c.nonce++
	amount := 1 + c.rnd.Int64N(1000)
	tx := deposittest.Tx{Hash: deposittest.Digest("sent", c.seed, c.nonce), From: deposittest.Sender, To: to, Fee: 3}
	switch c.rnd.IntN(5) {
	case 0, 1:
		b.moved = append(b.moved, deposittest.Inner{To: to, Amount: amount})
		return
	case 2, 3:
		tx.Value = amount
	case 4: // a contract sends, and nothing names the address
		tx.To, tx.Inner = asset.Address{19: 0x99}, []deposittest.Inner{{To: to, Amount: amount}}
	}
	b.plain = append(b.plain, tx)
}

// reorg replaces some of the newest blocks. What was in them comes back in another block, in
// another order, with other amounts, or not at all; the new chain may be shorter at first.
func (c *course) reorg() {
	head := c.chain.head().Number
	final := c.chain.final(c.depth)
	if head <= final+1 {
		return
	}
	depth := 1 + c.rnd.IntN(int(min(head-final-1, c.depth-1)))
	c.say("reorg of %d below block %d", depth, head)
	length := max(1, depth-1+c.rnd.IntN(4))
	fresh := make([]minedBlock, length)
	for i := range fresh {
		if c.rnd.IntN(3) == 0 {
			fresh[i] = c.transactions()
		}
	}
	c.chain.reorg(depth, func(gone []payTx, plain []deposittest.Tx) []minedBlock {
		c.again(fresh, gone)
		for _, tx := range plain {
			if c.rnd.IntN(2) == 0 {
				i := c.rnd.IntN(length)
				fresh[i].plain = append(fresh[i].plain, tx)
			}
		}
		return fresh
	})
}

// again puts transactions that were dropped into new blocks, and keeps some for later ones.
func (c *course) again(fresh []minedBlock, gone []payTx) {
	if c.rnd.IntN(2) == 0 {
		c.rnd.Shuffle(len(gone), func(i, j int) { gone[i], gone[j] = gone[j], gone[i] })
	}
	for _, tx := range gone {
		tx.events = slices.Clone(tx.events)
		switch c.rnd.IntN(5) {
		case 0:
			continue // never
		case 1:
			c.waiting = append(c.waiting, tx)
			continue
		case 2: // it does something else where the chain is another
			for i := range tx.events {
				tx.events[i].amount = 1 + tx.events[i].amount/2
			}
		}
		i := c.rnd.IntN(len(fresh))
		fresh[i].paid = append(fresh[i].paid, tx)
	}
}

// mine adds a block, sometimes with what was dropped earlier.
func (c *course) mine() {
	b := c.transactions()
	if c.rnd.IntN(2) == 0 {
		b.paid, c.waiting = append(b.paid, c.waiting...), nil
	}
	c.chain.mine(b)
}

func (c *course) step() {
	i := c.rnd.IntN(len(c.servers))
	switch c.rnd.IntN(17) {
	case 0, 1, 2, 3, 4:
		c.mine()
	case 5, 6, 7:
		c.reorg()
	case 8:
		c.owe()
	case 9:
		c.say("kill %d", i)
		c.restart(i)
	case 10, 11:
		c.say("let %d die", i)
		c.servers[i].dying.late.Store(c.rnd.IntN(2) == 0)
		c.servers[i].dying.in.Store(1 + c.rnd.Int64N(3))
	case 12:
		c.chain.refuse(1 + c.rnd.IntN(3))
	case 13:
		c.cancel(i)
	case 14:
		c.work(i)
	case 15:
		for c.mixed && c.rnd.IntN(4) > 0 {
			c.owe()
			c.operate(i)
		}
	default:
		c.settle(false)
	}
}

// cancel calls a payment off, unless it is on its way.
func (c *course) cancel(i int) {
	err := c.servers[i].service.Cancel(c.ctx, historyShop, c.owed[c.rnd.IntN(len(c.owed))])
	if !c.servers[i].dying.dead.Load() && !fault.Is(err, fault.Conflict) {
		c.must(err)
	}
}

// revive starts anew what has died.
func (c *course) revive() {
	for i, s := range c.servers {
		s.dying.in.Store(0)
		if s.dying.dead.Load() {
			c.restart(i)
		}
	}
}

// coursePatience is how long servers have to find what a chain says. They take milliseconds.
const coursePatience = 30 * time.Second

// settle lets the servers read the chain to its head and compares what they make of it with
// the chain as it is. In the end all of it is there; before, what no log tells of, native
// currency that a contract sent to an address, may have to wait for the address's turn.
func (c *course) settle(end bool) {
	c.t.Helper()
	c.revive()
	c.chain.mine(make([]minedBlock, 1+c.chain.behind())...)
	deadline := time.Now().Add(coursePatience)
	for {
		why := c.differs(end)
		if why == "" {
			why = c.misjudged()
		}
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			c.fatal("%s, head %d", why, c.chain.head().Number)
		}
		time.Sleep(courseInterval / 2)
	}
}

// misjudged says which payment is in another state than what it has been credited makes of
// it, "" if none is. A server that is slow to notice a reorganisation may be taking back what
// another has read again already, so that it can take more than one look.
func (c *course) misjudged() string {
	c.t.Helper()
	_, err := c.servers[c.rnd.IntN(len(c.servers))].service.ExpireOverdue(c.ctx)
	c.must(err)
	now := c.chain.now()
	for _, id := range c.owed {
		if why := c.judge(c.load(id), now); why != "" {
			return why
		}
	}
	return ""
}

// differs says what is not yet as the chain has it, "" if nothing is.
func (c *course) differs(end bool) string {
	head := c.chain.head()
	cur, err := c.servers[0].db.Cursor(c.ctx, historyChain)
	c.must(err)
	if len(cur.Blocks) == 0 || cur.Blocks[0].Hash != head.Hash {
		return fmt.Sprintf("read up to %+v", cur.Blocks)
	}
	events, final := c.chain.events(), c.chain.final(c.depth)
	for _, id := range c.owed {
		p := c.load(id)
		if p.Terms.Requests[0].Fiat() {
			if why := c.differsDeposit(p, end); why != "" {
				return why
			}
			continue
		}
		want, got := map[string]string{}, map[string]string{}
		for _, r := range p.Terms.Requests {
			for _, e := range c.counts(events, r) {
				want[e.key(r)] = fmt.Sprint(e.amount, e.block.Hash, e.block.Time, e.block.Number <= final)
			}
		}
		for _, x := range p.Transfers {
			if x.Stage != payment.Dropped {
				key := fmt.Sprint(x.Request, x.Evidence.Tx, x.Evidence.LogIndex)
				if _, twice := got[key]; twice {
					return "credited twice: " + key
				}
				got[key] = fmt.Sprint(x.Amount, x.Evidence.BlockHash, x.At, x.Stage == payment.Final)
			}
		}
		if a, b := fmt.Sprint(got), fmt.Sprint(want); a != b {
			return fmt.Sprintf("%s is credited\n%s, and the chain has\n%s", id, a, b)
		}
		if end {
			if why := c.differsOps(p); why != "" {
				return why
			}
		}
	}
	return ""
}

func (e placed) key(r payment.Request) string { return fmt.Sprint(r.Index, e.tx, e.index) }

// counts are the events that pay a request, by what everybody can read in the protocol.
func (c *course) counts(events map[string][]placed, r payment.Request) (out []placed) {
	for _, e := range events[r.Topic] {
		native := r.Asset == historyETH
		if e.to == r.Payee && e.amount > 0 && native == e.token.IsZero() {
			out = append(out, e)
		}
	}
	return out
}

// tooEarly is how much older than a payment a block may be that pays it.
const tooEarly = 2 * time.Minute

func (c *course) differsDeposit(p *payment.Payment, end bool) string {
	// A reorganisation may bring what was sent into a block that is older than the payment.
	// What is too early is kept for a person, and pays nothing.
	wei, tokens := c.chain.truth(p.Terms.Requests[0].Payee, p.Terms.CreatedAt.Add(-tooEarly))
	got := map[asset.ID]int64{}
	for _, x := range p.Transfers {
		if x.Stage == payment.Dropped {
			continue
		}
		got[x.Asset] += x.Amount.Int64()
		if end && (x.Stage != payment.Final || !x.Priced()) {
			return fmt.Sprintf("%s of %s is %s and worth %s", x.Key, p.ID, x.Stage, x.Credit)
		}
	}
	if got[historyUSDC] != tokens || got[historyETH] > wei || end && got[historyETH] != wei {
		return fmt.Sprintf("%s is credited %v, and got %d and %d", p.ID, got, wei, tokens)
	}
	return ""
}

// judge holds a payment's stored state against what its requests have, added up here.
func (c *course) judge(p *payment.Payment, now time.Time) (why string) {
	c.t.Helper()
	end := p.Terms.ExpiresAt
	if at := p.Terms.CanceledAt; !at.IsZero() && at.Before(end) {
		end = at
	}
	end = end.Add(p.Terms.Grace)
	worst := payment.Paid
	for _, r := range p.Terms.Requests {
		final, all := new(big.Int), new(big.Int)
		for _, x := range p.Transfers {
			if x.Request != r.Index || x.Stage == payment.Dropped || x.At.After(end) {
				continue
			}
			all.Add(all, x.Credit)
			if x.Stage == payment.Final {
				final.Add(final, x.Credit)
			}
		}
		switch {
		case final.Cmp(r.Due) >= 0:
		case all.Cmp(r.Due) >= 0:
			if worst == payment.Paid {
				worst = payment.Seen
			}
		default:
			worst = payment.Open
		}
	}
	switch {
	case worst != payment.Open:
	case !p.Terms.CanceledAt.IsZero():
		worst = payment.Canceled
	case now.After(p.Terms.ExpiresAt):
		worst = payment.Expired
	}
	if c.paid[p.ID] && p.Standing.State != payment.Paid {
		c.fatal("%s was paid and is %s", p.ID, p.Standing.State)
	}
	c.paid[p.ID] = p.Standing.State == payment.Paid
	if p.Standing.State != worst {
		return fmt.Sprintf("%s is %s and should be %s: %+v", p.ID, p.Standing.State, worst, p.Transfers)
	}
	return ""
}

// told holds the log, which is what merchants hear, against what is: each request is told to
// be paid once, and all money that is there for good exactly once.
func (c *course) told(p *payment.Payment) {
	c.t.Helper()
	log, err := c.servers[0].db.Events(c.ctx, p.ID)
	c.must(err)
	paid, settled, pending := map[int]int{}, map[string]int{}, map[string]bool{}
	for _, e := range log {
		if e.Transfer == nil {
			continue
		}
		switch key := e.Transfer.Key; e.Kind {
		case payment.EventSeen:
			pending[key] = true
		case payment.EventReorged:
			if !pending[key] {
				c.fatal("%s of %s is taken back and was never told of", key, p.ID)
			}
			delete(pending, key)
		case payment.EventPaid:
			paid[e.Request]++
			settled[key]++
		case payment.EventPartial, payment.EventSurplus, payment.EventLate:
			settled[key]++
		}
	}
	for _, r := range p.Standing.Requests {
		if r.State == payment.Paid && len(paid) == 0 {
			c.fatal("%s is paid, and nobody was told", p.ID)
		}
	}
	for _, x := range p.Transfers {
		if want := map[bool]int{true: 1}[x.Stage == payment.Final]; settled[x.Key] != want && x.Credit.Sign() > 0 {
			c.fatal("%s of %s is %s and was told %d times", x.Key, p.ID, x.Stage, settled[x.Key])
		}
	}
	for i, n := range paid {
		if n > 1 {
			c.fatal("request %d of %s was told to be paid %d times", i, p.ID, n)
		}
	}
}

// end lets everything be found, priced and final.
func (c *course) end() {
	c.t.Helper()
	c.settle(false)
	more := c.depth
	if c.mixed { // a server that was restarted reads who is watched with the next block
		more += 2 + 2*c.servers[0].watched.RoundLength(historyChain)
	}
	for range more {
		c.chain.mine(minedBlock{})
	}
	if c.mixed {
		c.settle(false)
		for range 60 { // until jobs that wait are due
			c.chain.mine(minedBlock{})
			c.work(0)
		}
	}
	c.settle(true)
	for _, id := range c.owed {
		c.told(c.load(id))
	}
}

// run lets a history happen.
func (c *course) run(servers int) {
	defer func() {
		for _, s := range c.servers {
			s.stop()
		}
	}()
	for range servers {
		c.servers = append(c.servers, c.start())
	}
	c.owe()
	if c.mixed {
		c.owe()
		c.operate(0)
	}
	for range 1 + c.rnd.IntN(40) {
		c.step()
	}
	c.end()
}

// courses is how many histories are tried, and the seed of the first: as -rapid.checks and
// -rapid.seed say, so that there is one word for all proofs.
func courses(t *testing.T, few int) (n int, seed uint64) {
	t.Helper()
	n, seed = few, uint64(time.Now().UnixNano())
	if f := flag.Lookup("rapid.checks"); f.Value.String() != f.DefValue {
		said, err := strconv.Atoi(f.Value.String())
		if err != nil {
			t.Fatal(err)
		}
		n = said
	}
	if f := flag.Lookup("rapid.seed"); f.Value.String() != f.DefValue {
		said, err := strconv.ParseUint(f.Value.String(), 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = said
	}
	return n, seed
}

// What is credited is what the chain, as it is, says: through the real scanner, client, sink,
// checkout and database, while blocks are replaced, nodes refuse, servers are killed or die
// at a write, and two of them read the same chain. -rapid.checks=10000 tries ten thousand
// histories; a failure names its seed, and -rapid.seed with -rapid.checks=1 repeats it.
func TestHistoriesOfProxies(t *testing.T) { overCourses(t, false) }

// The same with payments to deposit addresses and by operations without gas among the others,
// with the real looks for what became of an operation: executed, failed, or another of its
// account in its place, in this block or in another, later or never.
func TestHistoriesOfAllRails(t *testing.T) { overCourses(t, true) }

func overCourses(t *testing.T, mixed bool) {
	raw, book := template(t)
	dir := t.TempDir()
	n, first := courses(t, 8)
	for i := range n {
		seed := first + uint64(i)
		file := filepath.Join(dir, fmt.Sprint(i, ".db"))
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		c := newCourse(t, seed, book, "sqlite:"+file, mixed)
		c.run(1 + c.rnd.IntN(2))
		for _, more := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(file + more) // it is in a temporary directory
		}
	}
}

func newCourse(t testing.TB, seed uint64, book *asset.Book, dsn string, mixed bool) *course {
	c := &course{
		t: t, ctx: context.WithoutCancel(t.Context()), rnd: rand.New(rand.NewPCG(seed, 1)), seed: seed, chain: newCourseChain(book), book: book, dsn: dsn,
		mixed: mixed, paid: map[payment.ID]bool{},
	}
	c.depth = []uint64{2, 3, 6, 12, 65}[c.rnd.IntN(5)]
	c.longest = []uint64{0, 200, 2, 5}[c.rnd.IntN(4)]
	return c
}

// Two servers on PostgreSQL, each time on a database of their own.
func TestHistoriesOnPostgres(t *testing.T) {
	_, book := template(t)
	n, first := courses(t, 3)
	for i := range n {
		t.Run(fmt.Sprint(first+uint64(i)), func(t *testing.T) {
			dsn := pgtest.DSN(t)
			stocked(t, dsn)
			c := newCourse(t, first+uint64(i), book, dsn, i%2 == 1)
			c.run(2)
		})
	}
}
