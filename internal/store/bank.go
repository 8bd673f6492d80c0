package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// encodeBank writes how a bank transfer pays a request; "" if none can.
func encodeBank(b *payment.BankTransfer) (string, error) {
	if b == nil {
		return "", nil
	}
	text, err := json.Marshal(b)
	if err != nil {
		return "", fmt.Errorf("encode bank transfer: %w", err)
	}
	return string(text), nil
}

// decodeBank reads what encodeBank wrote.
func decodeBank(text string) (*payment.BankTransfer, error) {
	if text == "" {
		return nil, nil
	}
	var b payment.BankTransfer
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return nil, fmt.Errorf("decode bank transfer: %w", err)
	}
	return &b, nil
}

const (
	insertSecret = `INSERT INTO payment_secrets (payment, secret) VALUES ($1, $2)`
	selectSecret = `SELECT secret FROM payment_secrets WHERE payment = $1`
)

var findSecret = inPlace(selectSecret)

// paymentPlace is where a payment's secret is kept, for sealing.
func paymentPlace(id payment.ID) string { return "payment/" + string(id) }

// PutSecret implements checkout.Tx.
//
// Faults: Conflict "payment_exists" if the payment has one; NotFound "payment_not_found".
func (t *tx) PutSecret(ctx context.Context, id payment.ID, secret string) error {
	if err := t.warm(ctx, id); err != nil {
		return err
	}
	_, err := t.exec(ctx, insertSecret, id, t.store.seal.Seal([]byte(secret), paymentPlace(id)))
	err = recode(err, fault.Conflict, "payment_exists", "This payment has a secret already.")
	return recode(err, fault.NotFound, "payment_not_found", "There is no such payment.")
}

// Secret implements checkout.Store.
func (s *Store) Secret(ctx context.Context, id payment.ID) (string, error) {
	var sealed []byte
	ok, err := found(findSecret.row(ctx, s.quick, []any{id}, &sealed))
	if err != nil {
		return "", fmt.Errorf("load a payment's secret: %w", err)
	}
	if !ok {
		return "", nil
	}
	secret, err := s.seal.Open(sealed, paymentPlace(id))
	if err != nil {
		return "", fmt.Errorf("open the secret of payment %s: %w", id, err)
	}
	return string(secret), nil
}

const (
	restAccounts = `UPDATE bank_accounts SET active = FALSE WHERE merchant = $1 AND iban <> $2 AND active`

	putAccount = `INSERT INTO bank_accounts (merchant, iban, bic, holder, active, created_at) VALUES ($1, $2, $3, $4, TRUE, $5)
 ON CONFLICT (merchant, iban) DO UPDATE SET bic = excluded.bic, holder = excluded.holder, active = TRUE`

	closeAccount = `UPDATE bank_accounts SET active = FALSE WHERE merchant = $1 AND active`

	selectAccounts = `SELECT merchant, iban, bic, holder, active, created_at FROM bank_accounts`
)

// SetBankAccount implements merchant.Links.
//
// Faults: NotFound "merchant_not_found".
func (s *Store) SetBankAccount(ctx context.Context, a merchant.BankAccount) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, lockMerchant, a.Merchant)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("merchant")
		}
		if _, err := t.exec(ctx, restAccounts, a.Merchant, a.IBAN); err != nil {
			return err
		}
		_, err = t.exec(ctx, putAccount, a.Merchant, a.IBAN, a.BIC, plain(a.Holder), micros(a.CreatedAt))
		return err
	})
}

// CloseBankAccount implements merchant.Links.
func (s *Store) CloseBankAccount(ctx context.Context, m payment.MerchantID) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, closeAccount, m)
		if err == nil && n == 0 {
			return errNoAccount()
		}
		return err
	})
}

func errNoAccount() error {
	return fault.New(fault.NotFound, "no_bank_account", "This merchant has no bank account.")
}

// BankAccount implements merchant.Links.
func (s *Store) BankAccount(ctx context.Context, m payment.MerchantID) (merchant.BankAccount, error) {
	all, err := s.queryAccounts(ctx, selectAccounts+` WHERE merchant = $1 AND active`, m)
	if err != nil {
		return merchant.BankAccount{}, err
	}
	if len(all) == 0 {
		return merchant.BankAccount{}, errNoAccount()
	}
	return all[0], nil
}

// BankAccounts implements merchant.Links: in the order of merchants and creation.
func (s *Store) BankAccounts(ctx context.Context, m payment.MerchantID) ([]merchant.BankAccount, error) {
	const order = ` ORDER BY merchant, created_at, iban`
	if m == "" {
		return s.queryAccounts(ctx, selectAccounts+order)
	}
	return s.queryAccounts(ctx, selectAccounts+` WHERE merchant = $1`+order, m)
}

