package chain

import "errors"

// How much one request holds. Nodes and what stands before them refuse more than so much,
// each its own: go-ethereum 5 MiB, a usual proxy 1 MiB.
const (
	requestMost = 2 << 20
	// requestLeast is what nobody refuses for its size.
	requestLeast = 128 << 10
)

// errRequestTooLong is a request that an endpoint did not read because of its size.
var errRequestTooLong = errors.New("the endpoint does not take requests of this size")

// parcel is how many of the first calls go into one request, at least one.
func parcel(calls []Call, most, bytes int) int {
	for n, c := range calls {
		if bytes -= c.size(); n > 0 && (n == most || bytes < 0) {
			return n
		}
	}
	return len(calls)
}

// size is about how many bytes a call takes in a request.
func (c Call) size() int {
	const envelope = 50
	return envelope + len(c.Method) + sizeOf(c.Params)
}

func sizeOf(v any) (n int) {
	const small, quotes = 8, 3
	switch v := v.(type) {
	case string:
		return len(v) + quotes
	case []any:
		for _, part := range v {
			n += sizeOf(part)
		}
	case []string:
		for _, part := range v {
			n += sizeOf(part)
		}
	case []map[string]any:
		for _, part := range v {
			n += sizeOf(part)
		}
	case map[string]any:
		for name, part := range v {
			n += sizeOf(name) + sizeOf(part)
		}
	default:
		return small
	}
	return n
}

// takes is how many bytes of questions the endpoint takes at once, as far as is known.
func (e *endpoint) takes() int {
	if n := int(e.request.Load()); n > 0 {
		return n
	}
	return requestMost
}

// refusedSize remembers that the endpoint did not take so many bytes. It reports false if
// asking for less at once is no use.
func (e *endpoint) refusedSize(calls []Call) bool {
	n := 0
	for _, c := range calls {
		n += c.size()
	}
	if len(calls) == 1 || n <= requestLeast {
		return false
	}
	e.request.Store(int64(max(n/2, requestLeast)))
	return true
}
