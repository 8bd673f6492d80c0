package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/pgtest"
	"quittance/internal/webhook/webhooktest"
)

// engines are the databases of drills.
var engines = map[string]func(testing.TB) string{
	"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "other.db") },
	"postgres": pgtest.DSN,
}

var databaseLine = regexp.MustCompile(`(?m)^database: .*$`)

// use puts another database into the configuration.
func (r *rig) use(dsn string) {
	r.t.Helper()
	text, err := os.ReadFile(r.config)
	if err == nil {
		err = os.WriteFile(r.config, databaseLine.ReplaceAll(text, []byte("database: "+dsn)), 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// books is what a drill knows of a shop: payments of both APIs, in every state that they
// come to, and every deposit address that was told anybody.
type books struct {
	*shop
	hooks     *webhooktest.Receiver
	tokens    map[string]string // state by token, of the Request API
	dollars   map[string]string // status by id, of the SpacePay API
	open      dollarPayment     // told, not paid yet
	addresses map[string]bool
}

func (b *books) told(p dollarPayment) dollarPayment {
	b.addresses[strings.ToLower(p.DepositAddress.Address)] = true
	return p
}

// newBooks is a shop with a payment in every state.
func newBooks(t *testing.T, database string) *books {
	b := &books{shop: newShopOn(t, database), hooks: webhooktest.New(t, ""), tokens: map[string]string{}, dollars: map[string]string{}, addresses: map[string]bool{}}
	b.key, _ = b.run("apikey", "create", "--merchant", b.merchant)["secret"].(string)
	b.run("webhook", "add", b.hooks.URL, "--merchant", b.merchant)
	paid, waiting, over, off, seen := b.create(""), b.create(""), b.told(b.order()), b.told(b.order()), b.told(b.order())
	under, cancelled := b.told(b.order()), b.create("")
	b.open = b.told(b.order())
	b.pay(paid)
	b.chain.Transfer(b.usdc, over.DepositAddress.Address, big.NewInt(7_000_000))
	b.chain.Transfer(b.usdc, under.DepositAddress.Address, big.NewInt(1_000_000))
	b.chain.Mine(4)
	for _, args := range [][]string{{off.ID}, {cancelled}} {
		if out, stderr, err := b.say("", append([]string{"payment", "cancel", "--merchant", b.merchant}, args...)...); err != nil {
			t.Fatalf("cancel: %v\n%s%s", err, out, stderr)
		}
	}
	b.awaitStatus(over.ID, "completed")
	b.await("the token's payment to be paid", func() bool { return b.state(paid) == "paid" })
	b.chain.Transfer(b.usdc, seen.DepositAddress.Address, big.NewInt(5_000_000))
	b.chain.Mine(1)
	b.await("money that is not final", func() bool { return b.state(seen.ID) == "seen" })
	for _, name := range []string{paid, waiting, cancelled} {
		b.tokens[name] = b.state(name)
	}
	for _, p := range []dollarPayment{over, off, seen, under, b.open} {
		b.dollars[p.ID] = b.state(p.ID)
	}
	return b
}

// state is a payment's as an operator sees it.
func (b *books) state(name string) string {
	b.t.Helper()
	return fmt.Sprint(b.run("payment", "show", name)["state"])
}

// stands fails where a payment is not what it was.
func (b *books) stands() {
	b.t.Helper()
	for _, known := range []map[string]string{b.tokens, b.dollars} {
		for name, was := range known {
			if is := b.state(name); is != was {
				b.t.Errorf("payment %s is %s, was %s", name, is, was)
			}
		}
	}
}

// heard reports whether the merchant was told of a payment after a number of calls.
func (b *books) heard(after int, name string) bool {
	return slices.ContainsFunc(b.hooks.Received()[after:], func(r webhooktest.Received) bool { return bytes.Contains(r.Body, []byte(name)) })
}

// load makes payments until it is told to stop, and returns those that were confirmed.
func (b *books) load() (stop func() []string) {
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var made []string
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				if status, answer := b.call(http.MethodPost, "", ether, ""); status == http.StatusCreated {
					mu.Lock()
					token, _ := answer["token"].(string)
					made = append(made, token)
					mu.Unlock()
				}
			}
		})
	}
	return func() []string {
		cancel()
		all.Wait()
		return made
	}
}

