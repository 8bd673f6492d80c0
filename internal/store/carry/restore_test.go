package carry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/store"
	"quittance/internal/webhook"
)

const xpub = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"

// shop is a merchant with a key, ten addresses of which one is taken, a message in the
// feed, a nonce and a session.
func shop(t *testing.T, s *store.Store, now time.Time) {
	t.Helper()
	ctx := t.Context()
	for _, m := range []string{"M", "N"} {
		must(t, addMerchant(s, m))
	}
	must(t, s.SetBranch(ctx, merchant.Branch{ID: "B", Merchant: "M", XPub: xpub, Active: true, CreatedAt: now}))
	_, err := s.ClaimIndexes(ctx, "B", 10)
	must(t, err)
	var as []merchant.DepositAddress
	for i := range 10 {
		as = append(as, merchant.DepositAddress{Address: asset.Address{19: byte(i + 1)}, Merchant: "M", Branch: "B", Index: uint32(i), CheckedAt: now})
	}
	must(t, s.AddAddresses(ctx, as))
	_, err = take(t, s, now)
	must(t, err)
	publish(t, s, now, "D1")
	must(t, s.InsertNonce(ctx, merchant.Nonce{Value: "once", Purpose: "p", ExpiresAt: now.Add(time.Hour)}))
}

func take(t *testing.T, s *store.Store, now time.Time) (a asset.Address, err error) {
	t.Helper()
	err = s.Write(t.Context(), func(tx checkout.Tx) error {
		a, err = tx.TakeAddress(t.Context(), "M", payment.ID(payment.NewULID(now)), 0, now)
		return err
	})
	return a, err
}

func publish(t *testing.T, s *store.Store, now time.Time, id string) {
	t.Helper()
	must(t, s.SaveDeliveries(t.Context(), []webhook.Entry{{ID: id, Merchant: "M", EventID: id, Event: "e", Body: []byte("{}"), At: now}}, nil))
}

func TestWhatMustNotBeGivenOutTwice(t *testing.T) {
	for name, target := range engines {
		t.Run(name, func(t *testing.T) {
			now := time.Now().UTC().Truncate(time.Microsecond)
			from, file := newFile(t), filepath.Join(t.TempDir(), "b")
			s := serve(t, from)
			shop(t, s, now)
			_, err := Backup{From: from, File: file, Box: box(t)}.Run(t.Context())
			must(t, err)
			// After the backup another address is given out, and another message is told.
			given, err := take(t, s, now)
			must(t, err)
			publish(t, s, now, "D2")
			read, err := s.FeedHead(t.Context(), "M")
			must(t, err)

			to := target(t)
			r, err := Restore{File: file, To: to, Box: box(t), Skip: 500}.Run(t.Context())
			must(t, err)
			if want := (Skipped{"B", 1, 510}); len(r.Skipped) != 1 || r.Skipped[0] != want {
				t.Errorf("%+v, want %+v", r.Skipped, want)
			}
			s = serve(t, to)
			if a, err := take(t, s, now); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s was given out again (%s was before), %v", a, given, err)
			}
			if first, err := s.ClaimIndexes(t.Context(), "B", 1); err != nil || first != 510 {
				t.Errorf("the next address is %d, %v", first, err)
			}
			publish(t, s, now, "D3")
			if told, err := s.Feed(t.Context(), webhook.FeedFilter{Merchant: "M", After: read, Limit: 10}); err != nil || len(told) != 1 || told[0].ID != "D3" {
				t.Errorf("whoever had read up to %d hears of %+v, %v", read, told, err)
			}
			if _, err := s.UseNonce(t.Context(), "p", "once", now); !fault.Is(err, fault.NotFound) {
				t.Errorf("a nonce is good once more: %v", err)
			}
		})
	}
}

