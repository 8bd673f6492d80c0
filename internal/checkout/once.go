package checkout

// Accepts tells whether a stored answer is the answer to this request.
//
// Faults: Mismatch "idempotency_key_reused" if the key came with another one.
func (o Once) Accepts(first Answer) error { return sameRequest(first.RequestHash, o.RequestHash) }
