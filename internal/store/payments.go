package store

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

const (
	paymentColumns = `id, merchant, dialect, reference, payer_identifier, redirect_url, redirect_label,
 client_id, origin, grace_us, created_at, expires_at, canceled_at, state, oddity, settled_at, version,
 flow, recipient_identifier, creator, access, alias, secret_hash, metadata, canceled_by, payer_cancels, transfers, attempts`

	// insertAliased inserts nothing where an archived payment has the alias, which may be
	// short. Ids, references and addresses are drawn from so many that nobody draws one of
	// the archive's again, and to look there would cost every payment a read of the disk.
	insertAliased = `INSERT INTO payments (` + paymentColumns + `)
 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, 0, 0
 WHERE NOT EXISTS (SELECT 1 FROM payments_old WHERE dialect = $3 AND alias = $22 AND alias <> '')`
)

var (
	intoPayments = newInto(1, `INSERT INTO payments (`+paymentColumns+`)`, 28, paymentExists)
	intoRequests = newInto(2, `INSERT INTO requests (payment, idx, id, asset, due, payee, fee_share, fee_amount, fee_payee, salt, reference, topic, chain, bank)`, 14, paymentExists)
	intoHandles  = newInto(3, `INSERT INTO handles (rail, value, payment, request)`, 4, paymentExists)
)

func paymentExists(err error) error {
	return recode(err, fault.Conflict, "payment_exists", "This payment exists already.")
}

// InsertPayment implements checkout.Tx.
func (t *tx) InsertPayment(ctx context.Context, p *payment.Payment) error {
	return paymentExists(t.insertPayment(ctx, p))
}

func (t *tx) insertPayment(ctx context.Context, p *payment.Payment) error {
	d := &p.Terms
	access, err := encodeAccess(d.Access)
	if err != nil {
		return err
	}
	creator := ""
	if !d.Creator.IsZero() {
		creator = d.Creator.Lower()
	}
	values := []any{p.ID, d.Merchant, d.Dialect, d.Reference, d.PayerIdentifier, d.RedirectURL, d.RedirectLabel,
		d.ClientID, d.Origin, d.Grace.Microseconds(), micros(d.CreatedAt), micros(d.ExpiresAt), micros(d.CanceledAt),
		p.Standing.State, p.Standing.Oddity, micros(p.Standing.SettledAt), p.Version,
		cmp.Or(d.Flow, payment.GetPaid), d.RecipientIdentifier, creator, access, d.Alias, d.SecretHash, plain(d.Metadata),
		d.CanceledBy, d.PayerCancels}
	if d.Alias == "" {
		err = t.insert(ctx, insertion{into: intoPayments, args: append(values, 0, 0)})
	} else {
		err = t.insertAliased(ctx, values)
	}
	if err != nil {
		return err
	}
	for i := range d.Requests {
		if err := t.insertRequest(ctx, p.ID, &d.Requests[i]); err != nil {
			return err
		}
	}
	t.touch(p.ID)
	t.created, t.warmed, t.silent = append(t.created, p), append(t.warmed, p.ID), append(t.silent, p.ID)
	return nil
}

func (t *tx) insertAliased(ctx context.Context, values []any) error {
	n, err := t.exec(ctx, insertAliased, values...)
	if err == nil && n == 0 {
		return fault.New(fault.Conflict, "already_exists", "This exists already.")
	}
	return err
}

func (t *tx) insertRequest(ctx context.Context, id payment.ID, r *payment.Request) error {
	var share, amount, payee string
	if r.Fee != nil {
		share, amount, payee = r.Fee.Share, units(r.Fee.Amount), r.Fee.Payee.Lower()
	}
	chain, err := number(uint64(r.Chain))
	if err != nil {
		return err
	}
	bank, err := encodeBank(r.Bank)
	if err != nil {
		return err
	}
	if err := t.insert(ctx, insertion{into: intoRequests, args: []any{id, r.Index, r.ID, r.Asset, units(r.Due), r.Payee.Lower(),
		share, amount, payee, r.Salt, r.Reference, r.Topic, chain, bank}}); err != nil {
		return err
	}
	for _, h := range r.Handles {
		if err := t.insert(ctx, insertion{into: intoHandles, args: []any{h.Rail, h.Value, id, r.Index}}); err != nil {
			return err
		}
	}
	return nil
}