// With --exact everything is as it was.
func TestExactRestoresChangeNothing(t *testing.T) {
	now := time.Now().UTC()
	from, to, file := newFile(t), newFile(t), filepath.Join(t.TempDir(), "b")
	shop(t, serve(t, from), now)
	_, err := Backup{From: from, File: file}.Run(t.Context())
	must(t, err)
	r, err := Restore{File: file, To: to, Exact: true}.Run(t.Context())
	if must(t, err); len(r.Skipped) != 0 {
		t.Errorf("%+v", r.Skipped)
	}
	if _, err := Compare(t.Context(), from, to, nil); err != nil {
		t.Error(err)
	}
}

func TestRestoresGoIntoEmptyDatabasesOnly(t *testing.T) {
	from, file := filled(t, newFile(t), 5), filepath.Join(t.TempDir(), "b")
	_, err := Backup{From: from, File: file}.Run(t.Context())
	must(t, err)
	for name, target := range engines {
		t.Run(name, func(t *testing.T) {
			to := target(t)
			must(t, addMerchant(serve(t, to), "M"))
			if _, err := (Restore{File: file, To: to}).Run(t.Context()); !errors.Is(err, ErrNotEmpty) || !strings.Contains(err.Error(), "merchants") {
				t.Errorf("%v", err)
			}
			if n := rowsOf(t, to)["payments"]; n != 0 {
				t.Errorf("%d payments", n)
			}
		})
	}
}

// However a server orders texts, checksums are over the same order.
func TestCollationsDoNotMatter(t *testing.T) {
	from := filled(t, pgtest.DSN(t), 300)
	other, file := newFile(t), filepath.Join(t.TempDir(), "b")
	raw(t, from, `ALTER TABLE nonces ALTER COLUMN value TYPE TEXT COLLATE "en-x-icu"`)
	_, err := Backup{From: from, File: file}.Run(t.Context())
	must(t, err)
	_, err = Restore{File: file, To: other, Exact: true}.Run(t.Context())
	must(t, err)
	_, err = Compare(t.Context(), from, other, nil)
	must(t, err)
}

// FuzzDecoder reads what may be anybody's: it says so, or the same comes out that a
// writer makes of it again.
func FuzzDecoder(f *testing.F) {
	small := table{Name: "t", Columns: []column{{"a", text}, {"b", integer}, {"c", boolean}, {"d", bytea}}, Key: []int{0}}
	var b bytes.Buffer
	e, err := newEncoder(&b, Header{Engine: "sqlite", Tables: []table{small}})
	must(f, err)
	s := newSummer(small)
	must(f, e.table("t"))
	for _, r := range []row{{"x", int64(-5), true, []byte{1}}, {"y", nil, false, []byte{}}} {
		must(f, e.row(s.add(r)))
	}
	must(f, errors.Join(e.sum(s.sum()), e.close()))
	plain, err := zstd.NewReader(nil)
	must(f, err)
	f.Cleanup(plain.Close)
	frames, err := plain.DecodeAll(b.Bytes()[len(formatLine):], nil)
	must(f, err)
	f.Add(frames)
	f.Add(frames[:len(frames)/2])
	f.Add([]byte{frameHeader, 2, '{', '}', frameTrailer, 0})
	f.Add(binary.AppendUvarint([]byte{frameHeader}, maxFrame))
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxWindow/2))
	must(f, err)
	f.Fuzz(func(t *testing.T, frames []byte) {
		// The stream itself is another project's, and is fuzzed there.
		d, err := newDecoder(strings.NewReader(formatLine + string(pack.EncodeAll(frames, nil))))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("%v", err)
			}
			return
		}
		defer d.close()
		for _, x := range d.Tables {
			for r, err := range d.rows(x) {
				if err != nil {
					if !errors.Is(err, ErrDamaged) {
						t.Fatalf("%v", err)
					}
					return
				}
				_ = x.named(r)
				if back, rest, err := x.readRow(appendRow(nil, r)); err != nil || len(rest) != 0 || len(back) != len(r) {
					t.Fatalf("%v comes back as %v, %v", r, back, err)
				}
			}
		}
		if err := d.end(); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v", err)
		}
	})
}
