//go:build nosandbox

package static

import "embed"

// sandbox is empty: a production build carries no wallet of its own.
var sandbox embed.FS