const (
	mutableColumns = `state, oddity, version, canceled_at, canceled_by, settled_at, transfers, attempts, quotes`

	selectMutable = `SELECT ` + mutableColumns + ` FROM payments WHERE id = $1`

	// lockMutable reads what selectMutable reads and keeps other transactions
	// from changing it until this one ends. FOR UPDATE would do that on
	// PostgreSQL only; an update that changes nothing does it on both.
	lockMutable = `UPDATE payments SET version = version WHERE id = $1 RETURNING ` + mutableColumns

	selectTerms = `SELECT merchant, dialect, reference, payer_identifier, redirect_url, redirect_label, client_id, origin,
 grace_us, created_at, expires_at, flow, recipient_identifier, creator, access, alias, secret_hash, metadata, payer_cancels FROM payments WHERE id = $1`

	selectRequests = `SELECT idx, id, asset, due, payee, fee_share, fee_amount, fee_payee, salt, reference, topic, chain, bank
 FROM requests WHERE payment = $1 ORDER BY idx`
)

var (
	findMutable  = inPlace(selectMutable)
	findTerms    = inPlace(selectTerms)
	findRequests = inPlace(selectRequests)
	findRequest  = inPlace(`SELECT payment FROM requests WHERE id = $1`)
)

// Payment implements checkout.Store. The requests of the answer are shared with
// other callers and must not be changed. Standing is the stored one: state and
// oddity as of the last change, without the requests' numbers.
func (s *Store) Payment(ctx context.Context, id payment.ID) (*payment.Payment, error) {
	p, err := s.unquoted(ctx, id)
	if err != nil {
		return nil, err
	}
	return p.Payment, p.addQuotes(ctx, s.quick)
}

// unquoted is Payment without its quotes, of which there may be many.
func (s *Store) unquoted(ctx context.Context, id payment.ID) (*loaded, error) {
	p, err := s.load(ctx, s.quick, findMutable, id)
	if err != nil {
		return nil, err
	}
	if !p.known {
		s.terms.put(id, p.Terms)
	}
	return p, nil
}

// loaded is a payment with everything but its quotes.
type loaded struct {
	*payment.Payment
	known  bool // its terms came from the cache
	quotes int64
}

func (p *loaded) addQuotes(ctx context.Context, on session) (err error) {
	if p.quotes == 0 {
		return nil
	}
	if p.Quotes, err = gather(ctx, on, findQuotes, p.quotes, []any{p.ID}, scanQuote); err != nil {
		return fmt.Errorf("load quotes: %w", err)
	}
	return nil
}

// Payment implements checkout.Tx.
func (t *tx) Payment(ctx context.Context, id payment.ID) (*payment.Payment, error) {
	// What this transaction itself inserted is not committed: so its terms are
	// taken from the cache, but never put there.
	lock := placed{lockMutable, lockMutable}
	p, err := t.store.load(ctx, t, lock, id)
	if fault.Is(err, fault.NotFound) {
		if err := t.thaw(ctx, id); err != nil {
			return nil, err
		}
		p, err = t.store.load(ctx, t, lock, id)
	}
	if err != nil {
		return nil, err
	}
	t.warmed = append(t.warmed, id)
	return p.Payment, p.addQuotes(ctx, t)
}

func (s *Store) load(ctx context.Context, on session, mutable placed, id payment.ID) (*loaded, error) {
	p := &loaded{Payment: &payment.Payment{ID: id}}
	var canceled, settled, transfers, attempts int64
	var by payment.Canceler
	err := mutable.row(ctx, on, []any{id}, &p.Standing.State, &p.Standing.Oddity, &p.Version, &canceled, &by, &settled, &transfers, &attempts, &p.quotes)
	if ok, err := found(err); err != nil {
		return nil, fmt.Errorf("load payment: %w", err)
	} else if !ok {
		return nil, notFound("payment")
	}
	if p.Terms, p.known = s.terms.get(id); !p.known {
		if p.Terms, err = loadTerms(ctx, on, id); err != nil {
			return nil, fmt.Errorf("load terms: %w", err)
		}
	}
	if p.Terms.CanceledAt, p.Terms.CanceledBy = fromMicros(canceled), by; canceled != 0 && by == "" {
		p.Terms.CanceledBy = payment.ByMerchant // an older node does not say
	}
	p.Standing.SettledAt = fromMicros(settled)
	if transfers > 0 {
		if p.Transfers, err = gather(ctx, on, findTransfers, transfers, []any{id}, scanOwn); err != nil {
			return nil, fmt.Errorf("load transfers: %w", err)
		}
	}
	if attempts > 0 {
		if p.Attempts, err = gather(ctx, on, findAttempts, attempts, []any{id}, scanAttempt); err != nil {
			return nil, fmt.Errorf("load attempts: %w", err)
		}
	}
	return p, nil
}

