package userop

import (
	"quittance/internal/chain"
	"quittance/internal/official"
)

// TopicExecution is BeforeExecution(), which the EntryPoint emits between checking
// the operations of a bundle and executing them, one after the other, each of which
// ends with its event.
const TopicExecution = "0xbb47ee3e183a558b1a2ff0874b079f3fc5478b7454eacf2bfc5af2ff5878f972"

// Execution finds an operation in the logs of a transaction, all of them in their
// order, and returns what the EntryPoint says of it and what was logged while it was
// executed; nil if it was not.
func Execution(logs []chain.Log, hash official.Hash) (*Outcome, []chain.Log) {
	for o, during := range executions(logs) {
		if o.Hash == hash {
			return &o, during
		}
	}
	return nil, nil
}

// During returns the operation during whose execution a log of a transaction was
// emitted, by its index in the block; nil if it was none's.
func During(logs []chain.Log, index uint) *Outcome {
	for o, during := range executions(logs) {
		for _, l := range during {
			if l.Index == index {
				return &o
			}
		}
	}
	return nil
}

// executions are the operations of the one bundle that a transaction may have in it:
// the EntryPoint takes no second one while it executes.
func executions(logs []chain.Log) func(yield func(Outcome, []chain.Log) bool) {
	return func(yield func(Outcome, []chain.Log) bool) {
		since := len(logs) // nothing is executed before the EntryPoint says so
		for i, l := range logs {
			if l.Address != EntryPoint || len(l.Topics) == 0 {
				continue
			}
			switch l.Topics[0] {
			case TopicExecution:
				since = i + 1
			case TopicOperation:
				if o, err := DecodeOutcome(l); err == nil && since <= i && !yield(o, logs[since:i]) {
					return
				}
				since = i + 1
			}
		}
	}
}
