//go:build linux

package chaostest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	_ "modernc.org/sqlite" // registers the driver
)

// settlePatience is how long it may take after the last fault until all is told: refused
// webhooks wait, longer each time, and clocks that ran ahead have put jobs off.
const settlePatience = 6 * time.Minute

// settle waits until the server knows and has told what the book has, and fails if that
// does not come about.
func (s *Suite) settle(round uint64, all bool) {
	s.tally.phase("the oracle's looks", func() { s.look(round, all) })
}

func (s *Suite) look(round uint64, all bool) {
	begun := time.Now()
	r := rand.New(rand.NewPCG(s.c.Seed, 7000+round))
	var wrong []string
	for {
		looked := time.Now()
		if wrong = s.judge(); len(wrong) == 0 {
			break
		}
		if time.Since(begun) > settlePatience {
			for _, w := range wrong[:min(len(wrong), 20)] {
				s.fail("after round %d: %s", round, w)
			}
			s.fail("after round %d: %d things are wrong", round, len(wrong))
			return
		}
		// It reads all there is, and must not be what everything else waits for.
		pause(context.Background(), max(500*time.Millisecond, 3*time.Since(looked)))
	}
	s.tally.settled(time.Since(begun))
	s.note("round %d: all is well after %v", round, time.Since(begun).Round(time.Millisecond))
	orders := s.book.all()
	r.Shuffle(len(orders), func(i, j int) { orders[i], orders[j] = orders[j], orders[i] })
	most := 100
	if all {
		most = 1000
	}
	for _, o := range orders[:min(len(orders), most)] {
		s.repeat(context.Background(), r, o)
		s.same(o)
	}
	if more := s.judge(); len(more) > 0 {
		s.fail("repeating creations changed something: %s", more[0])
	}
}

// same asks every node where a payment stands: all must say the same.
func (s *Suite) same(o *order) {
	path, h := "/checkout/"+o.id+"/status", http.Header(nil)
	switch o.shop.dialect {
	case spacepay:
		path, h = "/v1/external/secretkey-auth/payments/"+o.id, o.shop.header()
	case secpaid:
		return // its lists are searched: see judge
	case request:
	}
	first := ""
	for _, n := range s.nodes {
		status, answer := s.call(context.Background(), n, http.MethodGet, path, "", h)
		if status != http.StatusOK {
			s.fail("%s: %s answers %d %s", o.key, n.name, status, answer)
			return
		}
		if first == "" {
			first = stateOf(answer)
		}
		if told := stateOf(answer); told != first {
			s.fail("%s: one node says %s, %s says %s", o.key, first, n.name, told)
		}
	}
}

// stateOf reads a payment's state out of an answer, whichever dialect's it is.
func stateOf(answer []byte) string {
	var v struct{ State, Status string }
	if json.Unmarshal(answer, &v) != nil {
		return ""
	}
	return v.State + v.Status
}

// kept is a payment as the database has it.
type kept struct {
	id, state, name string
	transfers       []transfer
	events          map[string]int // by kind
	messages        map[string]int // deliveries by the event's kind
	untold          []string       // what is wrong with its deliveries
}

type transfer struct {
	tx, stage, rail string
	amount          *big.Int
}

// judge compares what the database and the receivers have with the book and the chain, and
// says what is wrong.
func (s *Suite) judge() (wrong []string) {
	found, err := s.load()
	if err != nil {
		return []string{err.Error()}
	}
	wrong = s.hooks.problems()
	orders := s.book.all()
	for _, o := range orders {
		name := o.shop.id + " " + o.key
		list := found.payments[name]
		if len(list) != 1 {
			wrong = append(wrong, fmt.Sprintf("%s has %d payments, want 1", o.key, len(list)))
			continue
		}
		wrong = append(wrong, o.compare(list[0], s.mined)...)
	}
	if found.count != len(orders) {
		wrong = append(wrong, fmt.Sprintf("the database has %d payments, and shops know %d", found.count, len(orders)))
	}
	if found.orphans > 0 {
		wrong = append(wrong, fmt.Sprintf("%d transfers were given to nobody", found.orphans))
	}
	if found.buried > 0 {
		wrong = append(wrong, fmt.Sprintf("%d jobs were given up", found.buried))
	}
	return wrong
}

