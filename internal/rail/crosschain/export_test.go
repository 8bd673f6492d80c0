package crosschain

// Connected reports whether Run has learnt what is connected.
func (r *Rail) Connected() bool { return r.tools.Load() != nil }

// Remembered counts the answers that are kept, and their bytes.
func (r *Rail) Remembered() (answers, bytes int) {
	r.offers.mu.Lock()
	defer r.offers.mu.Unlock()
	return len(r.offers.by), r.offers.bytes
}

// MaxOffers is how many answers are kept at most.
const MaxOffers = maxOffers

// RememberedSafes counts what is kept of Safes.
func (r *Rail) RememberedSafes() int {
	r.safes.mu.Lock()
	defer r.safes.mu.Unlock()
	return max(len(r.safes.by), len(r.safes.order))
}