func (s *Store) queryAccounts(ctx context.Context, query string, args ...any) ([]merchant.BankAccount, error) {
	r, err := s.read.query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("load bank accounts: %w", err)
	}
	return collect(r, func() (a merchant.BankAccount, err error) {
		var created int64
		err = r.Scan(&a.Merchant, &a.IBAN, &a.BIC, &a.Holder, &a.Active, &created)
		a.CreatedAt = fromMicros(created)
		return a, err
	})
}

const (
	insertImport = `INSERT INTO bank_imports (id, merchant, message, version, sha256, at) VALUES ($1, $2, $3, $4, $5, $6)`

	bookingColumns = `key, import, merchant, account, cents, booked, outcome, counts, reference, payment, place, text, debtor, at, decided_at`
	insertBooking  = `INSERT INTO bank_bookings (` + bookingColumns + `)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (key) DO NOTHING`
	selectBookings = `SELECT ` + bookingColumns + ` FROM bank_bookings`

	// decideBooking forgets who paid and with what words once that is of no more use.
	decideBooking = `UPDATE bank_bookings SET payment = $2, outcome = $3, decided_at = $4, counts = $5,
 text = CASE WHEN $5 THEN '' ELSE text END, debtor = CASE WHEN $5 THEN '' ELSE debtor END
 WHERE key = $1 AND NOT counts AND decided_at = 0`
)

// PutImport implements checkout.Tx.
func (t *tx) PutImport(ctx context.Context, i checkout.Import) error {
	_, err := t.exec(ctx, insertImport, i.ID, i.Merchant, plain(i.Message), plain(i.Version), i.SHA256, micros(i.At))
	return err
}

// PutBooking implements checkout.Tx. Two nodes that have read the same wait for each other.
func (t *tx) PutBooking(ctx context.Context, b checkout.Booking) (bool, error) {
	if b.Counts {
		b.Text, b.Debtor = "", ""
	}
	n, err := t.exec(ctx, insertBooking, b.Key, b.Import, b.Merchant, b.Account, b.Cents, micros(b.Booked), b.Outcome, b.Counts,
		b.Reference, b.Payment, plain(b.Place), plain(b.Text), plain(b.Debtor), micros(b.At), micros(b.DecidedAt))
	return n == 1, err
}

// DecideBooking implements checkout.Tx. Given to a payment it counts; set aside it does not,
// and keeps what the payer told.
//
// Faults: NotFound "booking_not_found".
func (t *tx) DecideBooking(ctx context.Context, key string, of payment.ID, outcome string, at time.Time) error {
	n, err := t.exec(ctx, decideBooking, key, of, outcome, micros(at), of != "")
	if err != nil || n == 1 {
		return err
	}
	known, err := found(t.row(ctx, `SELECT key FROM bank_bookings WHERE key = $1`, []any{key}, &key))
	if err != nil {
		return err
	}
	if !known {
		return notFound("booking")
	}
	return checkout.ErrStale
}

// Booking implements checkout.Store.
func (s *Store) Booking(ctx context.Context, key string) (checkout.Booking, error) {
	return one(s.queryBookings(ctx, selectBookings+` WHERE key = $1`, plain(key)))("booking")
}

// Bookings implements checkout.Store: by when they were imported.
//
// Faults: NotFound "booking_not_found" if there is none to continue below.
func (s *Store) Bookings(ctx context.Context, q checkout.BookingQuery) ([]checkout.Booking, error) {
	var x statement
	var where []string
	if q.Merchant != "" {
		where = append(where, `merchant = `+x.put(string(q.Merchant)))
	}
	if q.Open {
		where = append(where, `NOT counts AND decided_at = 0`)
	}
	if q.Before != "" {
		last, err := s.Booking(ctx, q.Before)
		if err != nil {
			return nil, err
		}
		where = append(where, `(at, key) < (`+x.put(micros(last.At))+`, `+x.put(last.Key)+`)`)
	}
	x.text = selectBookings
	if len(where) > 0 {
		x.text += ` WHERE ` + strings.Join(where, ` AND `)
	}
	x.text += ` ORDER BY at DESC, key DESC LIMIT ` + x.put(pageSize(q.Limit))
	return s.queryBookings(ctx, x.text, x.args...)
}

func (s *Store) queryBookings(ctx context.Context, query string, args ...any) ([]checkout.Booking, error) {
	r, err := s.read.query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("load bookings: %w", err)
	}
	return collect(r, func() (b checkout.Booking, err error) {
		var booked, at, decided int64
		err = r.Scan(&b.Key, &b.Import, &b.Merchant, &b.Account, &b.Cents, &booked, &b.Outcome, &b.Counts, &b.Reference,
			&b.Payment, &b.Place, &b.Text, &b.Debtor, &at, &decided)
		b.Booked, b.At, b.DecidedAt = fromMicros(booked), fromMicros(at), fromMicros(decided)
		return b, err
	})
}