// mined reports whether a transaction is on the chain and did what it was to do.
func (s *Suite) mined(tx string) bool {
	r := s.c.Chain.Receipt(tx)
	return r != nil && r.Status == 1
}

// compare says in what a kept payment differs from what its shop and payer know.
func (o *order) compare(k *kept, mined func(tx string) bool) (wrong []string) {
	say := func(format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s (%s): ", o.key, k.id)+fmt.Sprintf(format, args...))
	}
	if o.id != k.id && o.id != k.name {
		say("its shop knows it as %s", o.id)
	}
	want, got := map[string]string{}, map[string]string{}
	bank := new(big.Int)
	for _, x := range o.sent {
		if mined(x.tx) {
			want[x.tx] = x.amount.String()
		}
	}
	for _, x := range k.transfers {
		if x.rail == "sepa" {
			bank.Add(bank, x.amount)
			continue
		}
		if got[x.tx] != "" {
			say("%s was credited twice", x.tx)
		}
		got[x.tx] = x.amount.String()
		if x.stage != "final" {
			say("%s is %s", x.tx, x.stage)
		}
	}
	for tx, amount := range want {
		if got[tx] != amount {
			say("%s of %s was credited as %q", tx, amount, got[tx])
		}
	}
	for tx := range got {
		if want[tx] == "" {
			say("%s was credited, and nobody sent it", tx)
		}
	}
	if due := big.NewInt(o.cents2); o.shop.dialect == secpaid && !sameCents(bank, due) {
		say("%s came by bank, and %d cents were confirmed", bank, o.cents2)
	}
	o.compareState(k, len(want), say)
	return wrong
}

// sameCents compares an inner amount of euros with cents.
func sameCents(inner, cents *big.Int) bool {
	if cents.Sign() == 0 || inner.Sign() == 0 {
		return cents.Sign() == inner.Sign()
	}
	whole, rest := new(big.Int).QuoRem(inner, cents, new(big.Int))
	text := whole.String()
	return rest.Sign() == 0 && strings.Trim(text, "0") == "1" // a power of ten
}

// compareState judges state, log and webhooks.
func (o *order) compareState(k *kept, arrived int, say func(string, ...any)) {
	state := "open"
	switch {
	case o.plan == late && k.state == "paid":
		state = "paid" // it was called off by a clock that ran ahead: the money was not late
	case o.plan == late && arrived > 0:
		state = "canceled"
	case (o.plan == byBank || o.plan == byStatement) && o.cents2 == o.cents, o.plan == partThenRest && arrived == 2, o.plan == exact && arrived == 1, o.plan == double && arrived > 0:
		state = "paid"
	case o.plan == late:
		state = k.state // it may have been called off, or not
	}
	if k.state != state {
		say("it is %s, want %s", k.state, state)
	}
	expected := map[string]int{}
	if state == "paid" {
		expected["paid"] = 1
	}
	if o.plan == double && arrived == 2 {
		expected["paid"] = max(1, k.events["paid"]) // both may have become final at once
	}
	if state == "canceled" {
		expected["late"] = arrived
	}
	for _, kind := range []string{"paid", "late"} {
		if k.events[kind] != expected[kind] {
			say("its log has %d times %s, want %d", k.events[kind], kind, expected[kind])
		}
	}
	for _, kind := range []string{"paid", "partial", "surplus", "late"} {
		if o.shop.dialect == secpaid && kind != "paid" {
			continue // that API tells of nothing else
		}
		if k.events[kind] > 0 && k.messages[kind] < k.events[kind] {
			say("%d events %s, and %d webhooks of them", k.events[kind], kind, k.messages[kind])
		}
	}
	for _, u := range k.untold {
		say("%s", u)
	}
}

// records is what the database has.
type records struct {
	payments               map[string][]*kept // by merchant and the shop's reference
	count, orphans, buried int
}

// open opens the database, past the program.
func (s *Suite) open() (*sql.DB, error) {
	if path, is := strings.CutPrefix(s.dsn, "sqlite:"); is {
		return sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=query_only(1)")
	}
	return sql.Open("pgx", s.dsn)
}

// load reads the database as it is.
func (s *Suite) load() (*records, error) {
	db, err := s.open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// One moment of it, so that what is compared belongs together.
	tx, err := db.BeginTx(ctx, s.glance())
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	return s.read(ctx, tx)
}

