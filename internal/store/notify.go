package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"quittance/internal/asset"
	"quittance/internal/payment"
)

const (
	// newsChannel is what all nodes of a database listen on.
	newsChannel = "quittance"
	// newsQueue bounds the words that wait to be sent. What does not fit is not
	// sent: every reader looks from time to time without being told.
	newsQueue = 8192
	// newsSize is below the 8000 bytes that PostgreSQL takes at once.
	newsSize = 7800
	// newsPatience bounds one exchange with the database, and newsQuiet is after how
	// long without news it is asked whether it is still there.
	newsPatience = 5 * time.Second
	newsQuiet    = 10 * time.Second
	// Pauses before connecting again, each twice the one before.
	newsRetryMin, newsRetryMax = 100 * time.Millisecond, 5 * time.Second
)

// The first letter of a word says what it is about.
const (
	wordPayment = "p" // an id follows: somebody changed it
	wordChain   = "c" // a number follows: something is said to have happened there
)

// spread tells the other nodes of a database what this one did. Like the hub it
// gives hints: what it loses costs time, and nothing else.
//
// It does so after the commit and on a connection of its own: PostgreSQL has
// transactions that notify commit one after the other.
type spread struct {
	node string // leaves out what we said ourselves
	conn *pgx.ConnConfig
	out  chan string
}

func newSpread(conn *pgx.ConnConfig) *spread {
	own := conn.Copy()
	own.RuntimeParams["synchronous_commit"] = "off" // nothing that is said here has to survive
	return &spread{node: rand.Text(), conn: own, out: make(chan string, newsQueue)}
}

// say queues a word. It never blocks.
func (s *spread) say(word string) {
	select {
	case s.out <- word:
	default:
	}
}

// Shared reports whether other processes may be nodes of the same installation:
// a file has one.
func (s *Store) Shared() bool { return s.spread != nil }

// spreadChanges tells the other nodes which payments a transaction changed. Nobody
// follows one that it made, and its jobs are for the worker that was woken here:
// the others look every second, and would only get into each other's way.
func (s *Store) spreadChanges(t *tx) {
	if s.spread == nil {
		return
	}
	made := map[payment.ID]bool{}
	for _, p := range t.created {
		made[p.ID] = true
	}
	for _, id := range t.touched {
		if !made[id] {
			s.spread.say(wordPayment + string(id))
		}
	}
}

// NudgeAll asks the other nodes to look at a chain at once. It does not block.
func (s *Store) NudgeAll(id asset.ChainID) {
	if s.spread != nil {
		s.spread.say(wordChain + strconv.FormatUint(uint64(id), 10))
	}
}

// Spread carries hints between the nodes of a database until ctx ends, and
// returns nil then: it wakes those who have subscribed to what other nodes change,
// and calls nudged for chains that others ask to be looked at. While the database
// is not there, it tries again.
func (s *Store) Spread(ctx context.Context, nudged func(asset.ChainID)) error {
	if s.spread == nil {
		<-ctx.Done()
		return nil
	}
	var both sync.WaitGroup
	both.Go(func() { s.spread.keep(ctx, s.log, s.spread.send) })
	both.Go(func() {
		s.spread.keep(ctx, s.log, func(ctx context.Context, on *pgx.Conn) error { return s.listen(ctx, on, nudged) })
	})
	both.Wait()
	return nil
}

// keep runs work on a connection, and again on a new one when that is lost.
func (s *spread) keep(ctx context.Context, log *slog.Logger, work func(context.Context, *pgx.Conn) error) {
	retry := newsRetryMin
	for ctx.Err() == nil {
		begun := time.Now()
		err := s.once(ctx, work)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > newsRetryMax {
			retry = newsRetryMin
		}
		log.WarnContext(ctx, "nodes cannot tell each other; pages follow more slowly", "err", err, "again_in", retry.String())
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry):
		}
		retry = min(2*retry, newsRetryMax)
	}
}

func (s *spread) once(ctx context.Context, work func(context.Context, *pgx.Conn) error) error {
	patient, cancel := context.WithTimeout(ctx, newsPatience)
	defer cancel()
	conn, err := pgx.ConnectConfig(patient, s.conn)
	if err != nil {
		return fmt.Errorf("connect: %w", neutral(err))
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(end) // it may be broken, and nothing depends on a goodbye
	}()
	return work(ctx, conn)
}

// send sends what is queued, all that has gathered at once.
func (s *spread) send(ctx context.Context, on *pgx.Conn) error {
	for {
		var first string
		select {
		case <-ctx.Done():
			return nil
		case first = <-s.out:
		}
		for _, news := range s.batch(first) {
			patient, cancel := context.WithTimeout(ctx, newsPatience)
			_, err := on.Exec(patient, `SELECT pg_notify($1, $2)`, newsChannel, news)
			cancel()
			if err != nil {
				return fmt.Errorf("notify: %w", neutral(err))
			}
		}
	}
}

// batch puts a word and those that wait behind it into as few messages as can be,
// each word once.
func (s *spread) batch(first string) (messages []string) {
	said := map[string]bool{}
	var b strings.Builder
	for word, more := first, true; more; {
		if !said[word] {
			said[word] = true
			if b.Len() > 0 && b.Len()+1+len(word) > newsSize {
				messages = append(messages, b.String())
				b.Reset()
			}
			if b.Len() == 0 {
				b.WriteString(s.node)
			}
			b.WriteString(" " + word)
		}
		select {
		case word = <-s.out:
		default:
			more = false
		}
	}
	return append(messages, b.String())
}

// listen passes on what other nodes say.
func (s *Store) listen(ctx context.Context, on *pgx.Conn, nudged func(asset.ChainID)) error {
	patient, cancel := context.WithTimeout(ctx, newsPatience)
	defer cancel()
	if _, err := on.Exec(patient, "LISTEN "+newsChannel); err != nil {
		return fmt.Errorf("listen: %w", neutral(err))
	}
	s.hub.wakeAll() // for what was said while nobody listened here
	for {
		quiet, cancel := context.WithTimeout(ctx, newsQuiet)
		n, err := on.WaitForNotification(quiet)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			s.passOn(n.Payload, nudged)
		case quiet.Err() != nil && !on.IsClosed():
			if err := ask(ctx, on); err != nil {
				return fmt.Errorf("listen: %w", neutral(err))
			}
		default:
			return fmt.Errorf("listen: %w", neutral(err))
		}
	}
}

// ask finds out whether a quiet connection has another end.
func ask(ctx context.Context, on *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, newsPatience)
	defer cancel()
	return on.Ping(ctx)
}

// passOn acts on a message. Words that a newer version says are left alone.
func (s *Store) passOn(message string, nudged func(asset.ChainID)) {
	node, words, _ := strings.Cut(message, " ")
	if node == s.spread.node {
		return
	}
	var touched []payment.ID
	for word := range strings.FieldsSeq(words) {
		if id, ok := strings.CutPrefix(word, wordPayment); ok {
			touched = append(touched, payment.ID(id))
		}
		if text, ok := strings.CutPrefix(word, wordChain); ok {
			if id, err := strconv.ParseUint(text, 10, 64); err == nil {
				nudged(asset.ChainID(id))
			}
		}
	}
	s.hub.committed(touched, false)
}
