//go:build linux

package chaostest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"quittance/internal/bank"
	"quittance/internal/bank/camt"
	"quittance/internal/bank/sample"
)

// bankDay is how long a bank gathers transfers before it writes a statement.
const bankDay = 2 * time.Second

// linkState is what a link's page knows.
type linkState struct {
	Quote *struct{ Units, Address string }
	Bank  *struct{ Text, IBAN string }
}

// link asks for a link's page or a quote on it until some node says it.
func (s *Suite) link(r *rand.Rand, o *order, method, rest, form string) (v linkState, ok bool) {
	h := http.Header{"Accept": {"application/json"}}
	if form != "" {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	var status int
	var answer []byte
	for begun := time.Now(); time.Since(begun) < lastTry; pause(context.Background(), 20*time.Millisecond) {
		status, answer = s.call(context.Background(), s.any(r), method, "/link/"+o.id+rest, form, h)
		if status == http.StatusOK && json.Unmarshal(answer, &v) == nil {
			return v, true
		}
		if status != 0 && status < 500 {
			break
		}
	}
	s.fail("%s of link %s (%s): %d %s", rest, o.key, o.id, status, answer)
	return v, false
}

// quote has whoever pays a link choose to pay on a chain.
func (s *Suite) quote(r *rand.Rand, o *order) bool {
	v, ok := s.link(r, o, http.MethodPost, "/quote", url.Values{"asset": {"USDC-base"}}.Encode())
	if !ok {
		return false
	}
	if v.Quote == nil || integer(v.Quote.Units) == nil {
		s.fail("link %s (%s) has no quote", o.key, o.id)
		return false
	}
	o.address, o.due = v.Quote.Address, integer(v.Quote.Units)
	return true
}

// bankTransfer is what somebody has told their bank to send.
type bankTransfer struct {
	o       *order
	booking sample.Booking
	account string
}

// wired has whoever pays a link send it by bank, with the text that they are asked for.
func (s *Suite) wired(r *rand.Rand, o *order) (t bankTransfer, ok bool) {
	v, ok := s.link(r, o, http.MethodGet, "/status", "")
	if !ok {
		return t, false
	}
	if v.Bank == nil {
		s.fail("link %s (%s) cannot be paid by bank", o.key, o.id)
		return t, false
	}
	return bankTransfer{o, sample.Booking{Transaction: sample.Transaction{Cents: o.cents, Text: v.Bank.Text, From: "Payer"}, Reference: "BANK-" + o.key}, v.Bank.IBAN}, true
}

// banking writes a statement of what was transferred, every now and then, and has the shop
// import it.
func (l *load) banking(r *rand.Rand) {
	var sent []bankTransfer
	tick := time.NewTicker(bankDay)
	defer tick.Stop()
	for open := true; open || len(sent) > 0; {
		select {
		case t, more := <-l.bank:
			if open = more; more {
				sent = append(sent, t)
				continue
			}
		case <-tick.C:
		}
		if len(sent) == 0 {
			continue
		}
		if file := l.s.statement(sent); file != "" {
			l.s.take(r, file, sent)
		}
		sent = nil
	}
}

// statement writes a bank's file and returns its name.
func (s *Suite) statement(sent []bankTransfer) (file string) {
	s.statements++
	x := sample.Statement{Version: camt.V08, ID: fmt.Sprintf("S%d", s.statements), Account: bank.IBAN(sent[0].account), Owner: "Shop GmbH", Day: time.Now()}
	for _, t := range sent {
		x.Bookings = append(x.Bookings, t.booking)
	}
	text, err := x.XML()
	file = filepath.Join(filepath.Dir(s.config), x.ID+".xml")
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		s.fail("a statement: %v", err)
		return ""
	}
	return file
}

// take imports a statement until that has worked: some of the commands are killed on their
// way. One that is imported once more changes nothing.
func (s *Suite) take(r *rand.Rand, file string, sent []bankTransfer) {
	begun, said := time.Now(), ""
	for done := 0; done == 0 || done == 1 && r.IntN(3) == 0; {
		if time.Since(begun) > lastTry {
			s.fail("%s could not be imported for %v: %s", filepath.Base(file), lastTry, said)
			return
		}
		code, text := s.once(r, file)
		switch said = text; code {
		case 0:
			done++
		case 3:
			s.fail("%s left something to a person: %s", filepath.Base(file), text)
			return
		default:
			pause(context.Background(), 50*time.Millisecond)
		}
	}
	s.tally.imported()
	for _, t := range sent {
		s.book.confirmed(t.o, t.o.cents)
	}
}

// once runs the command that imports a statement, and kills it at a random moment as often
// as not. code is -1 if it was killed or did not start.
func (s *Suite) once(r *rand.Rand, file string) (code int, said string) {
	c := exec.Command(s.c.Exe, "bank", "import", file, "--merchant", s.shops[3].id, "--json", "--config", s.config)
	var out bytes.Buffer
	c.Args[0], c.Stdout, c.Stderr, c.SysProcAttr = "quittance", &out, &out, &syscall.SysProcAttr{Setpgid: true}
	kill, moment := r.IntN(2) == 0, rand.N(600*time.Millisecond)
	if err := s.by.start(c); err != nil {
		return -1, err.Error()
	}
	if kill {
		blow := time.AfterFunc(moment, func() { _ = c.Process.Kill() }) // it may have ended
		defer blow.Stop()
	}
	if c.Wait() != nil && c.ProcessState.ExitCode() == -1 {
		s.tally.fault(killedImport)
	}
	return c.ProcessState.ExitCode(), strings.TrimSpace(out.String())
}
