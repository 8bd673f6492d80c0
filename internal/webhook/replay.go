package webhook

import (
	"context"
	"fmt"
	"time"

	"quittance/internal/fault"
)

// Replay sends a delivery once more now, whatever its state: the same id and
// the same bytes. Attempts keep counting, so a delivery that was exhausted gets
// one more try per replay.
//
// Fault: NotFound.
func (s *Service) Replay(ctx context.Context, id string) error {
	if err := s.store.Replay(ctx, id, time.Now().UTC()); err != nil {
		return fmt.Errorf("replaying delivery %s: %w", id, err)
	}
	return nil
}

// ReplayTo is Replay for a delivery to one endpoint, in one dialect's words unless
// dialect is "".
//
// Fault: NotFound, also if it goes to another endpoint or is in other words.
func (s *Service) ReplayTo(ctx context.Context, dialect, endpoint, id string) error {
	d, _, err := s.store.Delivery(ctx, id)
	if d.ID != "" && (d.Endpoint != endpoint || dialect != "" && d.Dialect != dialect) {
		return fault.New(fault.NotFound, "delivery_not_found", "There is no such delivery.")
	}
	if err != nil {
		return fmt.Errorf("loading delivery %s: %w", id, err)
	}
	return s.Replay(ctx, id)
}

// replayBatch is how many deliveries one transaction replays.
const replayBatch = 250

// ReplayRange is Replay for the deliveries of a range, the oldest first, in
// batches, at most about limit of them. Tests and what is queued are passed over.
// progress, unless nil, hears after each batch how many it were so far. next
// continues the range as its After, "" if it is done.
//
// Fault: Invalid on field "to" if the range ends before it begins.
func (s *Service) ReplayRange(ctx context.Context, r Range, limit int, progress func(replayed int)) (replayed int, next string, err error) {
	if !r.To.IsZero() && r.To.Before(r.From) {
		return 0, "", fault.Field("to", "invalid_range", "to must not be before from.")
	}
	for {
		n, last, err := s.store.ReplayRange(ctx, r, time.Now().UTC(), min(replayBatch, limit-replayed))
		if err != nil {
			return replayed, r.After, fmt.Errorf("replaying deliveries to endpoint %s: %w", r.Endpoint, err)
		}
		replayed += n
		if progress != nil {
			progress(replayed)
		}
		if last == "" || replayed >= limit {
			return replayed, last, nil
		}
		r.After = last
	}
}

// Feed returns a merchant's messages, oldest first, 100 unless the filter says
// otherwise.
//
// Fault: Invalid "unknown_cursor" on field "after" if the feed has never been
// so long: then whoever asks has read another one, of a database that was lost.
// "cursor_too_old" if entries above after are no longer kept; who begins with 0 reads
// what there is.
func (s *Service) Feed(ctx context.Context, f FeedFilter) ([]Entry, error) {
	entries, err := s.store.Feed(ctx, f)
	if err != nil || f.After == 0 {
		return entries, err
	}
	// Looked at last, so that nothing was missing when the entries were read.
	start, err := s.store.FeedStart(ctx, f.Merchant)
	if err == nil && f.After < start-1 {
		err = fault.Field("after", "cursor_too_old", "Messages after this cursor are no longer kept. Begin again with after=0: that is the oldest there is.")
	}
	if err != nil || len(entries) > 0 {
		return entries, err
	}
	head, err := s.store.FeedHead(ctx, f.Merchant)
	if err == nil && f.After > head {
		err = fault.Field("after", "unknown_cursor", "after is no cursor of this feed. Begin again with after=0.")
	}
	return nil, err
}