// glance is how all that is read in a transaction belongs to one moment.
func (s *Suite) glance() *sql.TxOptions {
	if s.pg == nil {
		return &sql.TxOptions{}
	}
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (s *Suite) read(ctx context.Context, tx *sql.Tx) (*records, error) {
	all := &records{payments: map[string][]*kept{}}
	byID := map[string]*kept{}
	err := rows(ctx, tx, `SELECT id, merchant, reference, alias, state, metadata FROM payments`, 6, func(v []string) {
		k := &kept{id: v[0], name: v[3], state: v[4], events: map[string]int{}, messages: map[string]int{}}
		byID[k.id] = k
		name := v[1] + " " + referenceOf(v[2], v[5])
		all.payments[name] = append(all.payments[name], k)
		all.count++
	})
	if err != nil {
		return nil, err
	}
	var lost error
	find := func(id string) *kept {
		k := byID[id]
		if k == nil {
			lost = fmt.Errorf("there is no payment %s", id)
			return &kept{events: map[string]int{}, messages: map[string]int{}}
		}
		return k
	}
	err = rows(ctx, tx, `SELECT payment, tx, amount, stage, rail FROM transfers ORDER BY key`, 5, func(v []string) {
		k := find(v[0])
		k.transfers = append(k.transfers, transfer{tx: strings.ToLower(v[1]), amount: integer(v[2]), stage: v[3], rail: v[4]})
	})
	kinds := map[string]string{}
	if err == nil {
		err = rows(ctx, tx, `SELECT id, payment, kind FROM events`, 3, func(v []string) {
			kinds[v[0]] = v[2]
			find(v[1]).events[v[2]]++
		})
	}
	if err == nil {
		err = s.messages(ctx, tx, func(payment, event, why string) {
			k := find(payment)
			k.messages[kinds[event]]++
			if why != "" {
				k.untold = append(k.untold, why)
			}
		})
	}
	if err == nil {
		err = tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM orphans), (SELECT COUNT(*) FROM jobs WHERE state = 'buried')`).Scan(&all.orphans, &all.buried)
	}
	if err == nil {
		err = lost
	}
	return all, err
}

// messages reads all webhooks, and says of each what is wrong with it.
func (s *Suite) messages(ctx context.Context, tx *sql.Tx, each func(payment, event, why string)) error {
	return rows(ctx, tx, `SELECT d.id, d.payment, d.event_id, d.event, d.state, d.attempts, d.last_error, COALESCE(j.state, ''), COALESCE(j.attempt, 0), COALESCE(j.why, '')
 FROM deliveries d LEFT JOIN jobs j ON j.kind = 'webhook.deliver' AND j.args = d.id WHERE NOT d.test AND d.payment <> ''`, 10, func(v []string) {
		why := ""
		if taken := s.hooks.has(v[0]); !told(v[4], v[7], taken) {
			why = fmt.Sprintf("webhook %s %s is %s after %s attempts (%q), taken %t; its job is %q after %s runs (%q)", v[0], v[3], v[4], v[5], v[6], taken, v[7], v[8], v[9])
		}
		each(v[1], v[2], why)
	})
}

// told reports whether a webhook arrived and ends. One that was taken may still be queued: its
// sender died before it could write that down, and the next try may be half an hour away.
func told(state, job string, taken bool) bool {
	return taken && (state == "delivered" || state == "queued" && job == "ready")
}

// rows reads rows of texts.
func rows(ctx context.Context, tx *sql.Tx, query string, columns int, each func([]string)) error {
	r, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	values, into := make([]string, columns), make([]any, columns)
	for i := range values {
		into[i] = &values[i]
	}
	for r.Next() {
		if err := r.Scan(into...); err != nil {
			return err
		}
		each(values)
	}
	return r.Err()
}

// referenceOf is what the shop calls a payment: links keep it in their metadata.
func referenceOf(reference, metadata string) string {
	if reference != "" {
		return reference
	}
	var v map[string]any
	if json.Unmarshal([]byte(metadata), &v) == nil {
		for _, x := range v {
			if text, ok := x.(string); ok && strings.Contains(text, "-c") {
				return text
			}
		}
	}
	return ""
}
