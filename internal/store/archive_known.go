package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"quittance/internal/fault"
)

// A process remembers the archive's marks in a filter, so that nobody's handles cost no
// look at a list of millions. It must never know fewer than there are: each transaction that
// adds marks adds a batch, which are numbered without gaps in the order of their commits and
// have a tag that no other has. Whoever looks for handles reads the last batch's number and
// tag in the same statement. Only if that is how far the filter has come, it is asked.

const (
	// insertBatch takes the next number. Who takes the same one waits for the first to
	// commit, and is refused.
	insertBatch = `INSERT INTO mark_batches (batch, tag, marks) SELECT COALESCE(MAX(batch), 0) + 1, $1, $2 FROM mark_batches RETURNING batch`
	dropBatches = `DELETE FROM mark_batches WHERE batch <= $1`

	selectHead    = `SELECT tag, batch FROM mark_batches ORDER BY batch DESC LIMIT 1`
	selectBatches = `SELECT batch, tag, marks FROM mark_batches WHERE batch >= $1 ORDER BY batch LIMIT $2`

	countMarks     = `SELECT COUNT(*) FROM handle_marks`
	selectAllMarks = `SELECT mark FROM handle_marks WHERE mark >= $1 ORDER BY mark LIMIT $2`

	// keptBatches is how far behind a process may be without reading all marks again.
	keptBatches = 1000
	// marksRead and batchesRead are how much one look reads of either.
	marksRead, batchesRead = 20_000, 100
	// againAfter is how long it rests after it could not read.
	againAfter = 10 * time.Second
)

// batch is one of those that marks came in, by its number and its tag.
type batch struct {
	number int64 // 0 for none
	tag    string
}

// known is what a process knows of the archive's marks.
type known struct {
	behind chan struct{} // holds one once there is more to know

	mu     sync.RWMutex
	filter *filter // nil until all marks were read
	upTo   batch   // the filter has all marks of this batch and of those before
}

func newKnown() *known { return &known{behind: make(chan struct{}, 1)} }

// more says that there is more to know.
func (k *known) more() {
	select {
	case k.behind <- struct{}{}:
	default:
	}
}

// possible leaves out those marks that are certainly none of the archive's, as it is up to
// a batch: none, if that much is not known.
func (k *known) possible(head batch, marks []int64) []int64 {
	if head.number == 0 || len(marks) == 0 {
		return marks
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.filter == nil || k.upTo != head {
		k.more()
		return marks
	}
	return slices.DeleteFunc(marks, func(m int64) bool { return !k.filter.mayHave(m) })
}

// learn adds batches that follow the last one, which is the first of them. It reports
// whether they do, and whether they fit.
func (k *known) learn(some []numbered) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.filter == nil || len(some) == 0 || some[0].batch != k.upTo {
		return false
	}
	for _, b := range some[1:] {
		if b.number != k.upTo.number+1 || len(b.marks) > k.filter.room {
			return false
		}
		for _, m := range b.marks {
			k.filter.add(m)
		}
		k.upTo = b.batch
	}
	return true
}

// replace makes a filter with all marks up to a batch the one that is asked.
func (k *known) replace(f *filter, upTo batch) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.filter, k.upTo = f, upTo
}