func loadTerms(ctx context.Context, on session, id payment.ID) (payment.Terms, error) {
	var d payment.Terms
	var grace, created, expires int64
	var creator, access string
	if err := findTerms.row(ctx, on, []any{id}, &d.Merchant, &d.Dialect, &d.Reference, &d.PayerIdentifier, &d.RedirectURL,
		&d.RedirectLabel, &d.ClientID, &d.Origin, &grace, &created, &expires,
		&d.Flow, &d.RecipientIdentifier, &creator, &access, &d.Alias, &d.SecretHash, &d.Metadata, &d.PayerCancels); err != nil {
		return d, err
	}
	var err error
	if d.Access, err = decodeAccess(access); err != nil {
		return d, err
	}
	if creator != "" {
		if d.Creator, err = parseAddress(creator); err != nil {
			return d, err
		}
	}
	d.Grace = time.Duration(grace) * time.Microsecond
	d.CreatedAt, d.ExpiresAt = fromMicros(created), fromMicros(expires)
	d.Requests, err = gather(ctx, on, findRequests, 1, []any{id}, scanRequest)
	return d, err
}

func scanRequest(r rows) (payment.Request, error) {
	var q payment.Request
	var due, payee, share, amount, feePayee, bank string
	var chain int64
	err := r.Scan(&q.Index, &q.ID, &q.Asset, &due, &payee, &share, &amount, &feePayee, &q.Salt, &q.Reference, &q.Topic, &chain, &bank)
	if err != nil {
		return q, err
	}
	q.Chain = asset.ChainID(chain)
	if q.Bank, err = decodeBank(bank); err != nil {
		return q, err
	}
	if q.Due, err = parseUnits(due); err != nil {
		return q, err
	}
	if q.Payee, err = parseAddress(payee); err != nil || amount == "" {
		return q, err
	}
	q.Fee = &payment.Fee{Share: share}
	if q.Fee.Amount, err = parseUnits(amount); err != nil {
		return q, err
	}
	q.Fee.Payee, err = parseAddress(feePayee)
	return q, err
}

// PaymentByRequest implements checkout.Store.
func (s *Store) PaymentByRequest(ctx context.Context, requestID string) (*payment.Payment, error) {
	var id payment.ID
	ok, err := found(findRequest.row(ctx, s.quick, []any{plain(requestID)}, &id))
	if err != nil {
		return nil, fmt.Errorf("find request: %w", err)
	}
	if !ok {
		return nil, notFound("request")
	}
	return s.Payment(ctx, id)
}

const saveStanding = `UPDATE payments SET state = $1, oddity = $2, settled_at = $3, canceled_at = $4, canceled_by = $5, part = $6, version = version + 1
 WHERE id = $7 AND version = $8` // 0 rows: someone was faster

// SaveStanding implements checkout.Tx.
func (t *tx) SaveStanding(ctx context.Context, p *payment.Payment) error {
	n, err := t.exec(ctx, saveStanding, p.Standing.State, p.Standing.Oddity, micros(p.Standing.SettledAt),
		micros(p.Terms.CanceledAt), p.Terms.CanceledBy, p.Part(), p.ID, p.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return checkout.ErrStale
	}
	p.Version++
	t.touch(p.ID)
	t.stands(p)
	return nil
}

const selectOverdue = `SELECT id FROM payments WHERE state = 'open' AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2`

// Overdue implements checkout.Store. Payments without an end are never among them,
// whatever the clock says.
func (s *Store) Overdue(ctx context.Context, now time.Time, limit int) ([]payment.ID, error) {
	r, err := s.read.query(ctx, selectOverdue, min(micros(now), micros(payment.Endless)-1), limit)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (id payment.ID, err error) {
		err = r.Scan(&id)
		return id, err
	})
}