// A shop is backed up under load, killed, and restored into a new database: everything of
// before the backup is there, what was paid meanwhile is found on the chain, and no
// address is given out a second time.
func TestBackupAndRestoreDrill(t *testing.T) {
	for name, database := range engines {
		for into, target := range engines {
			t.Run(name+" into "+into, func(t *testing.T) {
				b := newBooks(t, database(t))
				file, to := b.file("shop.backup"), target(t)
				stop := b.load()
				b.await("some load", func() bool { return b.chain.Requests() > 0 })
				b.run("backup", file)
				made := stop()
				// What nobody will know of later: a payment of after the backup. What will be
				// found again: money for one of before.
				lost := b.told(b.order())
				b.chain.Transfer(b.usdc, b.open.DepositAddress.Address, big.NewInt(5_000_000))
				b.chain.Mine(1)
				b.kill()
				b.chain.Mine(4)
				told := len(b.hooks.Received())

				b.use(to)
				r := b.run("restore", file)
				if r["same"] != true || r["skipped"] == nil {
					t.Errorf("restored %v", r)
				}
				b.start()
				t.Logf("%d payments were made during the backup", len(made))
				b.dollars[b.open.ID] = "paid"
				for id, was := range b.dollars { // three more blocks make it final
					if was == "seen" {
						b.dollars[id] = "paid"
					}
				}
				for id := range b.dollars {
					if b.dollars[id] == "paid" {
						b.awaitStatus(id, "completed")
					}
				}
				b.stands()
				b.awaitFor("the webhook of what was found again", 2*time.Minute, func() bool { return b.heard(told, b.open.ID) })
				if got := b.ask(http.MethodGet, "/"+lost.ID, "", &struct{}{}); got != http.StatusNotFound {
					t.Errorf("a payment of after the backup answers %d", got)
				}
				for range 12 { // more than were ready
					p := b.order()
					if at := strings.ToLower(p.DepositAddress.Address); b.addresses[at] {
						t.Fatalf("%s was given out a second time", at)
					}
					b.told(p)
				}
			})
		}
	}
}

// visit asks for a page, or as the merchant.
func (b *books) visit(path string) (status int, err error) {
	req, err := http.NewRequest(http.MethodGet, b.url+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-Api-Key", b.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// visitors ask for pages and states all the time.
func (b *books) visitors(paths []string) (stop func() (asked int, failed []string)) {
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var failed []string
	asked := 0
	var all sync.WaitGroup
	for _, path := range paths {
		all.Go(func() {
			for ; ctx.Err() == nil; <-time.After(50 * time.Millisecond) { // faster would be refused
				status, err := b.visit(path)
				mu.Lock()
				asked++
				if err != nil || status != http.StatusOK {
					failed = append(failed, fmt.Sprint(path, " ", status, " ", err))
				}
				mu.Unlock()
			}
		})
	}
	return func() (int, []string) {
		cancel()
		all.Wait()
		return asked, failed
	}
}

// A shop moves to PostgreSQL while its server runs: no page fails, writes are refused
// from the copy on, and the new server settles what the old one had begun.
func TestMoveDrill(t *testing.T) {
	b := newBooks(t, "")
	to := pgtest.DSN(t)
	waiting := slices.Collect(maps.Keys(b.tokens))[0]
	for name, state := range b.tokens {
		if state == "open" {
			waiting = name
		}
	}
	stop := b.visitors([]string{
		"/?token=" + waiting, "/checkout/" + waiting + "/status", "/payment/" + b.open.ID, "/v2/secure-payments/" + waiting, "/healthz",
	})
	load := b.load()
	r := b.run("migrate", "--from", "sqlite", "--to", to)
	if r["same"] != true {
		t.Errorf("moved %v", r)
	}
	made := load()
	for range 3 { // as if nobody had noticed for a while
		if status, answer := b.call(http.MethodPost, "", ether, ""); status != http.StatusServiceUnavailable || answer["code"] != "storage_moved" {
			t.Errorf("a write after the move: %d %v", status, answer)
		}
		b.chain.Mine(1)
	}
	asked, failed := stop()
	if len(failed) > 0 || asked < 20 {
		t.Errorf("%d of %d visits failed, first %s", len(failed), asked, failed[:min(1, len(failed))])
	}
	t.Logf("%d visits, %d payments made until the copy", asked, len(made))
	b.kill()
	b.refusesToStart(to)

	b.use(to)
	b.start()
	for _, token := range made {
		if status, _ := b.call(http.MethodGet, "/"+token, "", ""); status != http.StatusOK {
			t.Errorf("a payment that was confirmed before the move answers %d", status)
		}
	}
	told := len(b.hooks.Received())
	b.pay(waiting)
	b.chain.Transfer(b.usdc, b.open.DepositAddress.Address, big.NewInt(5_000_000))
	b.chain.Mine(4)
	b.awaitStatus(b.open.ID, "completed")
	b.await("the payment to be paid", func() bool { return b.state(waiting) == "paid" })
	b.tokens[waiting], b.dollars[b.open.ID] = "paid", "paid"
	for id, was := range b.dollars {
		if was == "seen" {
			b.dollars[id] = "paid"
		}
	}
	b.stands()
	b.awaitFor("webhooks", 2*time.Minute, func() bool { return b.heard(told, waiting) && b.heard(told, b.open.ID) })
	b.run("migrate") // the schema is current, and it is served
}

// refusesToStart starts a server on what was left.
func (b *books) refusesToStart(to string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, b.exe, "serve", "--config", b.config)
	c.Args[0] = "quittance"
	out, err := c.CombinedOutput()
	_, rest, _ := strings.Cut(to, "://")
	user, place, _ := strings.Cut(rest, "@")
	_, password, _ := strings.Cut(user, ":")
	place, _, _ = strings.Cut(place, "?")
	if err == nil || !bytes.Contains(out, []byte(place)) || password == "" || bytes.Contains(out, []byte(password)) {
		b.t.Errorf("a start on what was left: %v\n%s", err, out)
	}
}
