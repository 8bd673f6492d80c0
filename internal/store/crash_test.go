package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/seal"
	"quittance/internal/store"
	"quittance/internal/store/storetest"
)

const (
	crashDSN  = "QUITTANCE_TEST_CRASH_DSN"
	crashHow  = "QUITTANCE_TEST_CRASH_HOW"
	crashBusy = "busy" // the process dies while many write
	crashHeld = "held" // the process dies inside a transaction
)

// TestMain turns the test binary into the process that dies in TestCrash.
func TestMain(m *testing.M) {
	if dsn := os.Getenv(crashDSN); dsn != "" {
		if err := crashChild(dsn, os.Getenv(crashHow)); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	os.Exit(m.Run())
}

// crashChild writes until it is killed.
func crashChild(dsn, how string) error {
	ctx := context.Background()
	box, err := seal.New(seal.NewKey())
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Config{DSN: dsn, Seal: box})
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	m := payment.MerchantID(payment.NewULID(now))
	if err := errors.Join(s.Migrate(ctx), s.InsertMerchant(ctx, merchant.Merchant{ID: m, Name: "Crash", CreatedAt: now})); err != nil {
		return err
	}
	if how == crashHeld {
		id, err := crashWrite(s, m, nil)
		if err != nil {
			return err
		}
		fmt.Println("committed", id)
		_, err = crashWrite(s, m, func(id payment.ID) {
			fmt.Println("inside", id)
			select {} // until the parent kills us
		})
		return err
	}
	failed := make(chan error)
	for range 8 {
		go func() {
			for {
				id, err := crashWrite(s, m, nil)
				if err != nil {
					failed <- err
				}
				fmt.Println("committed", id)
			}
		}()
	}
	return <-failed
}

// crashWrite stores a payment with two requests and an event.
func crashWrite(s *store.Store, m payment.MerchantID, before func(payment.ID)) (payment.ID, error) {
	now := time.Now().UTC()
	p := &payment.Payment{ID: payment.ID(payment.NewULID(now)), Terms: payment.Terms{Merchant: m, CreatedAt: now, ExpiresAt: now}}
	for i := range 2 {
		p.Terms.Requests = append(p.Terms.Requests, payment.Request{
			Index: i, ID: "01" + randomHex(32), Asset: "USDC-base", Due: big.NewInt(1), Handles: []payment.Handle{{Rail: "evmref", Value: "0x" + randomHex(32)}},
		})
	}
	p.Standing = payment.Assess(p.Terms, nil, nil, now)
	ctx := context.Background()
	return p.ID, s.Write(ctx, func(tx checkout.Tx) error {
		if err := tx.InsertPayment(ctx, p); err != nil {
			return err
		}
		if before != nil {
			before(p.ID)
		}
		return tx.AppendEvent(ctx, payment.Event{
			ID: payment.NewULID(now), Payment: p.ID, Merchant: m, Kind: payment.EventPaid, Request: -1, At: now,
		})
	})
}

func TestCrash(t *testing.T) {
	for engine, database := range map[string]func(testing.TB) string{"sqlite": file, "postgres": pgtest.DSN} {
		for _, how := range []string{crashBusy, crashHeld} {
			t.Run(engine+" "+how, func(t *testing.T) { crash(t, database(t), how) })
		}
	}
}

func crash(t *testing.T, dsn, how string) {
	committed, inside := killed(t, dsn, how)
	if len(committed) == 0 || (how == crashHeld) != (inside != "") {
		t.Fatalf("the process confirmed %d writes and died inside of %q", len(committed), inside)
	}
	s := storetest.Open(t, dsn) // whatever state the files are in
	for _, id := range committed {
		p, err := s.Payment(t.Context(), id)
		if err != nil {
			t.Errorf("a confirmed payment is lost: %v", err)
			continue
		}
		if es, err := s.Events(t.Context(), id); err != nil || len(es) != 1 || len(p.Terms.Requests) != 2 {
			t.Errorf("a confirmed payment came back with %d requests and %d events (%v)", len(p.Terms.Requests), len(es), err)
		}
	}
	if inside != "" {
		if _, err := s.Payment(t.Context(), inside); !fault.Is(err, fault.NotFound) {
			t.Errorf("a payment that was never committed: got %v, want NotFound", err)
		}
	}
	jobs, err := s.Claim(t.Context(), time.Now().UTC(), time.Minute, job.Room{Free: 1_000_000})
	if err != nil || len(jobs) < len(committed) {
		t.Errorf("%d jobs for %d confirmed payments, %v", len(jobs), len(committed), err)
	}
	for _, j := range jobs { // each belongs to a payment that is complete, confirmed or not
		e, p, err := s.Event(t.Context(), j.Args)
		if err != nil || e.Payment != p.ID || len(p.Terms.Requests) != 2 {
			t.Errorf("a job of half a payment: %v", err)
		}
	}
	if how == crashHeld && len(jobs) != len(committed) {
		t.Errorf("%d jobs, want %d", len(jobs), len(committed))
	}
}

// killed runs crashChild in a process, kills it when it is in the middle of things, and
// returns which payments it had confirmed and which one it was inside of.
func killed(t *testing.T, dsn, how string) (committed []payment.ID, inside payment.ID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), crashDSN+"="+dsn, crashHow+"="+how)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() { // to the end: what it printed before it died counts
		word, id, _ := strings.Cut(lines.Text(), " ")
		id, _, _ = strings.Cut(id, " ")
		switch word {
		case "committed":
			committed = append(committed, payment.ID(id))
		case "inside":
			inside = payment.ID(id)
		default:
			t.Log(lines.Text())
		}
		if inside != "" || len(committed) == 300 {
			_ = child.Process.Kill()
		}
	}
	if err := child.Wait(); err == nil {
		t.Error("the process ended on its own")
	}
	return committed, inside
}