// FollowMarks keeps what this process knows of the archive's marks up to date until ctx
// ends, and returns nil then. Without it everything is found as well, by longer looks.
func (s *Store) FollowMarks(ctx context.Context) error {
	for {
		err := s.followMarks(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var again <-chan time.Time
		behind := s.known.behind
		if err != nil {
			s.log.WarnContext(ctx, "the archive's marks were not read: calls of strangers take longer", "err", err)
			again, behind = time.After(againAfter), nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-behind:
		}
	}
}

// followMarks reads what is new, or all if what is known does not lead there.
func (s *Store) followMarks(ctx context.Context) error {
	for range 3 {
		s.known.mu.RLock()
		upTo := s.known.upTo
		s.known.mu.RUnlock()
		leads, err := s.readBatches(ctx, upTo)
		if err != nil {
			return fmt.Errorf("read new marks: %w", err)
		}
		if leads {
			return nil
		}
		some, err := s.readMarks(ctx)
		if err != nil {
			return fmt.Errorf("read all marks: %w", err)
		}
		if !some {
			return nil
		}
	}
	return errors.New("the archive grows faster than it is read")
}

// numbered is a batch with its marks.
type numbered struct {
	batch
	marks []int64
}

// readBatches learns from a batch on, and reports false if the database has another story.
func (s *Store) readBatches(ctx context.Context, from batch) (leads bool, err error) {
	for from.number > 0 {
		r, err := s.read.query(ctx, selectBatches, from.number, batchesRead)
		if err != nil {
			return false, err
		}
		some, err := collect(r, func() (b numbered, err error) {
			var packed []byte
			if err = r.Scan(&b.number, &b.tag, &packed); err != nil {
				return b, err
			}
			b.marks, err = unpackMarks(packed)
			return b, err
		})
		if err != nil {
			return false, err
		}
		if !s.known.learn(some) {
			return false, nil
		}
		if len(some) < batchesRead {
			return true, nil
		}
		from = some[len(some)-1].batch
	}
	return false, nil
}

// readMarks reads all marks, slowly, so that others have the database meanwhile. It reports
// whether there are any.
func (s *Store) readMarks(ctx context.Context) (some bool, err error) {
	s.known.replace(nil, batch{}) // there is never memory for two
	// What was committed up to here is in whatever is read after it.
	upTo, err := s.lastBatch(ctx)
	if err != nil || upTo.number == 0 {
		return false, err
	}
	var count int
	if err := s.read.row(ctx, countMarks, nil, &count); err != nil {
		return false, err
	}
	f := newFilter(count)
	for next := int64(math.MinInt64); ; {
		began := time.Now()
		r, err := s.read.query(ctx, selectAllMarks, next, marksRead)
		if err != nil {
			return false, err
		}
		marks, err := collect(r, func() (m int64, err error) { return m, r.Scan(&m) })
		if err != nil {
			return false, err
		}
		for _, m := range marks {
			f.add(m)
		}
		if len(marks) < marksRead || marks[len(marks)-1] == math.MaxInt64 {
			s.known.replace(f, upTo)
			return true, nil
		}
		next = marks[len(marks)-1] + 1
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(time.Since(began)):
		}
	}
}

// lastBatch is the last one. Where there are marks of before there were batches, there is
// one after this.
func (s *Store) lastBatch(ctx context.Context) (b batch, err error) {
	for range 2 {
		known, err := found(s.read.row(ctx, selectHead, nil, &b.tag, &b.number))
		if err != nil || known {
			return b, err
		}
		var first int64
		if known, err = found(s.read.row(ctx, selectAllMarks, []any{int64(math.MinInt64), 1}, &first)); err != nil || !known {
			return b, err
		}
		err = s.write(ctx, func(t *tx) error { return t.addBatch(ctx, nil) })
		if err != nil && !errors.Is(err, errBatchTaken) {
			return b, err
		}
	}
	return b, errors.New("a batch is not there after it was stored")
}

// errBatchTaken is of who adds marks at the same time as another transaction.
var errBatchTaken = errors.New("another node archives at the same time")

// addBatch numbers marks that this transaction adds. Its errors include errBatchTaken.
func (t *tx) addBatch(ctx context.Context, marks []int64) error {
	var number int64
	err := t.row(ctx, insertBatch, []any{rand.Text(), packMarks(marks)}, &number)
	if fault.Is(err, fault.Conflict) {
		return errBatchTaken
	}
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, dropBatches, number-keptBatches)
	return err
}

const markSize = 8

func packMarks(marks []int64) []byte {
	packed := make([]byte, 0, markSize*len(marks))
	for _, m := range marks {
		packed = binary.BigEndian.AppendUint64(packed, uint64(m))
	}
	return packed
}

func unpackMarks(packed []byte) ([]int64, error) {
	if len(packed)%markSize != 0 {
		return nil, fmt.Errorf("a batch of marks has %d bytes", len(packed))
	}
	marks := make([]int64, 0, len(packed)/markSize)
	for ; len(packed) > 0; packed = packed[markSize:] {
		marks = append(marks, int64(binary.BigEndian.Uint64(packed)))
	}
	return marks, nil
}
