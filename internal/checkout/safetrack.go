package checkout

// SafeTrackKind is the kind of the job that follows a Safe transaction; its
// arguments are Follow.Args.
const SafeTrackKind = "safe.track"

// Reasons why a Safe transaction came to nothing. They go over wires.
const (
	ReasonSafeFailed   = "safe_execution_failed"     // it was executed, and its calls failed
	ReasonSafeLate     = "safe_deadline_passed"      // it was not executed in time
	ReasonSafeReplaced = "safe_transaction_replaced" // another transaction of the Safe used its nonce
	ReasonSafeForeign  = "safe_tx_foreign"           // what is behind the hash does not pay this
)
